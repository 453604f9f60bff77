"""What is wanted, in which order, and who works on it: one situation each."""

from __future__ import annotations

from random import Random

import pytest

from bittorrent.picker.config import PickerConfig, PieceState
from bittorrent.picker.picker import PiecePicker
from bittorrent.pieces.block import BLOCK_SIZE
from bittorrent.pieces.geometry import Geometry

NOW = 10.0
FAST, SLOW = 1e6, 1e3


def make_picker(pieces: int = 4, *, blocks: int = 4, peers: int = 2, **config: float) -> PiecePicker:
    """A picker with peers 1, 2, … that all have everything."""
    geometry = Geometry(pieces * blocks * BLOCK_SIZE, blocks * BLOCK_SIZE)
    picker = PiecePicker(geometry, rng=Random(5), config=PickerConfig(random_first_pieces=0, **config))  # type: ignore[arg-type]
    for peer in range(1, peers + 1):
        picker.add_peer(peer)
        picker.peer_has_all(peer)
    return picker


class TestPriorities:
    def test_higher_ones_come_first_and_zero_never(self) -> None:
        picker = make_picker(pieces=5, blocks=1, peers=1)
        assert picker.set_priorities(bytes([1, 0, 7, 4, 5])) == ()
        assert [block.piece for block in picker.pick(1, 9, now=NOW)] == [2, 4, 3, 0]
        picker.check_invariants()

    def test_priority_goes_before_rarity(self) -> None:
        picker = make_picker(pieces=2, blocks=1, peers=1)
        picker.add_peer(2)
        picker.peer_have(2, 1)
        picker.set_priorities(bytes([4, 5]))
        assert picker.pick(1, 1, now=NOW)[0].piece == 1

    def test_what_is_left_unfinished_waits_for_a_higher_priority(self) -> None:
        picker = make_picker(pieces=2, peers=1)
        first = picker.pick(1, 2, now=NOW)[0]
        picker.block_received(1, first)
        picker.release_all(1)
        picker.set_priorities(bytes(4 if index == first.piece else 6 for index in range(2)))
        assert picker.pick(1, 4, now=NOW)[0].piece == 1 - first.piece

    def test_what_is_wanted_no_longer_is_dropped(self) -> None:
        picker = make_picker(pieces=2, peers=2)
        blocks = picker.pick(1, 4, now=NOW)
        index = blocks[0].piece
        picker.block_received(1, blocks[0])
        other = bytes(4 if piece != index else 0 for piece in range(2))
        assert picker.set_priorities(other) == tuple((1, block) for block in blocks[1:])
        assert picker.take_given_up() == (index,)
        assert picker.state(index) is PieceState.MISSING
        assert picker.block_received(1, blocks[1]) == (True, False, False, ())
        picker.check_invariants()
        picker.set_priorities(bytes([4, 4]))
        assert {block.piece for block in picker.pick(2, 8, now=NOW)} == {0, 1}

    def test_finished_is_less_than_complete(self) -> None:
        picker = make_picker(pieces=3, blocks=1, peers=1)
        picker.set_priorities(bytes([0, 4, 0]))
        assert (picker.wanted_bytes, picker.needed_bytes) == (BLOCK_SIZE, BLOCK_SIZE)
        picker.block_received(1, picker.pick(1, 3, now=NOW)[0])
        picker.piece_verified(1)
        assert (picker.is_finished, picker.is_complete) == (True, False)
        assert not picker.is_interesting(1)
        assert (picker.needed_bytes, picker.missing_bytes) == (0, 2 * BLOCK_SIZE)
        picker.set_priorities(bytes([0, 0, 1]))
        assert not picker.is_finished
        assert picker.is_interesting(1)

    def test_a_bad_piece_that_nobody_wants_any_more_is_not_fetched(self) -> None:
        picker = make_picker(pieces=1, peers=2)
        for block in picker.pick(1, 4, now=NOW):
            picker.block_received(1, block)
        picker.set_priorities(bytes([0]))
        picker.piece_failed(0)
        assert picker.pick(2, 4, now=NOW) == []
        picker.check_invariants()
        picker.set_priorities(bytes([4]))
        assert len(picker.pick(2, 4, now=NOW)) == 4

    @pytest.mark.parametrize("wrong", [b"\x04", bytes([4, 8]), bytes(3)])
    def test_wrong_ones_are_refused(self, wrong: bytes) -> None:
        with pytest.raises(ValueError, match="from 0 to 7"):
            make_picker(pieces=2).set_priorities(wrong)


class TestSequential:
    def test_pieces_come_in_order(self) -> None:
        picker = make_picker(pieces=6, blocks=2, peers=2)
        picker.is_sequential = True
        one, two = picker.pick(1, 4, now=NOW), picker.pick(2, 2, now=NOW)
        assert [block.piece for block in one + two] == [0, 0, 1, 1, 2, 2]

    def test_by_priority_first(self) -> None:
        picker = make_picker(pieces=4, blocks=1, peers=1)
        picker.is_sequential = True
        picker.set_priorities(bytes([4, 4, 6, 6]))
        assert [block.piece for block in picker.pick(1, 4, now=NOW)] == [2, 3, 0, 1]

    def test_it_can_be_left(self) -> None:
        picker = make_picker(pieces=64, blocks=1, peers=1)
        picker.is_sequential = True
        assert picker.is_sequential
        picker.is_sequential = False
        assert [block.piece for block in picker.pick(1, 64, now=NOW)] != list(range(64))


class TestSpeed:
    def test_a_fast_peer_takes_over_what_a_much_slower_one_began(self) -> None:
        picker = make_picker(pieces=4, peers=2)
        picker.set_rates({1: SLOW, 2: FAST}, now=NOW)
        slow = picker.pick(1, 1, now=NOW)[0]
        fast = picker.pick(2, 4, now=NOW)
        assert [block.piece for block in fast[:3]] == [slow.piece] * 3
        assert fast[3].piece != slow.piece
        assert picker.stats.stolen_pieces == 1
        assert picker.pick(1, 1, now=NOW)[0].piece != slow.piece, "it is the other one's piece now"
        picker.check_invariants()

    @pytest.mark.parametrize("rates", [{}, {1: SLOW}, {2: FAST}, {1: FAST / 9, 2: FAST}])
    def test_nobody_steals_for_less(self, rates: dict[int, float]) -> None:
        picker = make_picker(pieces=4, peers=2, whole_piece_s=1e9)
        picker.set_rates(rates, now=NOW)
        begun = picker.pick(1, 1, now=NOW)[0].piece
        assert begun not in {block.piece for block in picker.pick(2, 4, now=NOW)}

    def test_slow_peers_share_pieces_with_each_other(self) -> None:
        picker = make_picker(pieces=4, peers=3, whole_piece_s=20, steal_factor=1e9)
        picker.set_rates({1: SLOW, 2: SLOW, 3: FAST}, now=NOW)
        fast = picker.pick(3, 1, now=NOW)[0].piece
        begun = picker.pick(1, 1, now=NOW)[0].piece
        assert begun != fast
        assert {block.piece for block in picker.pick(2, 3, now=NOW)} == {begun}, "not a new one, not that of the fast"

    def test_a_peer_that_left_has_no_rate(self) -> None:
        picker = make_picker(pieces=4, peers=2)
        picker.set_rates({1: SLOW, 2: FAST}, now=NOW)
        picker.remove_peer(1)
        picker.check_invariants()
        assert len(picker.pick(2, 4, now=NOW)) == 4


class TestDeadlines:
    def test_the_most_urgent_comes_first(self) -> None:
        picker = make_picker(pieces=8, blocks=2, peers=1)
        picker.set_rates({1: FAST}, now=NOW)
        picker.set_deadlines(7, {5: NOW + 60, 2: NOW + 50, 3: NOW + 60})
        assert picker.has_deadlines
        assert [block.piece for block in picker.pick(1, 6, now=NOW)] == [2, 2, 3, 3, 5, 5]

    def test_they_go_before_what_the_peer_began(self) -> None:
        picker = make_picker(pieces=8, peers=1)
        picker.set_rates({1: FAST}, now=NOW)
        begun = picker.pick(1, 1, now=NOW)[0].piece
        urgent = (begun + 1) % 8
        picker.set_deadlines(1, {urgent: NOW + 9})
        assert [block.piece for block in picker.pick(1, 5, now=NOW)] == [urgent] * 4 + [begun]

    def test_what_is_needed_at_once_is_shared_between_all(self) -> None:
        picker = make_picker(pieces=8, blocks=8, peers=4)
        picker.set_deadlines(1, {3: NOW, 4: NOW})
        picks = [picker.pick(peer, 4, now=NOW) for peer in range(1, 5)]
        assert all(3 in {block.piece for block in blocks} for blocks in picks)
        assert all(4 in {block.piece for block in blocks} for blocks in picks)

    def test_the_earliest_of_several_readers_counts(self) -> None:
        picker = make_picker(pieces=8, blocks=1, peers=1)
        picker.set_rates({1: FAST}, now=NOW)
        picker.set_deadlines(1, {2: NOW + 50, 3: NOW + 51})
        picker.set_deadlines(2, {3: NOW + 49})
        assert [block.piece for block in picker.pick(1, 2, now=NOW)] == [3, 2]
        picker.check_invariants()

    def test_withdrawn_ones_count_no_longer(self) -> None:
        picker = make_picker(pieces=64, blocks=1, peers=1)
        picker.set_deadlines(1, dict.fromkeys(range(8), NOW + 50))
        picker.set_deadlines(1, {})
        assert not picker.has_deadlines
        assert {block.piece for block in picker.pick(1, 8, now=NOW)} != set(range(8))

    def test_a_piece_that_is_here_has_none(self) -> None:
        picker = make_picker(pieces=2, blocks=1, peers=1)
        picker.set_deadlines(1, {0: NOW, 1: NOW})
        for block in picker.pick(1, 2, now=NOW):
            picker.block_received(1, block)
        seen = []
        for index in (0, 1):
            picker.piece_verified(index)
            seen.append(picker.has_deadlines)
        picker.set_deadlines(1, {0: NOW})
        seen.append(picker.has_deadlines)
        assert seen == [True, False, False]

    def test_a_slow_peer_leaves_what_it_would_be_late_for_to_the_fast(self) -> None:
        picker = make_picker(pieces=16, blocks=1, peers=2)
        picker.set_rates({1: SLOW, 2: FAST}, now=NOW)
        picker.set_deadlines(1, {0: NOW + 2, 1: NOW + 1e5})
        assert picker.pick(1, 1, now=NOW)[0].piece == 1
        assert picker.pick(2, 1, now=NOW)[0].piece == 0

    def test_a_slow_peer_that_alone_has_it_is_asked(self) -> None:
        picker = make_picker(pieces=16, blocks=1, peers=1)
        picker.add_peer(2)
        picker.peer_have(2, 5)
        picker.set_rates({1: SLOW, 2: FAST}, now=NOW)
        picker.set_deadlines(1, {0: NOW + 2})
        assert picker.pick(1, 1, now=NOW)[0].piece == 0

    def test_a_block_of_a_peer_that_stopped_is_asked_from_a_second_and_a_third(self) -> None:
        picker = make_picker(pieces=8, blocks=1, peers=4, late_after_s=1.0)
        rates = dict.fromkeys((1, 2, 3, 4), FAST)
        picker.set_rates(rates, now=NOW)
        picker.set_deadlines(1, {0: NOW + 5})
        late = picker.pick(1, 1, now=NOW)
        assert late[0].piece == 0
        picker.set_rates(rates, now=NOW)
        assert late[0] not in picker.pick(2, 1, now=NOW + 1.0), "it may come any time now"
        assert picker.pick(2, 1, now=NOW + 1.1) == late
        picker.set_rates(rates, now=NOW + 1.2)
        assert late[0] not in picker.pick(3, 1, now=NOW + 2.0)
        assert picker.pick(3, 1, now=NOW + 3.0) == late
        assert late[0] not in picker.pick(4, 1, now=NOW + 30), "three are enough"
        assert set(picker.block_received(3, late[0]).cancel_for) == {1, 2}
        picker.check_invariants()

    def test_a_block_of_a_peer_that_never_sent_anything_is_asked_from_another(self) -> None:
        picker = make_picker(pieces=8, blocks=1, peers=2, late_after_s=1.0)
        picker.set_rates({2: FAST}, now=NOW)
        picker.set_deadlines(1, {0: NOW + 0.5})
        late = picker.pick(1, 1, now=NOW)
        assert late[0] not in picker.pick(2, 1, now=NOW + 1.0)
        assert picker.pick(2, 1, now=NOW + 1.1) == late

    def test_a_block_in_a_queue_that_moves_is_not_late(self) -> None:
        picker = make_picker(pieces=64, blocks=1, peers=2, late_after_s=1.0)
        rates = {1: 4 * BLOCK_SIZE, 2: FAST}
        picker.set_deadlines(1, dict.fromkeys(range(12), NOW + 9))
        queue = picker.pick(1, 12, now=NOW)
        for second in range(3):
            for block in queue[4 * second : 4 * second + 3]:
                picker.block_received(1, block)
            picker.set_rates(rates, now=NOW + second)
            assert not set(picker.pick(2, 2, now=NOW + second + 0.5)) & set(queue)
            picker.block_received(1, queue[4 * second + 3])

    def test_a_block_that_will_be_late_is_asked_from_who_has_it_sooner(self) -> None:
        picker = make_picker(pieces=8, blocks=1, peers=2)
        picker.set_rates({1: BLOCK_SIZE / 4}, now=NOW)
        picker.set_deadlines(1, {0: NOW + 10})
        block = picker.pick(1, 1, now=NOW)[0]
        picker.set_rates({1: BLOCK_SIZE / 40, 2: BLOCK_SIZE / 4}, now=NOW)
        assert picker.pick(2, 1, now=NOW + 1) == [block]

    def test_a_piece_on_parole_stays_with_one_peer(self) -> None:
        picker = make_picker(pieces=1, blocks=2, peers=3)
        for block in picker.pick(1, 2, now=NOW):
            picker.block_received(1, block)
        picker.piece_failed(0)
        picker.set_deadlines(1, {0: NOW})
        assert len(picker.pick(2, 1, now=NOW)) == 1
        assert picker.pick(3, 2, now=NOW + 20) == []
        assert len(picker.pick(2, 1, now=NOW + 20)) == 1
        picker.check_invariants()

    def test_what_nobody_wants_is_not_fetched_for_a_reader(self) -> None:
        picker = make_picker(pieces=4, blocks=1, peers=1)
        picker.set_priorities(bytes([0, 4, 4, 4]))
        picker.set_deadlines(1, {0: NOW})
        assert {block.piece for block in picker.pick(1, 4, now=NOW)} == {1, 2, 3}

    def test_only_so_many_are_kept(self) -> None:
        picker = make_picker(pieces=64, blocks=1, peers=1, max_deadlines=2)
        picker.set_rates({1: FAST}, now=NOW)
        picker.set_deadlines(1, {index: NOW + 100 - index for index in range(64)})
        assert [block.piece for block in picker.pick(1, 2, now=NOW)] == [63, 62]
        picker.check_invariants()

    def test_an_index_that_does_not_exist_is_refused(self) -> None:
        with pytest.raises(IndexError):
            make_picker(pieces=4).set_deadlines(1, {4: NOW})


@pytest.mark.parametrize(
    "wrong",
    [
        {"whole_piece_s": 0},
        {"steal_factor": 1.0},
        {"max_deadlines": 0},
        {"critical_requesters": 0},
        {"late_after_s": 0},
    ],
)
def test_a_config_out_of_range_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"must be|at least"):
        PickerConfig(**wrong)  # type: ignore[arg-type]


class TestNamedPieces:
    """What a peer suggests, or gives while it chokes us (BEP 6)."""

    def test_helping_with_a_piece_does_not_take_it_away(self) -> None:
        picker = make_picker(pieces=4)
        (first,) = picker.pick(1, 1, now=NOW)
        (helped,) = picker.pick_from(2, [first.piece], 1, now=NOW)
        assert helped.piece == first.piece
        assert [block.piece for block in picker.pick(1, 2, now=NOW)] == [first.piece] * 2
        picker.check_invariants()

    def test_a_piece_that_nobody_works_on_belongs_to_the_peer_that_goes_on_with_it(self) -> None:
        picker = make_picker(pieces=2)
        (first,) = picker.pick(1, 1, now=NOW)
        picker.block_received(1, first)
        picker.release_all(1)
        assert [block.piece for block in picker.pick_from(2, [first.piece], 1, now=NOW)] == [first.piece]
        picker.set_priorities(bytes(4 if index == first.piece else 7 for index in range(2)))
        assert [block.piece for block in picker.pick(2, 1, now=NOW)] == [first.piece]
        assert [block.piece for block in picker.pick(1, 1, now=NOW)] == [1 - first.piece]
        picker.check_invariants()

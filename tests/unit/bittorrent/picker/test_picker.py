"""The picker's policies, one situation each. What must always hold is in the property test."""

from __future__ import annotations

from random import Random

import pytest

from bittorrent.picker.config import PickerConfig, PieceState
from bittorrent.picker.picker import PiecePicker
from bittorrent.pieces.bitfield import Bitfield
from bittorrent.pieces.block import BLOCK_SIZE, Block
from bittorrent.pieces.geometry import Geometry
from transfer.errors import LocalProtocolError

NOW = 10.0


def make_picker(pieces: int = 4, *, blocks: int = 4, peers: int = 2, first: int = 0, **config: int) -> PiecePicker:
    """A picker with peers 1, 2, … that all have everything."""
    geometry = Geometry(pieces * blocks * BLOCK_SIZE, blocks * BLOCK_SIZE)
    picker = PiecePicker(geometry, rng=Random(5), config=PickerConfig(random_first_pieces=first, **config))
    for peer in range(1, peers + 1):
        picker.add_peer(peer)
        picker.peer_has_all(peer)
    return picker


def fetch(picker: PiecePicker, peer: int, index: int) -> None:
    """Let a peer answer everything that is outstanding of a piece."""
    for block in [block for block in picker.requested_from(peer) if block.piece == index]:
        assert picker.block_received(peer, block).is_new


def failed_piece(picker: PiecePicker, peer: int = 1) -> int:
    """A piece that came from `peer` alone, and was bad."""
    index = picker.pick(peer, picker.geometry.block_count(0), now=NOW)[0].piece
    fetch(picker, peer, index)
    assert picker.piece_failed(index) == (peer,)
    picker.check_invariants()
    return index


def test_a_peer_gets_whole_pieces_in_order() -> None:
    picker = make_picker()
    one = picker.pick(1, 6, now=NOW)
    two = picker.pick(2, 4, now=NOW)
    more = picker.pick(1, 2, now=NOW)
    assert one[:4] == picker.geometry.blocks(one[0].piece)
    assert one[4:] + more == picker.geometry.blocks(one[4].piece)
    assert two == picker.geometry.blocks(two[0].piece)
    assert len({one[0].piece, one[4].piece, two[0].piece}) == 3


def test_the_first_pieces_are_shared() -> None:
    picker = make_picker(first=1)
    one = picker.pick(1, 2, now=NOW)
    two = picker.pick(2, 2, now=NOW)
    assert one + two == picker.geometry.blocks(one[0].piece)


def test_the_first_pieces_are_random_though_one_is_rarer() -> None:
    chosen = set()
    for seed in range(30):
        picker = PiecePicker(Geometry(8 * BLOCK_SIZE, BLOCK_SIZE), rng=Random(seed))
        for peer in (1, 2):
            picker.add_peer(peer)
        picker.peer_has_all(1)
        picker.peer_bitfield(2, Bitfield(8, range(7)))
        chosen.add(picker.pick(1, 1, now=NOW)[0].piece)
    assert len(chosen) > 4


def test_the_rarest_piece_comes_first() -> None:
    picker = make_picker(pieces=5, blocks=1, peers=1)
    for peer, pieces in ((2, [0, 1, 2, 3]), (3, [0, 1, 2]), (4, [0, 1])):
        picker.add_peer(peer)
        picker.peer_bitfield(peer, Bitfield(5, pieces))
    picker.peer_have(4, 0)
    picker.add_peer(5)
    picker.peer_have(5, 0)
    assert [block.piece for block in picker.pick(1, 5, now=NOW)] == [4, 3, 2, 1, 0]
    assert [picker.availability(index) for index in range(5)] == [5, 4, 3, 2, 1]


def test_what_a_choking_peer_began_is_finished_by_the_next() -> None:
    picker = make_picker()
    one = picker.pick(1, 4, now=NOW)
    picker.block_received(1, one[0])
    assert picker.release_all(1) == 3
    assert picker.pick(2, 4, now=NOW)[:3] == one[1:]


def test_what_a_peer_rejects_is_asked_from_the_next_before_anything_new() -> None:
    picker = make_picker()
    one = picker.pick(1, 4, now=NOW)
    picker.release(1, one[1])
    assert picker.pick(2, 1, now=NOW) == [one[1]]


def test_what_a_helper_rejects_stays_with_the_peer_that_began_it() -> None:
    picker = make_picker(pieces=2, peers=1)
    one = picker.pick(1, 2, now=NOW)
    begun, other = one[0].piece, 1 - one[0].piece
    for peer in (2, 3, 4):
        picker.add_peer(peer)
    picker.peer_have(2, begun)
    picker.peer_have(3, other)
    picker.peer_has_all(4)
    (helped,) = picker.pick(2, 1, now=NOW)
    assert helped.piece == begun
    picker.release(2, helped)
    assert {block.piece for block in picker.pick(4, 4, now=NOW)} == {other}


def test_a_piece_with_nothing_received_is_missing_again_after_a_choke() -> None:
    picker = make_picker()
    index = picker.pick(1, 2, now=NOW)[0].piece
    assert picker.state(index) is PieceState.PARTIAL
    picker.release_all(1)
    assert picker.state(index) is PieceState.MISSING
    assert not picker.requested_from(1)


def test_a_peer_that_is_gone_is_forgotten() -> None:
    picker = make_picker(pieces=1, blocks=4)
    one = picker.pick(1, 2, now=NOW)
    two = picker.pick(2, 2, now=NOW)
    picker.block_received(1, one[0])
    picker.block_received(1, one[1])
    picker.remove_peer(1)
    picker.release(2, two[1])
    picker.check_invariants()
    assert picker.availability(0) == 1
    assert picker.pick(2, 4, now=NOW) == [two[1]]
    with pytest.raises(LocalProtocolError, match="add_peer comes first"):
        picker.pick(1, 1, now=NOW)


def test_help_with_others_pieces_comes_last() -> None:
    picker = make_picker(pieces=2)
    picker.pick(1, 1, now=NOW)
    blocks = picker.pick(2, 7, now=NOW)
    assert len({block.piece for block in blocks[:4]}) == 1
    assert len(blocks) == 7
    assert len({block.piece for block in blocks[4:]}) == 1


def test_with_too_many_begun_help_comes_first() -> None:
    picker = make_picker(pieces=8, peers=3, max_open_blocks=4)
    one = picker.pick(1, 1, now=NOW)[0]
    two = picker.pick(2, 1, now=NOW)[0]
    assert one.piece != two.piece, "the bound is not reached by a single piece"
    assert picker.pick(3, 1, now=NOW)[0].piece in (one.piece, two.piece)


def test_never_more_unfinished_pieces_than_allowed() -> None:
    picker = make_picker(pieces=8, peers=0, max_partial_pieces=2)
    for peer in range(1, 9):
        picker.add_peer(peer)
        picker.peer_have(peer, peer - 1)
        block = picker.pick(peer, 1, now=NOW)[0]
        picker.block_received(peer, block)
        picker.release_all(peer)
        picker.check_invariants()
    assert picker.stats.partial_pieces == 2
    assert picker.state(0) is PieceState.MISSING
    assert picker.state(7) is PieceState.PARTIAL
    assert picker.take_given_up() == (0, 1, 2, 3, 4, 5)
    assert picker.take_given_up() == ()
    picker.peer_have(8, 0)
    assert {block.piece for block in picker.pick(8, 5, now=NOW)} == {7, 0}
    assert picker.take_given_up() == (6,)


def test_unfinished_pieces_are_bounded_in_bytes_too() -> None:
    picker = make_picker(pieces=8, max_partial_bytes=9 * BLOCK_SIZE)
    assert len({block.piece for block in picker.pick(1, 100, now=NOW)}) == 2
    assert make_picker(pieces=8, max_partial_bytes=1).pick(1, 1, now=NOW), "one piece is always possible"


def test_a_piece_that_was_given_up_is_named_even_if_it_is_begun_again() -> None:
    picker = make_picker(pieces=2, max_partial_pieces=1, peers=0)
    for peer in (1, 2):
        picker.add_peer(peer)
        picker.peer_have(peer, peer - 1)
        picker.block_received(peer, picker.pick(peer, 1, now=NOW)[0])
        picker.release_all(peer)
    assert picker.pick(1, 1, now=NOW) == [Block(0, 0, BLOCK_SIZE)]
    assert picker.take_given_up() == (0, 1)


def test_pieces_that_are_worked_on_are_not_given_up() -> None:
    picker = make_picker(pieces=3, max_partial_pieces=1, peers=0)
    for peer in (1, 2):
        picker.add_peer(peer)
        picker.peer_have(peer, peer)
    assert picker.pick(1, 4, now=NOW)
    assert picker.pick(2, 4, now=NOW) == []


def test_what_is_rarer_comes_before_what_was_left_unfinished() -> None:
    picker = make_picker(pieces=4, peers=1)
    for peer in (2, 3):
        picker.add_peer(peer)
        picker.peer_have(peer, 0)  # so piece 0 is common, and the others are at peer 1 alone
    assert [block.piece for block in picker.pick(2, 2, now=NOW)] == [0, 0]
    picker.release_all(2)
    for block in picker.pick(2, 1, now=NOW):
        picker.block_received(2, block)
    assert picker.state(0) is PieceState.PARTIAL
    assert 0 not in {block.piece for block in picker.pick(1, 12, now=NOW)}
    assert {block.piece for block in picker.pick(1, 4, now=NOW)} == {0}


class TestEndgame:
    def test_duplicates_the_stalest_first(self) -> None:
        picker = make_picker(pieces=1, blocks=4, peers=4, endgame_requesters=3)
        first = picker.pick(1, 2, now=1.0)
        seen = [picker.is_endgame]
        second = picker.pick(2, 2, now=2.0)
        seen.append(picker.is_endgame)
        assert seen == [False, True]
        assert picker.pick(3, 3, now=3.0) == [*first, second[0]]
        assert picker.pick(4, 2, now=4.0) == [second[1], first[0]]

    def test_bounds_the_askers_of_a_block(self) -> None:
        picker = make_picker(pieces=1, blocks=1, peers=5, endgame_requesters=3)
        assert [len(picker.pick(peer, 4, now=NOW)) for peer in range(1, 6)] == [1, 1, 1, 0, 0]

    def test_one_more_is_asked_when_none_of_them_answers(self) -> None:
        picker = make_picker(pieces=1, blocks=2, peers=5, endgame_requesters=2, endgame_patience_s=5)
        assert [len(picker.pick(peer, 4, now=NOW)) for peer in range(1, 4)] == [2, 2, 0]
        assert len(picker.pick(3, 4, now=NOW + 5)) == 2
        assert picker.pick(4, 4, now=NOW + 9) == []
        assert len(picker.pick(4, 1, now=NOW + 10)) == 1
        picker.check_invariants()
        (block,) = list(picker.requested_from(4))
        assert picker.block_received(4, block).cancel_for == (1, 2, 3)

    def test_a_busy_peer_gets_no_duplicates(self) -> None:
        picker = make_picker(pieces=1, blocks=8, peers=2, endgame_requests=4)
        picker.pick(1, 3, now=NOW)
        assert len(picker.pick(2, 5, now=NOW)) == 5
        assert picker.pick(2, 5, now=NOW) == []
        assert len(picker.pick(1, 5, now=NOW)) == 1

    def test_the_first_answer_cancels_the_others(self) -> None:
        picker = make_picker(pieces=1, blocks=2, peers=2)
        blocks = picker.pick(1, 2, now=NOW)
        assert picker.pick(2, 2, now=NOW) == blocks
        result = picker.block_received(2, blocks[0])
        assert (result.is_new, result.cancel_for) == (True, (1,))
        assert list(picker.requested_from(1)) == [blocks[1]]
        late = picker.block_received(1, blocks[0])
        assert (late.is_expected, late.is_new) == (True, False)
        assert picker.stats.unneeded_blocks == 1
        last = picker.block_received(1, blocks[1])
        assert (last.is_piece_complete, last.cancel_for) == (True, (2,))
        assert picker.contributors(0) == (2, 1)

    def test_a_piece_on_parole_is_not_duplicated(self) -> None:
        picker = make_picker(pieces=1, peers=2)
        failed_piece(picker, 1)
        assert len(picker.pick(2, 4, now=NOW)) == 4
        assert picker.is_endgame
        assert picker.pick(1, 4, now=NOW) == []


def test_what_is_there_at_the_start_is_never_asked_for() -> None:
    geometry = Geometry(100_003 * BLOCK_SIZE, BLOCK_SIZE)
    missing = [0, 4097, 65_536, 100_002]
    have = Bitfield.full(100_003).without(Bitfield(100_003, missing))
    picker = PiecePicker(geometry, rng=Random(1), have=have)
    picker.check_invariants()
    have.clear(1)
    assert picker.missing_bytes == picker.needed_bytes == 4 * BLOCK_SIZE
    picker.add_peer(1)
    picker.peer_has_all(1)
    assert sorted(block.piece for block in picker.pick(1, 9, now=NOW)) == missing


def test_who_has_nothing_more_that_is_wanted_is_named_once() -> None:
    picker = make_picker(pieces=3, blocks=1, peers=1)
    for peer, pieces in ((2, (0,)), (3, (0, 1)), (4, (2,))):
        picker.add_peer(peer)
        for index in pieces:
            picker.peer_have(peer, index)
    assert picker.mark_have(0) == [2]
    assert picker.mark_have(0) == []
    picker.pick_from(1, [1], 1, now=NOW)
    fetch(picker, 1, 1)
    assert picker.piece_verified(1) == [3]
    assert not picker.is_interesting(3)
    assert picker.is_interesting(1)
    assert picker.mark_have(2) == [4], "a seed is not named"
    assert picker.is_finished


class TestParole:
    def test_a_failed_piece_goes_to_somebody_else(self) -> None:
        picker = make_picker(pieces=3)
        index = failed_piece(picker, 1)
        assert picker.state(index) is PieceState.MISSING
        assert all(block.piece != index for block in picker.pick(1, 4, now=NOW))
        assert picker.pick(2, 4, now=NOW) == picker.geometry.blocks(index)

    def test_a_suspect_is_asked_when_there_is_nothing_else(self) -> None:
        picker = make_picker(pieces=2, peers=1)
        index = failed_piece(picker, 1)
        blocks = picker.pick(1, 8, now=NOW)
        assert [block.piece for block in blocks] == [1 - index] * 4 + [index] * 4

    def test_one_peer_alone_sends_it(self) -> None:
        picker = make_picker(pieces=1, peers=3)
        index = failed_piece(picker, 1)
        picker.pick(2, 2, now=NOW)
        assert picker.pick(3, 4, now=NOW) == []
        fetch(picker, 2, index)
        picker.release_all(2)
        assert picker.pick(3, 4, now=NOW) == picker.geometry.blocks(index), "what came from another is asked again"
        fetch(picker, 3, index)
        assert picker.piece_failed(index) == (3,)

    def test_its_owner_may_come_back(self) -> None:
        picker = make_picker(pieces=1, peers=2)
        index = failed_piece(picker, 1)
        blocks = picker.pick(2, 4, now=NOW)
        picker.block_received(2, blocks[0])
        picker.release_all(2)
        assert picker.pick(2, 4, now=NOW) == blocks[1:]
        fetch(picker, 2, index)
        picker.piece_verified(index)
        assert picker.is_complete

    def test_a_reject_does_not_hand_it_on_while_something_is_outstanding(self) -> None:
        picker = make_picker(pieces=1, peers=3)
        failed_piece(picker, 1)
        blocks = picker.pick(2, 4, now=NOW)
        picker.release(2, blocks[0])
        assert picker.pick(3, 4, now=NOW) == []
        picker.check_invariants()
        for block in blocks[1:]:
            picker.release(2, block)
        assert picker.pick(3, 4, now=NOW) == blocks

    def test_rejects_hand_it_on_with_what_came_when_nothing_is_outstanding_any_more(self) -> None:
        picker = make_picker(pieces=1, peers=3)
        index = failed_piece(picker, 1)
        blocks = picker.pick(2, 4, now=NOW)
        picker.block_received(2, blocks[0])
        for block in blocks[1:]:
            assert picker.pick(3, 4, now=NOW) == []
            picker.release(2, block)
        assert picker.pick(3, 4, now=NOW) == picker.geometry.blocks(index)
        picker.check_invariants()

    def test_a_late_block_of_it_is_not_taken(self) -> None:
        picker = make_picker(pieces=1, peers=2)
        failed_piece(picker, 1)
        block = picker.pick(2, 4, now=NOW)[0]
        picker.release_all(2)
        assert picker.block_received(2, block) == (True, False, False, ())

    def test_its_owner_has_a_turn_and_each_turn_is_twice_as_long(self) -> None:
        picker = make_picker(pieces=1, peers=3)
        index = failed_piece(picker, 1)
        blocks = picker.geometry.blocks(index)
        assert picker.pick(2, 4, now=100.0) == blocks
        picker.block_received(2, blocks[0])
        assert picker.pick(3, 4, now=129.0) == []
        assert picker.parole.take_withdrawn() == []
        assert picker.pick(3, 4, now=130.0) == blocks, "from the start: of one piece one peer is to answer for all"
        assert picker.parole.take_withdrawn() == [(2, block) for block in blocks[1:]]
        picker.check_invariants()
        assert picker.take_given_up() == (index,)
        assert picker.block_received(2, blocks[1]) == (True, False, False, ())
        assert picker.pick(2, 4, now=189.0) == []
        assert picker.pick(2, 4, now=190.0) == blocks
        fetch(picker, 2, index)
        picker.piece_verified(index)
        assert picker.is_complete
        picker.check_invariants()

    def test_a_piece_of_an_owner_that_asks_for_nothing_is_taken_over_too(self) -> None:
        picker = make_picker(pieces=1, peers=3)
        index = failed_piece(picker, 1)
        (block,) = picker.pick(2, 1, now=100.0)
        picker.block_received(2, block)
        assert picker.pick(3, 4, now=120.0) == []
        assert picker.pick(3, 4, now=140.0) == picker.geometry.blocks(index)
        assert picker.parole.take_withdrawn() == []
        picker.check_invariants()

    def test_nobody_else_takes_it_while_there_is_something_else_to_do(self) -> None:
        picker = make_picker(pieces=2, peers=3)
        index = failed_piece(picker, 1)
        assert picker.pick(2, 4, now=100.0) == picker.geometry.blocks(index)
        assert {block.piece for block in picker.pick(3, 4, now=200.0)} == {1 - index}
        assert picker.pick(3, 4, now=200.0) == picker.geometry.blocks(index)

    def test_it_ends_with_the_verification(self) -> None:
        picker = make_picker(pieces=2)
        index = failed_piece(picker, 1)
        picker.pick(2, 4, now=NOW)
        fetch(picker, 2, index)
        picker.piece_verified(index)
        picker.mark_missing(index)
        assert {block.piece for block in picker.pick(1, 8, now=NOW)} == {0, 1}

    def test_a_suspect_that_left_is_forgotten(self) -> None:
        picker = make_picker(pieces=1, peers=2)
        blocks = picker.pick(1, 2, now=NOW) + picker.pick(2, 2, now=NOW)
        picker.block_received(1, blocks[0])
        picker.block_received(1, blocks[1])
        picker.remove_peer(1)
        picker.block_received(2, blocks[2])
        picker.block_received(2, blocks[3])
        assert picker.piece_failed(0) == (1, 2)
        picker.check_invariants()
        picker.add_peer(1)
        picker.peer_has_all(1)
        assert len(picker.pick(1, 4, now=NOW)) == 4


class TestBlocks:
    def test_an_unexpected_block_is_reported(self) -> None:
        picker = make_picker()
        block = picker.pick(1, 1, now=NOW)[0]
        for peer, stranger in ((2, block), (1, Block(99, 0, 16384)), (1, Block(block.piece, 1, 7))):
            assert picker.block_received(peer, stranger) == (False, False, False, ())
        assert picker.stats.unneeded_blocks == 3

    def test_a_late_answer_counts_while_it_is_needed(self) -> None:
        picker = make_picker(pieces=2, blocks=2)
        blocks = picker.pick(1, 2, now=NOW)
        picker.release_all(1)
        assert picker.block_received(1, blocks[0]) == (True, True, False, ())
        picker.check_invariants()
        assert picker.pick(2, 1, now=NOW) == [blocks[1]]
        assert picker.block_received(1, blocks[1]) == (True, True, True, (2,))
        picker.check_invariants()

    def test_only_the_latest_withdrawn_requests_are_remembered(self) -> None:
        picker = make_picker(pieces=1, blocks=4, late_blocks=2)
        blocks = picker.pick(1, 4, now=NOW)
        picker.release_all(1)
        assert [picker.block_received(1, block).is_expected for block in blocks] == [False, False, True, True]

    def test_a_request_is_released_once(self) -> None:
        picker = make_picker(pieces=2)
        block = picker.pick(1, 2, now=1.0)[0]
        assert picker.release(1, block)
        assert not picker.release(1, block)


class TestPieces:
    def test_from_missing_to_have(self) -> None:
        picker = make_picker(pieces=1, blocks=2, peers=1)
        seen = [picker.state(0)]
        blocks = picker.pick(1, 2, now=NOW)
        seen.append(picker.state(0))
        results = [picker.block_received(1, block) for block in blocks]
        seen.append(picker.state(0))
        assert [result.is_piece_complete for result in results] == [False, True]
        assert picker.missing_bytes == 2 * BLOCK_SIZE
        assert picker.is_interesting(1)
        picker.piece_verified(0)
        seen.append(picker.state(0))
        assert seen == [PieceState.MISSING, PieceState.PARTIAL, PieceState.COMPLETE, PieceState.HAVE]
        assert picker.missing_bytes == 0
        assert picker.is_complete
        assert not picker.is_interesting(1)
        assert list(picker.have) == [0]

    def test_what_is_on_disk_is_not_fetched(self) -> None:
        picker = make_picker(pieces=3, blocks=1)
        picker.mark_have(1)
        picker.mark_have(1)
        assert sorted(block.piece for block in picker.pick(1, 9, now=NOW)) == [0, 2]
        with pytest.raises(LocalProtocolError, match="cannot be found on disk"):
            picker.mark_have(0)

    def test_a_lost_piece_interests_again(self) -> None:
        picker = make_picker(pieces=2, blocks=1, peers=0)
        picker.mark_have(0)
        picker.add_peer(1)
        picker.peer_have(1, 0)
        assert not picker.is_interesting(1)
        picker.mark_missing(0)
        assert picker.is_interesting(1)
        assert picker.missing_bytes == 2 * BLOCK_SIZE
        assert picker.pick(1, 1, now=NOW) == [Block(0, 0, BLOCK_SIZE)]
        with pytest.raises(LocalProtocolError, match="cannot be lost"):
            picker.mark_missing(0)

    @pytest.mark.parametrize("index", [0, 1])
    def test_only_a_complete_piece_has_a_verdict(self, index: int) -> None:
        picker = make_picker(pieces=2)
        picker.mark_have(1)
        with pytest.raises(LocalProtocolError, match="nothing to verify"):
            picker.piece_verified(index)
        with pytest.raises(LocalProtocolError, match="nothing to verify"):
            picker.piece_failed(index)


class TestPeers:
    def test_the_last_have_makes_a_seed(self) -> None:
        picker = make_picker(pieces=2, peers=0)
        picker.add_peer(1)
        picker.peer_have(1, 0)
        assert not picker.is_seed(1)
        assert (picker.peer_has(1, 0), picker.peer_has(1, 1)) == (True, False)
        picker.peer_have(1, 1)
        picker.peer_have(1, 1)
        assert picker.is_seed(1)
        assert [picker.availability(index) for index in range(2)] == [1, 1]
        picker.remove_peer(1)
        assert [picker.availability(index) for index in range(2)] == [0, 0]

    def test_a_second_bitfield_replaces_the_first(self) -> None:
        picker = make_picker(pieces=3, peers=1)
        picker.peer_bitfield(1, Bitfield(3, [2]))
        assert [picker.availability(index) for index in range(3)] == [0, 0, 1]
        picker.peer_bitfield(1, Bitfield.full(3))
        assert picker.is_seed(1)
        picker.check_invariants()

    def test_wrong_calls_raise_at_once(self) -> None:
        picker = make_picker(pieces=3, peers=1)
        with pytest.raises(LocalProtocolError, match="already known"):
            picker.add_peer(1)
        with pytest.raises(ValueError, match="4 pieces for a torrent of 3"):
            picker.peer_bitfield(1, Bitfield(4))
        with pytest.raises(LocalProtocolError, match="add_peer comes first"):
            picker.release(9, Block(0, 0, BLOCK_SIZE))
        picker.peer_bitfield(1, Bitfield(3))
        with pytest.raises(IndexError):
            picker.peer_have(1, 3)


@pytest.mark.parametrize(
    "wrong",
    [
        {"random_first_pieces": -1},
        {"open_pieces_per_peer": 0},
        {"max_open_blocks": 0},
        {"max_partial_pieces": 0},
        {"max_partial_bytes": 0},
        {"endgame_requesters": 0},
        {"endgame_requests": 0},
        {"late_blocks": -1},
    ],
)
def test_a_config_out_of_range_is_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=r"must be|cannot be|at least"):
        PickerConfig(**wrong)


def test_the_statistics_count_each_piece_in_one_state() -> None:
    picker = make_picker(pieces=7, blocks=2, peers=1)
    picker.mark_have(6)
    for block in picker.pick(1, 7, now=NOW)[:5]:  # two whole pieces, one of the two blocks of a third; a fourth begun
        picker.block_received(1, block)
    complete = [index for index in range(7) if picker.state(index) is PieceState.COMPLETE]
    assert len(complete) == 2
    picker.piece_verified(complete[0])
    stats = picker.stats
    assert (stats.missing_pieces, stats.partial_pieces, stats.complete_pieces, stats.have_pieces) == (2, 2, 1, 2)
    assert (stats.outstanding_blocks, stats.duplicate_requests, stats.unneeded_blocks) == (2, 0, 0)

"""What peers may have of trees: from memory at once, after some reading, or not at all."""

from __future__ import annotations

from random import Random

import pytest

from bittorrent.merkle.proof import HashRange, TreeRows, check_hashes, layer_ranges, leaf_ranges
from bittorrent.merkle.shape import TreeShape
from bittorrent.merkle.tree import leaves_of
from bittorrent.pieces.bitfield import Bitfield
from bittorrent.swarm.hashes.answers import HashAnswers
from bittorrent.swarm.hashes.config import HashConfig
from bittorrent.swarm.hashes.places import TreePlaces
from bittorrent.swarm.hashes.work import HashWork, Prepared
from bittorrent.wire.hashes import Hashes, HashReject

PIECE = 4 * 16384
SMALL = Random(1).randbytes(3 * PIECE + 5)  # pieces 0 to 3, and again 10 to 13
TINY = Random(2).randbytes(2 * 16384 + 1)  # piece 20
LARGE = Random(3).randbytes(70 * PIECE)  # pieces 30 to 99
CONTENT = {0: SMALL, 10: SMALL, 20: TINY, 30: LARGE}


def tree(content: bytes) -> tuple[TreeShape, TreeRows]:
    shape = TreeShape(len(content), PIECE)
    return shape, TreeRows(shape, leaves_of(content), 0)


TREES = {rows.root: (shape, rows) for shape, rows in map(tree, (SMALL, TINY, LARGE))}
SMALL_ROOT, TINY_ROOT, LARGE_ROOT = TREES
LAYERS = {root: rows.row(shape.piece_height) for root, (shape, rows) in TREES.items() if shape.needs_layer}


class Desk:
    """Answers, and a disk that counts what is read."""

    def __init__(self, have: Bitfield | None = None, config: HashConfig | None = None) -> None:
        shapes = {root: shape for root, (shape, _) in TREES.items()}
        files = [(0, SMALL_ROOT), (10, SMALL_ROOT), (20, TINY_ROOT), (30, LARGE_ROOT)]
        self.places = TreePlaces(shapes, dict(LAYERS), files)
        self.have = have if have is not None else Bitfield.full(100)
        self.answers = HashAnswers(self.places, self.have, config or HashConfig())
        self.reads: list[int] = []

    def read(self, index: int, size: int) -> bytes:
        first = max(start for start in CONTENT if start <= index)
        self.reads.append(index)
        return CONTENT[first][(index - first) * PIECE :][:size]

    def work(self) -> HashWork:
        work = self.answers.next_work()
        assert work is not None
        return work

    def do(self, work: HashWork) -> list[tuple[int, Hashes | HashReject]]:
        found = list(self.answers.prepared(work, work.run(self.read)))
        self.answers.check_invariants()
        return found


def is_right(answer: Hashes | HashReject | None) -> bool:
    if not isinstance(answer, Hashes):
        return False
    shape, rows = TREES[answer.range.root]
    found = check_hashes(shape, answer.range, answer.hashes)
    first = answer.range.index * 32
    return found == rows.row(answer.range.base)[first : first + len(found)]


def layer(root: bytes) -> HashRange:
    return layer_ranges(TREES[root][0], root)[0]


def leaves(root: bytes, piece: int) -> HashRange:
    return leaf_ranges(TREES[root][0], root, piece)[0]


def test_small_layers_come_at_once() -> None:
    desk = Desk()
    assert is_right(desk.answers.request(1, layer(SMALL_ROOT), now=0.0))
    assert desk.answers.next_work() is None


def test_a_large_tree_is_made_once_in_a_thread() -> None:
    desk = Desk()
    assert desk.answers.request(1, layer(LARGE_ROOT), now=0.0) is None
    work = desk.work()
    assert desk.answers.next_work() is None, "one at a time"
    assert [is_right(answer) for _, answer in desk.do(work)] == [True]
    assert desk.reads == []
    assert is_right(desk.answers.request(2, layer(LARGE_ROOT), now=0.0))


@pytest.mark.parametrize("root", TREES, ids=["small", "tiny", "large"])
def test_leaves_are_read_once_for_all_who_ask(root: bytes) -> None:
    desk = Desk()
    wanted = leaves(root, 0)
    assert desk.answers.request(1, wanted, now=0.0) is None
    assert desk.answers.request(2, wanted, now=0.0) is None
    found = desk.do(desk.work())
    assert sorted(number for number, _ in found) == [1, 2]
    assert all(is_right(answer) for _, answer in found)
    assert len(desk.reads) == 1
    assert is_right(desk.answers.request(3, wanted, now=0.0))
    assert len(desk.reads) == 1


def test_rows_between_leaves_and_the_layer() -> None:
    desk = Desk()
    wanted = HashRange(SMALL_ROOT, 1, 2, 4, TREES[SMALL_ROOT][0].height - 2)
    assert desk.answers.request(1, HashRange(SMALL_ROOT, 1, 4, 4, 2), now=0.0) is None
    ((_, answer),) = desk.do(desk.work())
    assert is_right(answer)
    assert isinstance(desk.answers.request(1, wanted, now=0.0), HashReject), "2 is no multiple of 4"


@pytest.mark.parametrize(
    "wanted",
    [
        HashRange(b"x" * 32, 0, 0, 2, 0),
        HashRange(SMALL_ROOT, 4, 0, 2, 0),
        HashRange(SMALL_ROOT, 0, 16, 2, 0),
        HashRange(SMALL_ROOT, 0, 0, 2, 9),
        HashRange(SMALL_ROOT, 2**32 - 1, 2**32 - 1, 2**32 - 1, 2**32 - 1),
    ],
)
def test_what_is_no_range_is_refused(wanted: HashRange) -> None:
    desk = Desk()
    assert desk.answers.request(1, wanted, now=0.0) == HashReject(wanted)
    assert desk.answers.next_work() is None


def test_leaves_of_pieces_that_are_not_here_are_refused_and_a_twin_serves() -> None:
    desk = Desk(Bitfield(100, [11, 12]))
    for piece, is_there in enumerate((False, True, True, False)):
        wanted = leaves(SMALL_ROOT, piece)
        answer = desk.answers.request(1, wanted, now=0.0)
        assert answer == (None if is_there else HashReject(wanted))
    assert all(is_right(answer) for _, answer in [*desk.do(desk.work()), *desk.do(desk.work())])
    assert desk.reads == [11, 12]


def test_layers_that_are_not_known_are_refused_until_they_come() -> None:
    desk = Desk()
    desk.places.layers = known = {}
    assert isinstance(desk.answers.request(1, layer(SMALL_ROOT), now=0.0), HashReject)
    assert isinstance(desk.answers.request(1, leaves(SMALL_ROOT, 0), now=0.0), HashReject)
    known[SMALL_ROOT] = LAYERS[SMALL_ROOT]
    assert is_right(desk.answers.request(1, layer(SMALL_ROOT), now=0.0))


def test_what_is_on_disk_and_wrong_is_not_sent() -> None:
    desk = Desk()
    wanted = leaves(SMALL_ROOT, 1)
    assert desk.answers.request(1, wanted, now=0.0) is None
    work = desk.work()
    assert work.run(lambda index, size: bytes(size)) is None
    assert list(desk.answers.prepared(work, None)) == [(1, HashReject(wanted))]


def test_the_queue_of_a_peer_is_bounded_and_peers_take_turns() -> None:
    desk = Desk(config=HashConfig(max_waiting=3))
    for piece in range(3):
        assert desk.answers.request(1, leaves(LARGE_ROOT, piece), now=0.0) is None
    assert isinstance(desk.answers.request(1, leaves(LARGE_ROOT, 3), now=0.0), HashReject)
    assert isinstance(desk.answers.request(1, leaves(LARGE_ROOT, 0), now=0.0), HashReject), "it waits already"
    assert desk.answers.request(2, leaves(LARGE_ROOT, 50), now=0.0) is None
    served = [number for _ in range(4) for number, _ in desk.do(desk.work())]
    assert served == [1, 2, 1, 1]
    assert desk.answers.next_work() is None


def test_a_peer_that_is_gone_is_not_served() -> None:
    desk = Desk()
    assert desk.answers.request(1, leaves(LARGE_ROOT, 0), now=0.0) is None
    work = desk.work()
    desk.answers.remove_peer(1)
    assert desk.do(work) == []
    assert desk.answers.next_work() is None


def test_what_is_read_for_one_peer_has_a_rate() -> None:
    slow = HashConfig(read_rate_bytes_per_s=PIECE, read_burst_bytes=2 * PIECE)
    desk = Desk(config=slow)
    for piece in range(2):
        assert desk.answers.request(1, leaves(LARGE_ROOT, piece), now=0.0) is None
    assert isinstance(desk.answers.request(1, leaves(LARGE_ROOT, 2), now=0.0), HashReject)
    assert desk.answers.request(2, leaves(LARGE_ROOT, 2), now=0.0) is None
    assert desk.answers.request(1, leaves(LARGE_ROOT, 2), now=0.0) is None, "it is read already, for another"
    assert desk.answers.request(1, leaves(LARGE_ROOT, 3), now=1.0) is None


def test_one_request_does_not_make_us_read_half_the_torrent() -> None:
    desk = Desk(config=HashConfig(max_read_bytes=2 * PIECE))
    rest = TREES[LARGE_ROOT][0].height - 1
    assert desk.answers.request(1, HashRange(LARGE_ROOT, 0, 0, 8, rest), now=0.0) is None
    assert isinstance(desk.answers.request(1, HashRange(LARGE_ROOT, 0, 0, 16, rest), now=0.0), HashReject)
    assert desk.answers.request(1, leaves(LARGE_ROOT, 4), now=0.0) is None


def test_what_is_kept_is_bounded() -> None:
    desk = Desk(config=HashConfig(max_kept_nodes=300))
    for piece in range(70):
        assert desk.answers.request(1, leaves(LARGE_ROOT, piece), now=piece) is None
        assert all(is_right(answer) for _, answer in desk.do(desk.work()))
    desk.reads.clear()
    assert is_right(desk.answers.request(1, leaves(LARGE_ROOT, 69), now=100.0))
    assert desk.answers.request(1, leaves(LARGE_ROOT, 0), now=100.0) is None


def test_prepared_work_holds_what_an_answer_needs() -> None:
    desk = Desk()
    desk.answers.request(1, leaves(TINY_ROOT, 0), now=0.0)
    work = desk.work()
    assert (work.first_piece, work.pieces, work.size_bytes) == (20, range(1), len(TINY))
    found = work.run(desk.read)
    assert isinstance(found, Prepared)
    assert found.leaves == leaves_of(TINY)


def test_places_of_pieces() -> None:
    places = Desk().places
    assert places.place_of(3) == (SMALL_ROOT, 3)
    assert places.place_of(4) is None
    assert places.place_of(13) == (SMALL_ROOT, 3)
    assert places.place_of(20) == (TINY_ROOT, 0)
    assert places.place_of(21) is None
    assert places.place_of(99) == (LARGE_ROOT, 69)
    assert places.place_of(100) is None
    assert places.leaves_of(4) is None
    assert places.known_leaf(3) is None
    assert places.request_count == 2

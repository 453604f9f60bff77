"""Which blocks of unfinished pieces are worth keeping."""

from __future__ import annotations

import pytest

from bittorrent.picker.config import PieceState
from bittorrent.pieces.block import BLOCK_SIZE
from bittorrent.pieces.geometry import Geometry
from bittorrent.pieces.unfinished import KeepingStep, UnfinishedPiece
from bittorrent.swarm.downloading.keeping import BlockKeeping, UnfinishedConfig
from bittorrent.swarm.peer import NOBODY, Sender
from transfer.address import Address

BLOCKS = 100
GEOMETRY = Geometry(total_bytes=10 * BLOCKS * BLOCK_SIZE, piece_length=BLOCKS * BLOCK_SIZE)
CONFIG = UnfinishedConfig(interval_s=0.2, step_bytes=10 * BLOCK_SIZE, slow_s=2.0)
SENDER = Sender(1, Address("10.0.0.1", 1), Address("10.0.0.1", 1))


class Download:
    """Pieces that grow, and what is kept of them."""

    def __init__(self, config: UnfinishedConfig = CONFIG) -> None:
        self.keeping = BlockKeeping(GEOMETRY, config)
        self.pieces: dict[int, tuple[memoryview, dict[int, Sender]]] = {}
        self.states: dict[int, PieceState] = {}
        self.now = 0.0

    def begin(self, index: int, kept: int = 0) -> None:
        begins = [number * BLOCK_SIZE for number in range(kept)]
        self.pieces[index] = memoryview(bytearray(BLOCKS * BLOCK_SIZE)), dict.fromkeys(begins, NOBODY)
        self.states[index] = PieceState.PARTIAL

    def receive(self, index: int, count: int) -> None:
        view, senders = self.pieces[index]
        for _ in range(count):
            begin = len(senders) * BLOCK_SIZE
            view[begin] = len(senders)
            senders[begin] = SENDER

    def end(self, index: int, state: PieceState) -> None:
        self.states[index] = state
        del self.pieces[index]

    def step(self, *, after_s: float = 0.2, is_last: bool = False) -> KeepingStep:
        self.now += after_s
        pieces = [(index, view, senders) for index, (view, senders) in self.pieces.items()]
        step = self.keeping.next_step(pieces, self.states.__getitem__, is_last=is_last, now=self.now)
        self.keeping.check_invariants()
        return step

    def kept(self, *, after_s: float = 0.2, is_last: bool = False) -> list[tuple[int, int]]:
        """The blocks of a step, which does nothing else, by piece and number."""
        step = self.step(after_s=after_s, is_last=is_last)
        assert (step.verified, step.dropped) == ((), ())
        for block, data in step.blocks:
            assert data == bytes([block.begin // BLOCK_SIZE]).ljust(BLOCK_SIZE, b"\0")
        return [(block.piece, block.begin // BLOCK_SIZE) for block, _ in step.blocks]


def test_of_a_fast_download_nothing_is_kept() -> None:
    download = Download()
    for index in range(5):
        download.begin(index)
        for _ in range(8):  # all of it in 1.8 s
            download.receive(index, 12)
            assert not download.step()
        download.end(index, PieceState.HAVE)
    assert not download.step()


def test_a_slow_piece_is_kept_block_by_block_from_its_first_moments_on() -> None:
    download = Download()
    download.begin(3)
    assert download.kept() == []
    download.receive(3, 2)
    assert download.kept() == [(3, 0), (3, 1)]
    assert download.kept() == []
    download.receive(3, 1)
    assert download.kept() == [(3, 2)]


def test_a_piece_that_becomes_slow_is_kept_then() -> None:
    download = Download()
    download.begin(0)
    assert download.kept() == []
    download.receive(0, 50)
    assert download.kept(after_s=0.5) == []
    assert download.kept(after_s=0.5) == [(0, number) for number in range(10)]


def test_the_rate_of_writing_is_bounded_and_the_oldest_piece_comes_first() -> None:
    download = Download()
    for index in (5, 2):
        download.begin(index)
    assert download.kept() == []
    download.receive(5, 15)
    download.receive(2, 15)
    assert download.kept(after_s=3.0) == [(5, number) for number in range(10)]
    assert download.kept() == [*((5, number) for number in range(10, 15)), *((2, number) for number in range(5))]


def test_at_the_end_everything_is_kept_in_steps() -> None:
    config = UnfinishedConfig(step_bytes=BLOCK_SIZE)
    download = Download(config)
    for index in range(4):
        download.begin(index)
        download.receive(index, 99)
    sizes = []
    while blocks := download.kept(is_last=True):
        sizes.append(len(blocks))
    assert sizes == [256, 4 * 99 - 256]


def test_what_is_complete_stays_until_its_hash_is_known() -> None:
    download = Download()
    for index in (1, 2, 3):
        download.begin(index)
        download.receive(index, 10)
    assert len(download.kept(is_last=True)) == 30
    for index in (1, 2, 3):
        download.end(index, PieceState.COMPLETE)
    assert not download.step()
    download.states.update({1: PieceState.HAVE, 2: PieceState.MISSING})
    assert download.step() == KeepingStep((1,), (2,), ())
    assert not download.step()
    download.states[3] = PieceState.HAVE
    assert download.step() == KeepingStep((3,), (), ())


def test_a_piece_that_was_begun_anew_forgets_what_was_kept_of_it_before() -> None:
    download = Download()
    download.begin(0)
    download.receive(0, 3)
    download.kept(is_last=True)
    download.begin(0)
    download.receive(0, 1)
    step = download.step(is_last=True)
    assert step.dropped == (0,)
    assert [block.begin for block, _ in step.blocks] == [0]


def test_a_piece_of_which_nothing_was_kept_leaves_nothing_to_do() -> None:
    download = Download()
    download.begin(0)
    assert not download.step()
    download.end(0, PieceState.MISSING)
    assert not download.step()


def test_what_an_earlier_run_has_kept_is_not_kept_again() -> None:
    download = Download()
    download.keeping.found([UnfinishedPiece(4, bytearray(), 0b111), UnfinishedPiece(5, bytearray(), 1)], now=0.0)
    download.begin(4, kept=3)
    download.receive(4, 1)
    download.states[5] = PieceState.MISSING  # there was no room for it
    step = download.step(is_last=True)
    assert step.dropped == (5,)
    assert [block.begin // BLOCK_SIZE for block, _ in step.blocks] == [3]


def test_a_piece_that_lost_what_was_kept_is_kept_anew() -> None:
    download = Download()
    download.keeping.found([UnfinishedPiece(4, bytearray(), 0b111)], now=0.0)
    download.begin(4)
    download.receive(4, 2)
    step = download.step(is_last=True)
    assert step.dropped == (4,)
    assert len(step.blocks) == 2


def test_how_slow_a_piece_is_is_told_by_what_came_in_this_run() -> None:
    download = Download()
    download.keeping.found([UnfinishedPiece(4, bytearray(), (1 << 90) - 1)], now=0.0)
    download.begin(4, kept=90)
    assert download.kept() == []
    download.receive(4, 5)  # half of what is missing in 0.4 s
    assert download.kept() == []
    assert download.kept(after_s=1.0) == [(4, number) for number in range(90, 95)]


def test_after_a_reset_everything_is_kept_anew() -> None:
    download = Download()
    download.begin(0, kept=2)
    download.receive(0, 1)
    assert len(download.step(is_last=True).blocks) == 3
    download.keeping.reset()
    assert len(download.step(is_last=True).blocks) == 3


@pytest.mark.parametrize("name", ["interval_s", "slow_s", "retry_s", "step_bytes", "max_bytes"])
def test_its_numbers_are_positive(name: str) -> None:
    with pytest.raises(ValueError, match=name):
        UnfinishedConfig(**{name: 0})

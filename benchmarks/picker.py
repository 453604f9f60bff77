"""What choosing costs: microseconds for each call of the picker, with 10,000 and 100,000 pieces and 200 peers.

Run with `python -m benchmarks.picker [seconds]`; the argument is the time spent on each row. Half of the peers have
everything, the others a random half of the pieces. Each figure is the best of several rounds, which is the one that
other programs disturbed least. Beside the picker: what a picker without its own order has to do, which is to
count the peers of each piece anew whenever it begins one, and to sort.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import cycle
from random import Random
from time import perf_counter

from bittorrent import Bitfield, Block, Geometry, PickerConfig, PiecePicker

SIZES = (10_000, 100_000)
PEERS = 200
BLOCKS_OF_PIECE = 16
DEPTH = 32
GOAL_HAVE_US = 1.0
GOAL_PICK_US = 20.0


def main() -> None:
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 0.5
    rows: dict[str, list[str]] = {}
    for size in SIZES:
        for what, figure in Run(size, seconds).figures():
            rows.setdefault(what, []).append(figure)
    print(f"{'microseconds, ' + str(PEERS) + ' peers':<58}" + "".join(f"{size:>12,} pieces" for size in SIZES))
    for what, figures in rows.items():
        print(f"{what:<58}" + "".join(f"{figure:>19}" for figure in figures))


@dataclass
class Run:
    """One torrent in full swing."""

    size: int
    seconds: float

    def __post_init__(self) -> None:
        self.rng = Random(1)
        self.geometry = Geometry(self.size * BLOCKS_OF_PIECE * 16384, BLOCKS_OF_PIECE * 16384)
        config = PickerConfig(max_open_blocks=1 << 30, max_partial_bytes=1 << 40)
        self.picker = PiecePicker(self.geometry, rng=self.rng, config=config)
        self.fields = [
            Bitfield.from_flags(bytes(self.rng.random() < 0.5 for _ in range(self.size))) for _ in range(PEERS // 2)
        ]
        for peer in range(PEERS):
            self.join(peer)
        for index in self.rng.sample(range(self.size), self.size // 10):
            self.picker.mark_have(index)
        self.now = 0.0

    def figures(self) -> Iterator[tuple[str, str]]:
        yield f"have (goal {GOAL_HAVE_US:g})", self.microseconds(self.haves, 1000)
        yield f"pick, one block at a time (goal {GOAL_PICK_US:g})", self.picks(1)
        yield "pick, per block of 16", self.picks(16)
        yield "block received", self.receipts()
        yield "pick of a whole piece, which has to be begun", self.pieces()
        self.picker.is_sequential = True
        yield "the same, in the order of the torrent", self.pieces()
        self.picker.is_sequential = False
        yield "the same, by counting and sorting (naive)", self.microseconds(self.sorts, 1)
        self.picker.set_deadlines(1, dict.fromkeys(range(30), 1000000.0))
        yield "pick, one block at a time, 30 pieces with deadlines", self.picks(1)
        self.picker.set_deadlines(1, {})
        yield "a peer with a bitfield joins and leaves", self.microseconds(self.passage, 4)
        yield "new priorities for all pieces", self.microseconds(self.prioritise, 2)

    # Rounds: each does the operation some times

    def haves(self) -> Callable[[], None]:
        news = [
            (peer, index)
            for peer in self.rng.choices(range(1, PEERS, 2), k=1000)
            if not self.picker.peer_has(peer, index := self.rng.randrange(self.size))
        ]
        news += news[: 1000 - len(news)]
        picker = self.picker

        def run() -> None:
            for peer, index in news:
                picker.peer_have(peer, index)

        return run

    def picks(self, count: int) -> str:
        """Each peer keeps `DEPTH` blocks outstanding; only the calls of `pick` are timed."""
        best = 1e9
        ends_at = perf_counter() + self.seconds
        peers = cycle(range(PEERS))
        for peer in range(PEERS):
            self.picker.pick(peer, DEPTH, now=self.now)
        while perf_counter() < ends_at:
            spent, blocks = 0.0, 0
            for _ in range(200):
                peer = next(peers)
                self.answer(peer, list(self.picker.requested_from(peer))[:count])
                self.now += 0.001
                began = perf_counter()
                picked = self.picker.pick(peer, count, now=self.now)
                spent += perf_counter() - began
                blocks += len(picked)
            best = min(best, spent / max(1, blocks))
        return f"{best * 1e6:.2f}"

    def receipts(self) -> str:
        best = 1e9
        ends_at = perf_counter() + self.seconds
        peers = cycle(range(PEERS))
        while perf_counter() < ends_at:
            peer = next(peers)
            blocks = self.picker.pick(peer, 200, now=self.now)
            complete: list[Block] = []
            began = perf_counter()
            for block in blocks:
                if self.picker.block_received(peer, block).is_piece_complete:
                    complete.append(block)
            best = min(best, (perf_counter() - began) / len(blocks))
            self.settle(complete)
        return f"{best * 1e6:.2f}"

    def pieces(self) -> str:
        """A peer that has nothing begun is asked for a whole piece, and gives it back."""
        best = 1e9
        ends_at = perf_counter() + self.seconds
        for peer in range(PEERS):
            self.answer(peer, list(self.picker.requested_from(peer)))
        while perf_counter() < ends_at:
            spent = 0.0
            for peer in range(0, 100, 5):
                began = perf_counter()
                self.picker.pick(peer, BLOCKS_OF_PIECE, now=self.now)
                spent += perf_counter() - began
            best = min(best, spent / 20)
            for peer in range(0, 100, 5):
                self.answer(peer, list(self.picker.requested_from(peer)))
        return f"{best * 1e6:.1f}"

    def sorts(self) -> Callable[[], None]:
        fields, have = [*self.fields], self.picker.have

        def run() -> None:
            counts = [0] * self.size
            for field in fields:
                for index in field:
                    counts[index] += 1
            sorted((index for index in range(self.size) if index not in have), key=counts.__getitem__)

        return run

    def passage(self) -> Callable[[], None]:
        peers = range(1, 9, 2)

        def run() -> None:
            for peer in peers:
                self.picker.remove_peer(peer)
                self.join(peer)

        return run

    def prioritise(self) -> Callable[[], None]:
        some = [bytes(self.rng.choices((0, 4, 7), k=self.size)) for _ in range(2)]

        def run() -> None:
            for priorities in some:
                self.picker.set_priorities(priorities)

        return run

    # Parts

    def join(self, peer: int) -> None:
        self.picker.add_peer(peer)
        if peer % 2:
            self.picker.peer_bitfield(peer, self.fields[peer // 2])
        else:
            self.picker.peer_has_all(peer)

    def answer(self, peer: int, blocks: list[Block]) -> None:
        self.settle([block for block in blocks if self.picker.block_received(peer, block).is_piece_complete])

    def settle(self, last_blocks: list[Block]) -> None:
        """The pieces are verified, and lost again, so that the torrent never ends."""
        for block in last_blocks:
            self.picker.piece_verified(block.piece)
            if self.picker.have.count > self.size // 4:
                self.picker.mark_missing(next(iter(self.picker.have)))

    def microseconds(self, make: Callable[[], Callable[[], None]], operations: int) -> str:
        best = 1e9
        ends_at = perf_counter() + self.seconds
        while perf_counter() < ends_at or best == 1e9:
            run = make()
            began = perf_counter()
            run()
            best = min(best, (perf_counter() - began) / operations)
        return f"{best * 1e6:.2f}" if best < 1e-3 else f"{best * 1e6:,.0f}"


if __name__ == "__main__":
    main()

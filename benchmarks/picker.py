"""What choosing costs: microseconds for each block picked and received, in a torrent of 100,000 pieces with 50 peers.

Run with `python -m benchmarks.picker`. Half of the peers have everything, the others a random half of the pieces.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from time import perf_counter

from bittorrent.picker.bitfield import Bitfield
from bittorrent.picker.geometry import Geometry
from bittorrent.picker.picker import PiecePicker

PIECES = 100_000
PEERS = 50
BLOCKS_OF_PIECE = 16
DEPTH = 32


def main() -> None:
    rng = Random(1)
    geometry = Geometry(PIECES * BLOCKS_OF_PIECE * 16384, BLOCKS_OF_PIECE * 16384)
    picker = PiecePicker(geometry, rng=rng)
    fields = [Bitfield(PIECES, (i for i in range(PIECES) if rng.random() < 0.5)) for _ in range(PEERS // 2)]

    def join() -> int:
        for peer in range(PEERS):
            picker.add_peer(peer)
            if peer % 2:
                picker.peer_bitfield(peer, fields[peer // 2])
            else:
                picker.peer_has_all(peer)
        return PEERS

    measure("a peer joins (half of them seeds)", join)
    measure("have message", lambda: haves(picker, rng))
    measure("block picked and received, one at a time", lambda: download(picker, rounds=20, batch=1))
    measure("block picked and received, 16 at a time", lambda: download(picker, rounds=20, batch=16))
    measure("rarest piece chosen (first block of a piece)", lambda: first_blocks(picker))
    measure("peer with nothing left to give is asked", lambda: idle(picker))

    def leave() -> int:
        for peer in range(PEERS):
            picker.remove_peer(peer)
        return PEERS

    measure("a peer leaves", leave)


def haves(picker: PiecePicker, rng: Random) -> int:
    count = 5000
    for _ in range(count):
        picker.peer_have(rng.randrange(1, PEERS, 2), rng.randrange(PIECES))
    return count


def download(picker: PiecePicker, *, rounds: int, batch: int) -> int:
    """Each peer keeps `DEPTH` blocks outstanding; all are answered in turn, and new ones asked `batch` at a time."""
    blocks = 0
    for peer in range(PEERS):
        picker.pick(peer, DEPTH, now=0.0)
    for step in range(rounds):
        for peer in range(PEERS):
            for block in list(picker.requested_from(peer)):
                if picker.block_received(peer, block).is_piece_complete:
                    picker.piece_verified(block.piece)
                blocks += 1
                if not blocks % batch:
                    picker.pick(peer, batch, now=float(step))
    return blocks


def first_blocks(picker: PiecePicker) -> int:
    count = 0
    for peer in range(PEERS):
        for _ in range(20):
            picker.pick(peer, BLOCKS_OF_PIECE, now=100.0)
            count += 1
    return count


def idle(picker: PiecePicker) -> int:
    picker.add_peer(-1)
    for _ in range(1000):
        picker.pick(-1, 1, now=101.0)
    picker.remove_peer(-1)
    return 1000


def measure(what: str, run: Callable[[], int]) -> None:
    started = perf_counter()
    count = run()
    print(f"{what:<48} {(perf_counter() - started) / count * 1e6:10.2f} us")


if __name__ == "__main__":
    main()

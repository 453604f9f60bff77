"""Where the blocks of one peer go: what its connection needs to receive them in place."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice

from bittorrent.picker.picker import PiecePicker
from bittorrent.pieces.block import Block
from bittorrent.pieces.hasher import Readable
from bittorrent.swarm.downloading.assembly import PieceAssembly
from bittorrent.swarm.peer import SwarmPeer


class PeerPlaces:
    """`BlockPlaces` of one peer in a swarm.

    Args:
        on_filled: told of blocks that are complete in their places.
        on_moved: told of blocks that are elsewhere.
        on_wasted: told of bytes that came for nothing.
    """

    __slots__ = ("_assembly", "_latest", "_number", "_on_filled", "_on_moved", "_on_wasted", "_peer", "_picker")

    def __init__(
        self,
        peer: SwarmPeer,
        picker: PiecePicker,
        assembly: PieceAssembly,
        *,
        on_filled: Callable[[SwarmPeer, Sequence[Block]], None],
        on_moved: Callable[[SwarmPeer, Sequence[tuple[Block, Readable]]], None],
        on_wasted: Callable[[int], None],
    ) -> None:
        self._peer = peer
        self._number = peer.number
        self._picker = picker
        self._assembly = assembly
        self._on_filled = on_filled
        self._on_moved = on_moved
        self._on_wasted = on_wasted
        self._latest: Block | None = None  # that the peer sent

    def next_places(self, count: int) -> Sequence[tuple[Block, memoryview]]:
        """What was asked from the peer, in that order, but for what it has passed over: that comes last."""
        requested = self._picker.requested_from(self._number)
        latest = self._latest
        if latest is not None and requested:
            (first, *_) = islice(requested, 1)
            if first[0] != latest[0] or first[1] <= latest[1]:
                return self._assembly.places(_behind(latest, requested), count, self._number)
        return self._assembly.places(requested, count, self._number)

    def hold(self, block: Block) -> memoryview | None:
        if block not in self._picker.requested_from(self._number):
            return None
        place = self._assembly.place(block, self._number)
        if place is not None:
            self._assembly.hold(block, self._number)
        return place

    def holds(self, block: Block) -> bool:
        return self._assembly.is_held(block, self._number)

    def filled(self, blocks: Sequence[Block]) -> None:
        self._latest = blocks[-1]
        self._on_filled(self._peer, blocks)

    def moved(self, blocks: Sequence[tuple[Block, Readable]]) -> None:
        self._latest = blocks[-1][0]
        self._on_moved(self._peer, blocks)

    def wasted(self, size: int) -> None:
        self._on_wasted(size)


def _behind(latest: Block, requested: Iterable[Block]) -> Iterator[Block]:
    """Blocks that were asked for, beginning with what follows the latest in its piece, if that is not far away."""
    index, begin, _ = latest
    passed: list[Block] = []
    blocks = iter(requested)
    for block in islice(blocks, MAX_PASSED):
        if block[0] == index and block[1] > begin:
            yield block
            yield from blocks
            break
        passed.append(block)
    yield from passed


MAX_PASSED = 32  # blocks that a peer leaves for later; more are not worth the search

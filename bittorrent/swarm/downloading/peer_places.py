"""Where the blocks of one peer go: what its connection needs to receive them in place."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from bittorrent.picker.picker import PiecePicker
from bittorrent.pieces.block import Block
from bittorrent.swarm.downloading.assembly import PieceAssembly
from bittorrent.swarm.peer import SwarmPeer


class PeerPlaces:
    """`BlockPlaces` of one peer in a swarm.

    Args:
        on_filled: told of blocks that are complete in their places.
        on_wasted: told of bytes that came for nothing.
    """

    __slots__ = ("_assembly", "_number", "_on_filled", "_on_wasted", "_peer", "_picker")

    def __init__(
        self,
        peer: SwarmPeer,
        picker: PiecePicker,
        assembly: PieceAssembly,
        *,
        on_filled: Callable[[SwarmPeer, Sequence[Block]], None],
        on_wasted: Callable[[int], None],
    ) -> None:
        self._peer = peer
        self._number = peer.number
        self._picker = picker
        self._assembly = assembly
        self._on_filled = on_filled
        self._on_wasted = on_wasted

    def next_places(self, count: int) -> Sequence[tuple[Block, memoryview]]:
        """What was asked from the peer, in that order."""
        return self._assembly.places(self._picker.requested_from(self._number), count, self._number)

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
        self._on_filled(self._peer, blocks)

    def wasted(self, size: int) -> None:
        self._on_wasted(size)

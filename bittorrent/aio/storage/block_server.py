"""Answers what peers request: at once what the system has in memory, through a thread what has to be read."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

from bittorrent.aio.peers.peer_connection import PeerConnection
from bittorrent.pieces.block import Block
from bittorrent.swarm.core import SwarmCore
from transfer.aio.tasks import TaskSet


class BlockReads(Protocol):
    """Where the blocks come from."""

    def read_cached(self, blocks: Sequence[Block]) -> list[memoryview] | None:
        """Their bytes, in the same order, if that takes no disk; called from the event loop."""
        ...

    def read(self, blocks: Sequence[Block]) -> Awaitable[list[memoryview]]:
        """Their bytes, in the same order."""
        ...


class BlockServer:
    """Serves the upload queues of all connections of a torrent, each as far as its peer reads.

    Args:
        core: of the swarm.
        reads: of the torrent's content.
        pump: carries out what the core decided.
        tasks: where reads from a disk run; their errors stop the torrent.
    """

    def __init__(self, core: SwarmCore, reads: BlockReads, *, pump: Callable[[], None], tasks: TaskSet) -> None:
        self._core = core
        self._reads = reads
        self._pump = pump
        self._tasks = tasks
        self._loop = asyncio.get_running_loop()

    def serve(self, connection: PeerConnection) -> None:
        """Sends what is requested and in memory, a turn's worth of it. `pump` has to follow."""
        if connection.is_serving or not connection.core.upload_queue:
            return
        left_bytes = TURN_BYTES
        while left_bytes > 0:
            blocks = self._next(connection, left_bytes)
            if not blocks:
                return
            contents = self._reads.read_cached(blocks)
            if contents is None:
                connection.is_serving = True
                name = f"serve {connection.core.address}"
                self._tasks.start(self._serve_from_disk(connection, blocks), name=name)
                return
            self._send(connection, blocks, contents)
            left_bytes -= sum(map(len, contents))
        connection.is_serving = True  # others have their turn first
        self._loop.call_soon(self._go_on, connection)

    def _go_on(self, connection: PeerConnection) -> None:
        connection.is_serving = False
        if connection.number in self._core.peers:
            self.serve(connection)
            self._pump()

    async def _serve_from_disk(self, connection: PeerConnection, blocks: list[Block]) -> None:
        try:
            while blocks:
                self._send(connection, blocks, await self._reads.read(blocks))
                self._pump()
                blocks = self._next(connection, READ_AHEAD_BYTES)
        finally:
            connection.is_serving = False

    def _next(self, connection: PeerConnection, most_bytes: int) -> list[Block]:
        """The requests that are to be answered now."""
        peer = self._core.peers.get(connection.number)
        if peer is None or not peer.core.upload_queue:
            return []
        rate = peer.upload.rate_bytes_per_s(now=self._loop.time())
        connection.set_watermark(int(rate * SEND_AHEAD_S))
        room = connection.room_bytes
        return self._core.uploads_from(connection.number, min(room, most_bytes)) if room else []

    def _send(self, connection: PeerConnection, blocks: Sequence[Block], contents: Sequence[memoryview]) -> None:
        self._core.send_blocks(connection.number, list(zip(blocks, contents, strict=True)), now=self._loop.time())
        connection.flush()


TURN_BYTES = 256 << 10
READ_AHEAD_BYTES = 512 << 10
SEND_AHEAD_S = 0.5  # how much time's worth of upload may wait in the transport (libtorrent's watermark factor)

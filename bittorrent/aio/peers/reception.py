"""Incoming connections until their handshake says which torrent they are for.

Which of them may wait, and for how long, the `Limits` of the session decide.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING

from bittorrent.aio.peers.peer_connection import PeerConnection
from bittorrent.peer.config import PeerConfig
from transfer.address import Address
from transfer.aio.limits import Limits

if TYPE_CHECKING:
    from bittorrent.aio.torrent import Torrent


class Reception:
    """Owns the connections that other peers opened, and hands each over to its torrent.

    Args:
        limits: the door through which they came.
        torrents: that may be asked for, by each of their hashes: live.
        config: of the peers.
    """

    def __init__(self, limits: Limits, *, torrents: Mapping[bytes, Torrent], config: PeerConfig) -> None:
        self._limits = limits
        self._torrents = torrents
        self._config = config
        self._loop = asyncio.get_running_loop()
        self._open: dict[PeerConnection, None] = {}
        self._all_gone = asyncio.Event()
        self._all_gone.set()
        self._closed = False

    def new_connection(self, transport: str = "tcp") -> PeerConnection:
        """The protocol factory of what listens.

        Args:
            transport: what carries the connection.
        """
        return PeerConnection(self, handshake=None, config=self._config, transport=transport)

    async def aclose(self) -> None:
        """Ends what waits, and takes no connection any more."""
        self._closed = True
        for connection in list(self._open):
            connection.abort()
        await self._all_gone.wait()

    # ConnectionOwner

    def connection_opened(self, connection: PeerConnection) -> None:
        self._all_gone.clear()
        self._open[connection] = None
        if connection.entry is None:  # a transport that knows no door
            address = connection.core.address
            assert isinstance(address, Address)
            connection.take(self._limits.admit(address))
        if self._closed or connection.entry is None:
            connection.abort()

    def connection_received(self, connection: PeerConnection, size: int) -> None:
        core, entry = connection.core, connection.entry
        if connection not in self._open or entry is None or not self._limits.core.is_waiting(entry.seat):
            return  # it has to leave already
        core.buffer_updated(size, now=self._loop.time())
        if core.remote is None and not core.is_closed:
            return
        torrent = self._torrents.get(core.remote.info_hash) if core.remote is not None else None
        if core.is_closed or torrent is None or not torrent.accepts_peers:
            self._limits.core.turn_away(entry.seat)
            connection.abort()
            return
        self._forget(connection)
        torrent.swarm.adopt(connection)

    def connection_writable(self, connection: PeerConnection) -> None:
        """Nothing is written before the handshake."""

    def connection_lost(self, connection: PeerConnection) -> None:
        self._forget(connection)

    def _forget(self, connection: PeerConnection) -> None:
        self._open.pop(connection, None)
        if not self._open:
            self._all_gone.set()

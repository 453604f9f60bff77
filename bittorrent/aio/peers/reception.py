"""Incoming connections until their handshake says which torrent they are for.

Which of them may wait, `ReceptionCore` decides.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from itertools import count
from typing import TYPE_CHECKING

from bittorrent.aio.peers.peer_connection import PeerConnection
from bittorrent.dialling.connection_tally import ConnectionTally
from bittorrent.dialling.reception import ReceptionCore
from bittorrent.peer.config import PeerConfig

if TYPE_CHECKING:
    from bittorrent.aio.torrent import Torrent


class Reception:
    """Owns the connections that other peers opened, and hands each over to its torrent.

    Args:
        core: decides which of them may wait.
        tally: of the connections that wait no more.
        torrents: that may be asked for, by each of their hashes: live.
        config: of the peers.
    """

    def __init__(
        self, core: ReceptionCore, *, tally: ConnectionTally, torrents: Mapping[bytes, Torrent], config: PeerConfig
    ) -> None:
        self._core = core
        self._tally = tally
        self._torrents = torrents
        self._config = config
        self._loop = asyncio.get_running_loop()
        self._numbers = count(1)
        self._open: dict[PeerConnection, int] = {}
        self._by_number: dict[int, PeerConnection] = {}
        self._timer: asyncio.TimerHandle | None = None
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
        self._arm()

    # ConnectionOwner

    def connection_opened(self, connection: PeerConnection) -> None:
        number = next(self._numbers)
        self._all_gone.clear()
        self._open[connection] = number
        self._by_number[number] = connection
        host = connection.core.address.host
        if self._closed:
            connection.abort()
            return
        self._end(self._core.arrive(number, host, connected=self._tally.of_host(host), now=self._loop.time()))
        self._arm()

    def connection_received(self, connection: PeerConnection, size: int) -> None:
        core, number = connection.core, self._open.get(connection)
        if number is None or number not in self._core:  # it has to leave already
            return
        core.buffer_updated(size, now=self._loop.time())
        if core.remote is None and not core.is_closed:
            return
        torrent = self._torrents.get(core.remote.info_hash) if core.remote is not None else None
        is_welcome = not core.is_closed and torrent is not None and torrent.accepts_peers
        self._core.finish(number, is_welcome=is_welcome)
        if torrent is None or not is_welcome:
            connection.abort()
            return
        self._forget(connection)
        torrent.swarm.adopt(connection)

    def connection_writable(self, connection: PeerConnection) -> None:
        """Nothing is written before the handshake."""

    def connection_lost(self, connection: PeerConnection) -> None:
        self._forget(connection)

    def _end(self, numbers: Iterable[int]) -> None:
        for number in numbers:
            self._by_number[number].abort()

    def _forget(self, connection: PeerConnection) -> None:
        number = self._open.pop(connection, None)
        if number is not None:
            del self._by_number[number]
            self._core.leave(number)
        if not self._open:
            self._all_gone.set()

    def _tick(self) -> None:
        self._timer = None
        self._end(self._core.handle_timer(now=self._loop.time()))
        self._arm()

    def _arm(self) -> None:
        """One timer, for the oldest: while it runs no other can become due earlier."""
        due = None if self._closed else self._core.next_timer()
        if due is None and self._timer is not None:
            self._timer.cancel()
            self._timer = None
        elif due is not None and self._timer is None:
            self._timer = self._loop.call_at(due, self._tick)

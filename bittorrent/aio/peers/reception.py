"""Incoming connections until their handshake says which torrent they are for. Who may wait, `ReceptionCore` decides."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from itertools import count
from typing import TYPE_CHECKING

from bittorrent.aio.peers.peer_connection import PeerConnection
from bittorrent.config import SessionConfig
from bittorrent.dialling.reception import ReceptionConfig, ReceptionCore
from bittorrent.shares import share_of

if TYPE_CHECKING:
    from bittorrent.aio.session import Session


class Reception:
    """Owns the connections that somebody else opened, and hands each over to its torrent.

    Args:
        session: whose torrents are asked for, and whose filter holds.
        config: bounds.
    """

    def __init__(self, session: Session, config: SessionConfig) -> None:
        self._session = session
        self._config = config
        self._core = ReceptionCore(
            ReceptionConfig(
                max_waiting=config.max_handshaking,
                max_per_host=config.max_connections_per_host,
                max_per_network=config.max_handshaking_per_network,
                timeout_s=config.peer.handshake_timeout_s,
            )
        )
        self._loop = asyncio.get_running_loop()
        self._numbers = count(1)
        self._open: dict[PeerConnection, int] = {}
        self._by_number: dict[int, PeerConnection] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._all_gone = asyncio.Event()
        self._all_gone.set()
        self._closed = False

    @property
    def refused(self) -> int:
        """Connections that were not handed over."""
        return self._core.refused

    @property
    def waiting_count(self) -> int:
        """Connections that have not finished their handshake."""
        return len(self._core)

    def new_connection(self) -> PeerConnection:
        """The protocol factory of the listening socket."""
        return PeerConnection(self, handshake=None, config=self._config.peer)

    async def aclose(self) -> None:
        """Ends what waits, and takes nobody any more."""
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
        if self._closed or self._session.ip_filter.blocks(host):
            self._core.turn_away()
            connection.abort()
            return
        self._end(self._core.arrive(number, host, connected=self._connected(host), now=self._loop.time()))
        self._arm()

    def connection_received(self, connection: PeerConnection, size: int) -> None:
        core, number = connection.core, self._open.get(connection)
        if number is None or number not in self._core:  # it has to leave already
            return
        core.buffer_updated(size, now=self._loop.time())
        if core.remote is None and not core.is_closed:
            return
        torrent = self._session.torrents.get(core.remote.info_hash) if core.remote is not None else None
        is_welcome = not core.is_closed and torrent is not None and torrent.accepts_peers
        self._core.finish(number, is_welcome=is_welcome)
        if torrent is None or not is_welcome:
            connection.abort()
            return
        self._forget(connection)
        is_host_full = self._connected(core.address.host) >= self._config.max_connections_per_host
        torrent.swarm.adopt(connection, is_host_full=is_host_full)

    def connection_writable(self, connection: PeerConnection) -> None:
        """Nothing is written before the handshake."""

    def connection_lost(self, connection: PeerConnection) -> None:
        self._forget(connection)

    def _connected(self, host: str) -> int:
        share = share_of(host)
        return sum(torrent.swarm.count_from(share) for torrent in self._session.torrents.values())

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
        """One timer, for the oldest: while it runs nobody can become due earlier."""
        due = None if self._closed else self._core.next_timer()
        if due is None and self._timer is not None:
            self._timer.cancel()
            self._timer = None
        elif due is not None and self._timer is None:
            self._timer = self._loop.call_at(due, self._tick)

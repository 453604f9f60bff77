"""Calls into the local network for peers, and listens for those that call (BEP 14)."""

from __future__ import annotations

import asyncio
import socket
import struct
import sys
from collections.abc import Callable
from types import TracebackType
from typing import Self

from bittorrent.local_discovery import LocalDiscoveryConfig, LocalDiscoveryCore, encode_announcement
from transfer.address import Address


class LocalDiscovery:
    """One socket for all torrents of a session.

    Args:
        interface: the IPv4 address of the network to call into: a multicast goes where one interface leads.
        port: where we accept peers.
        cookie: tells our announcements from those of others.
        on_peer: called with the info-hash of a torrent of ours and the endpoint of a peer that shares it.

    Raises:
        OSError: on entry, when the machine has no multicast there.
    """

    def __init__(
        self,
        *,
        interface: str,
        port: int,
        cookie: str,
        on_peer: Callable[[bytes, Address], None],
        config: LocalDiscoveryConfig | None = None,
    ) -> None:
        self._interface = interface
        self._on_peer = on_peer
        self._config = config or LocalDiscoveryConfig()
        self._loop = asyncio.get_running_loop()
        self._core = LocalDiscoveryCore(port=port, cookie=cookie, config=self._config, now=self._loop.time())
        self._transport: asyncio.DatagramTransport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._closed = asyncio.Event()

    async def __aenter__(self) -> Self:
        heard = _multicast_socket(self._config.group, self._interface)
        try:
            self._transport, _ = await self._loop.create_datagram_endpoint(lambda: _MulticastProtocol(self), sock=heard)
        except BaseException:
            heard.close()
            raise
        self._tick()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    def add(self, info_hash: bytes) -> None:
        """From now on a torrent is announced; never do this with a private one (BEP 27)."""
        self._core.add(info_hash, now=self._loop.time())
        self._tick()

    def remove(self, info_hash: bytes) -> None:
        """A torrent is announced no more."""
        self._core.remove(info_hash)

    async def aclose(self) -> None:
        """Closes the socket. May be called twice."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        transport, self._transport = self._transport, None
        if transport is not None:
            transport.close()
            await self._closed.wait()

    def receive(self, data: bytes, source: Address) -> None:
        """A datagram came."""
        for info_hash, peer in self._core.receive_datagram(data, source, now=self._loop.time()):
            self._on_peer(info_hash, peer)
        self._arm()

    def closed(self) -> None:
        """The socket is closed."""
        self._closed.set()

    def _tick(self) -> None:
        self._timer = None
        if self._transport is not None:
            for announcement in self._core.announcements_to_send(now=self._loop.time()):
                self._transport.sendto(encode_announcement(announcement, self._config.group), self._config.group)
        self._arm()

    def _arm(self) -> None:
        due = self._core.next_timer()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if due is not None and self._transport is not None:
            self._timer = self._loop.call_at(due, self._tick)


class _MulticastProtocol(asyncio.DatagramProtocol):
    def __init__(self, owner: LocalDiscovery) -> None:
        self._owner = owner

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self._owner.receive(data, Address.from_socket(addr))

    def error_received(self, exc: Exception) -> None:
        """The network is down, say: the next announcement may get through."""

    def connection_lost(self, exc: Exception | None) -> None:
        self._owner.closed()


def _multicast_socket(group: Address, interface: str) -> socket.socket:
    """Hears what is sent to the group on one interface, together with others on this machine, and sends there."""
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM, socket.IPPROTO_UDP)
    try:
        made.setblocking(False)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if hasattr(socket, "SO_REUSEPORT"):
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        # Windows cannot bind to a group; elsewhere nothing but what is sent to the group shall come in.
        made.bind(("" if sys.platform == "win32" else group.host, group.port))
        membership = struct.pack("4s4s", socket.inet_aton(group.host), socket.inet_aton(interface))
        made.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, membership)
        made.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(interface))
        made.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 1)
        made.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_LOOP, 1)
    except BaseException:
        made.close()
        raise
    return made

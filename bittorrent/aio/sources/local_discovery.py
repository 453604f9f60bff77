"""Calls into the local network for peers, and listens for those that call (BEP 14), over IPv4 and IPv6."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from types import TracebackType
from typing import Any, Self, cast

from bittorrent.aio.sources.multicast import ipv4_socket, ipv6_interfaces, ipv6_socket
from bittorrent.local_discovery import LocalDiscoveryConfig, LocalDiscoveryCore, encode_announcement
from transfer.address import Address


class LocalDiscovery:
    """One for all torrents of a session: a socket over IPv4, and one for each interface over IPv6.

    Args:
        interface: the addresses that we accept peers at, one of each family at most: an announcement names no host, so
            that peers call where it came from. One of IPv4 says which network to call into; "::" stands for all.
        port: where we accept peers.
        cookie: tells our announcements from those of others.
        on_peer: called with the info-hash of a torrent of ours and the endpoint of a peer that shares it. Over IPv6
            that may be a link-local one, with the interface behind a percent sign.

    Raises:
        OSError: on entry, when the machine has no multicast there.
    """

    def __init__(
        self,
        *,
        interface: str | tuple[str, ...],
        port: int,
        cookie: str,
        on_peer: Callable[[bytes, Address], None],
        config: LocalDiscoveryConfig | None = None,
    ) -> None:
        self._interfaces = (interface,) if isinstance(interface, str) else interface
        self._on_peer = on_peer
        self._config = config or LocalDiscoveryConfig()
        self._loop = asyncio.get_running_loop()
        self._core = LocalDiscoveryCore(port=port, cookie=cookie, config=self._config, now=self._loop.time())
        self._channels: list[_Channel] = []
        self._timer: asyncio.TimerHandle | None = None

    async def __aenter__(self) -> Self:
        failure: OSError | None = None
        try:
            for interface in self._interfaces:
                try:
                    await self._open(interface)
                except OSError as error:
                    failure = error
            if not self._channels:
                raise failure or OSError("no interface has multicast")
        except BaseException:
            await self.aclose()
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
        """Closes the sockets. May be called twice."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        channels, self._channels = self._channels, []
        for channel in channels:
            channel.transport.close()
        for channel in channels:
            await channel.closed

    def receive(self, data: bytes, source: Address) -> None:
        """A datagram came."""
        for info_hash, peer in self._core.receive_datagram(data, source, now=self._loop.time()):
            self._on_peer(info_hash, peer)
        self._arm()

    async def _open(self, interface: str) -> None:
        if ":" not in interface:
            await self._listen(self._config.group, partial(ipv4_socket, self._config.group, interface))
            return
        failure: OSError | None = None
        opened = len(self._channels)
        for index in ipv6_interfaces(interface):
            try:
                await self._listen(self._config.group_ipv6, partial(ipv6_socket, self._config.group_ipv6, index))
            except OSError as error:  # this one has no IPv6, or no multicast
                failure = error
        if len(self._channels) == opened:
            raise failure or OSError("no interface has IPv6")

    async def _listen(self, group: Address, make_socket: Callable[[], Any]) -> None:
        heard = make_socket()
        channel = _Channel(self, group)
        try:
            await self._loop.create_datagram_endpoint(lambda: channel, sock=heard)
        except BaseException:
            heard.close()
            raise
        self._channels.append(channel)

    def _tick(self) -> None:
        self._timer = None
        if self._channels:
            for announcement in self._core.announcements_to_send(now=self._loop.time()):
                for channel in self._channels:
                    channel.send(encode_announcement(announcement, channel.group))
        self._arm()

    def _arm(self) -> None:
        due = self._core.next_timer()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if due is not None and self._channels:
            self._timer = self._loop.call_at(due, self._tick)


class _Channel(asyncio.DatagramProtocol):
    """One socket, in one group."""

    transport: asyncio.DatagramTransport

    def __init__(self, owner: LocalDiscovery, group: Address) -> None:
        self.group = group
        self.closed = asyncio.get_running_loop().create_future()
        self._owner = owner

    def send(self, data: bytes) -> None:
        self.transport.sendto(data, tuple(self.group))

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.DatagramTransport", transport)  # by contract; its class may be unrelated

    def datagram_received(self, data: bytes, addr: tuple[Any, ...]) -> None:
        host = str(addr[0])
        if host.startswith("fe80:") and len(addr) > 3:  # of use only together with its interface
            self._owner.receive(data, Address(f"{host.partition('%')[0]}%{addr[3]}", addr[1]))
        else:
            self._owner.receive(data, Address.from_socket((host, addr[1])))

    def error_received(self, exc: Exception) -> None:
        """The network is down, say: the next announcement may get through."""

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed.set_result(None)

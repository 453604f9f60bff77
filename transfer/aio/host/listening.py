"""Where a host listens: each multiaddr that was asked for, and nothing else."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Mapping
from contextlib import suppress
from functools import partial

from transfer.address import Address
from transfer.aio.host.links import Links
from transfer.aio.layered import LayerConfig, LayeredTransport
from transfer.aio.limits import Limits
from transfer.aio.resolver import asks_the_system
from transfer.aio.transports import Listener, StreamTransport
from transfer.errors import LocalProtocolError
from transfer.host.config import HostConfig
from transfer.host.route import Carrier, NotDialableError, multiaddr_of, route_of
from transfer.multiaddr.multiaddr import Multiaddr


class Listening:
    """The listeners of a host."""

    def __init__(
        self, transports: Mapping[Carrier, StreamTransport], links: Links, config: HostConfig, limits: Limits
    ) -> None:
        self._transports = transports
        self._links = links
        self._config = config
        self._limits = limits
        self._listeners: list[Listener] = []
        self._addresses: list[Multiaddr] = []

    @property
    def addresses(self) -> tuple[Multiaddr, ...]:
        """Where the host can be called."""
        return tuple(self._addresses)

    async def listen(self, address: Multiaddr) -> tuple[Multiaddr, ...]:
        """Binds; returns what it is called by others.

        Raises:
            NotDialableError: no transport of this host can listen there.
            OSError: it is in use, or not of this machine.
        """
        route = route_of(address)
        transport = self._transports.get(route.carrier)
        if transport is None:
            raise NotDialableError(f"{address}: this host has no transport for {route.carrier.value}")
        if route.peer_id is not None:
            raise LocalProtocolError(f"{address}: an address to listen on has no peer id at its end")
        accept = partial(self._links.accepting, route.carrier)
        layered = LayeredTransport(
            transport,
            dial=lambda _: accept(),  # not used
            accept=accept,
            config=LayerConfig(
                handshake_timeout_s=self._config.upgrade_timeout_s, max_handshaking=self._config.max_upgrading
            ),
        )
        listener = await layered.listen(asyncio.Protocol, route.address, door=self._limits)
        self._listeners.append(listener)
        bound = [each for found in listener.addresses for each in _reachable(found)]
        named = [multiaddr_of(route.carrier, each) for each in bound]
        self._addresses += [each for each in named if each not in self._addresses]
        return tuple(named)

    async def aclose(self) -> None:
        """Accepts nothing any more."""
        listeners, self._listeners = self._listeners, []
        for listener in listeners:
            listener.close()
        for listener in listeners:
            await listener.wait_closed()
        self._addresses.clear()


def _reachable(bound: Address) -> list[Address]:
    """What others call: instead of a wildcard the address that this machine has in its network, and loopback."""
    if bound.host not in WILDCARDS:
        return [bound]
    family, far, near = WILDCARDS[bound.host]
    hosts = []
    if asks_the_system(asyncio.get_running_loop()):
        with suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as sock:
            sock.connect((far, 9))  # no datagram leaves
            hosts.append(str(sock.getsockname()[0]))
    hosts.append(near)
    return [Address(host, bound.port) for host in dict.fromkeys(hosts)]


WILDCARDS = {  # addresses of documentation: a route is looked up, and nothing sent
    "0.0.0.0": (socket.AF_INET, "192.0.2.1", "127.0.0.1"),
    "::": (socket.AF_INET6, "2001:db8::1", "::1"),
}

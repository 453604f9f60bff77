"""Where a session is reached: TCP, and UDP on the same port number for whatever is carried in datagrams."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

from kademlia_core.errors import NodeClosedError
from transfer.address import Address
from transfer.aio.datagram_port import DatagramPort
from transfer.aio.tcp import TcpTransport
from transfer.aio.transports import Listener, StreamTransport

if TYPE_CHECKING:
    from kademlia_core.aio.mainline.node import MainlineNode


class SessionSockets:
    """The listener and the UDP ports of a session, at most one of each address family.

    Ports that others bound are used and left open: those that the session is given, or else those of its DHT node
    where it has the session's address. The rest are bound beside the listener, if that is TCP.

    Args:
        transport: listens.
        given: None to take the node's and to bind what is missing.
        dht: the session's node, if it has one.
    """

    def __init__(
        self, transport: StreamTransport, *, given: tuple[DatagramPort, ...] | None, dht: MainlineNode | None
    ) -> None:
        self.datagrams: tuple[DatagramPort, ...] = given or ()
        self._transport = transport
        self._takes_own = given is None and isinstance(transport, TcpTransport)
        self._dht = dht
        self._own: list[DatagramPort] = []
        self._listener: Listener | None = None

    @property
    def listener(self) -> Listener:
        assert self._listener is not None
        return self._listener

    async def open(self, protocol_factory: Callable[[], asyncio.BaseProtocol], address: Address) -> None:
        """Listens; for port 0 on one that is free for UDP, too.

        Raises:
            OSError: the address is taken, for TCP or for UDP, or not of this host; or a port that was given is closed.
        """
        for port in self.datagrams:
            if port.is_closing:
                raise ConnectionAbortedError(f"the UDP port {port.address} is closed")
        for attempts_left in reversed(range(1 if address.port else FREE_PORT_ATTEMPTS)):
            self._listener = await self._transport.listen(protocol_factory, address)
            try:
                if self._takes_own:
                    await self._take_ports(self._listener)
                return
            except BaseException as error:
                self._listener.close()
                await self.close_datagrams()
                is_taken = isinstance(error, OSError) and error.errno == errno.EADDRINUSE
                if not is_taken or not attempts_left:
                    raise

    async def close_datagrams(self) -> None:
        """Closes the ports that were bound here; the listener is closed before. Harmless twice."""
        for port in self._own:
            port.close()
        for port in self._own:
            await port.wait_closed()

    async def _take_ports(self, listener: Listener) -> None:
        self._own, ports = [], []
        lent = _ports_of(self._dht)
        for address in {address.is_ipv6: address for address in reversed(listener.addresses)}.values():
            rivals = [port for port in lent if _place(port.address) == _place(address)]
            ports += [port for port in rivals if port.address.host == address.host]
            if not rivals:  # a node elsewhere on this number leaves no room for another socket
                self._own.append(await DatagramPort.bind(address))
        self.datagrams = (*ports, *self._own)


def _place(address: Address) -> tuple[bool, int]:
    return address.is_ipv6, address.port


def _ports_of(dht: MainlineNode | None) -> tuple[DatagramPort, ...]:
    if dht is not None:
        with suppress(NodeClosedError):
            return dht.datagrams
    return ()


FREE_PORT_ATTEMPTS = 20  # the system names a port that is free for TCP

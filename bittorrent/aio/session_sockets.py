"""Where a session is reached: TCP, and UDP on the same port number for uTP and whatever else is in datagrams."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Callable
from functools import partial
from random import Random
from typing import TYPE_CHECKING

from bittorrent.aio.way_out import NoListener, WayOut, ports_of
from bittorrent.dialling.paths import TCP, UTP
from transfer.address import Address
from transfer.aio.datagram_port import DatagramPort
from transfer.aio.door import Door
from transfer.aio.tcp import TcpTransport
from transfer.aio.transports import Listener, StreamTransport
from transfer.aio.utp.transport import UtpTransport
from transfer.utp.config import UtpConfig

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
        utp: how uTP is spoken on the UDP ports; None: not at all. Nor is it where `transport` is not TCP: that
            may have a reason, such as a proxy.
        needs_utp: without it nobody can be called.
        way_out: whether there is to be a listener at all, and which ports there are if not.
        rng: what uTP draws comes from it, if uTP is spoken.

    Attributes:
        utp: dials and listens on the UDP ports, where it is spoken, once this is open.
    """

    def __init__(
        self,
        transport: StreamTransport,
        *,
        given: tuple[DatagramPort, ...] | None,
        dht: MainlineNode | None,
        utp: UtpConfig | None,
        needs_utp: bool,
        way_out: WayOut,
        rng: Random,
    ) -> None:
        self._given = given
        self._way_out = way_out
        self.datagrams: tuple[DatagramPort, ...] = given or ()
        self._transport = transport
        self._takes_own = given is None and isinstance(transport, TcpTransport) and not way_out.is_sealed
        self._dht = dht
        self._own: list[DatagramPort] = []
        self._listener: Listener | None = None
        self.utp: UtpTransport | None = None
        self._utp_config = utp if isinstance(transport, TcpTransport) or way_out.is_sealed else None
        self._needs_utp = needs_utp
        self._rng = rng

    @property
    def listener(self) -> Listener:
        assert self._listener is not None
        return self._listener

    async def open(self, new_protocol: Callable[[str], asyncio.BaseProtocol], address: Address, *, door: Door) -> None:
        """Listens; for port 0 on one that is free for UDP, too.

        Args:
            new_protocol: makes the protocol of a connection, given what carries it: "tcp" or "utp".
            door: says who may come in, over either.

        Raises:
            OSError: the address is taken, for TCP or for UDP, or not of this host; or a port that was given is closed;
                or there is no uTP though nobody can be called without.
        """
        for port in self.datagrams:
            if port.is_closing:
                raise ConnectionAbortedError(f"the UDP port {port.address} is closed")
        if self._way_out.is_sealed:
            await self._open_sealed(address.host)
            return
        for attempts_left in reversed(range(1 if address.port else FREE_PORT_ATTEMPTS)):
            self._listener = await self._transport.listen(partial(new_protocol, TCP.transport), address, door=door)
            try:
                if self._takes_own:
                    await self._take_ports(self._listener)
                await self._open_utp(partial(new_protocol, UTP.transport), door)
                return
            except BaseException as error:
                self._listener.close()
                await self.close_datagrams()
                is_taken = isinstance(error, OSError) and error.errno == errno.EADDRINUSE
                if not is_taken or not attempts_left:
                    raise

    async def _open_sealed(self, host: str) -> None:
        """Nobody can call us, and what leaves leaves through the proxy."""
        self._listener = NoListener(host)
        self.datagrams, own = await self._way_out.open(self._dht, self._given)
        self._own = list(own)
        if self._utp_config is not None and self.datagrams:
            rng = Random(self._rng.getrandbits(128))
            self.utp = UtpTransport(*self.datagrams, only_ports=True, config=self._utp_config, rng=rng)
        if self.utp is None and self._needs_utp:
            await self.close_datagrams()
            raise OSError(errno.EPROTONOSUPPORT, "peers are called over uTP only, and the proxy carries no datagrams")

    async def close_datagrams(self) -> None:
        """Ends uTP, and closes the ports that were bound here; the listener is closed before. Harmless twice."""
        if self.utp is not None:
            await self.utp.aclose()
            self.utp = None
        for port in self._own:
            port.close()
        for port in self._own:
            await port.wait_closed()

    async def _open_utp(self, protocol_factory: Callable[[], asyncio.BaseProtocol], door: Door) -> None:
        if self._utp_config is not None and self.datagrams:
            rng = Random(self._rng.getrandbits(128))
            utp = UtpTransport(*self.datagrams, config=self._utp_config, rng=rng)
            try:
                for port in self.datagrams:
                    await utp.listen(protocol_factory, port.address, door=door)
                self.utp = utp
            except OSError:  # the ports are lent, and somebody else speaks uTP there already
                await utp.aclose()
        if self.utp is None and self._needs_utp:
            raise OSError(errno.EPROTONOSUPPORT, "peers are called over uTP only, and there is no UDP port for it")

    async def _take_ports(self, listener: Listener) -> None:
        self._own, ports = [], []
        lent = ports_of(self._dht)
        for address in {address.is_ipv6: address for address in reversed(listener.addresses)}.values():
            rivals = [port for port in lent if _place(port.address) == _place(address)]
            ports += [port for port in rivals if port.address.host == address.host]
            if not rivals:  # a node elsewhere on this number leaves no room for another socket
                self._own.append(await DatagramPort.bind(address))
        self.datagrams = (*ports, *self._own)


def _place(address: Address) -> tuple[bool, int]:
    return address.is_ipv6, address.port


FREE_PORT_ATTEMPTS = 20  # the system names a port that is free for TCP

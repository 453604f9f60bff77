"""uTP as a stream transport, on sockets of its own or on ports that it shares."""

from __future__ import annotations

import asyncio
import errno
import os
import random
import socket
import sys
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self, TypeVar

from transfer.address import Address
from transfer.aio.datagram_port import DatagramPort
from transfer.aio.datagram_socket import DatagramSocket, bind_datagrams
from transfer.aio.door import Door
from transfer.aio.resolver import resolve
from transfer.aio.tcp import watches_descriptors
from transfer.aio.utp.hub import UtpHub
from transfer.datagrams.demultiplexer import DatagramClaim, DatagramPortConfig
from transfer.utp.config import UtpConfig
from transfer.utp.endpoint import UtpEndpoint
from transfer.utp.packet import FIRST_BYTES

P = TypeVar("P", bound=asyncio.BaseProtocol)


class UtpTransport:
    """A `StreamTransport` that speaks uTP (BEP 29).

    With ports, connections share their sockets with everything else on them, as BitTorrent clients do: they dial from
    the port of the target's address family, and listening on the address of a port means listening there. Without a
    port that fits, each dialled connection and each listener has a socket of its own.

    An address that was listened on is free when the last connection that was accepted there has ended, since they share
    the listener's socket; in this transport it can be listened on again at once.

    Usage: `async with UtpTransport(port) as transport: …`. Leaving breaks off what is still connected, and closes the
    sockets that are the transport's own.

    Args:
        ports: bound; they belong to the caller, and outlive this.
        only_ports: never a socket of its own: what no port reaches cannot be dialled or listened on.
        config: bounds and times.
        rng: connection ids, sequence numbers and the secret of the listener.
    """

    def __init__(
        self,
        *ports: DatagramPort,
        only_ports: bool = False,
        config: UtpConfig | None = None,
        rng: random.Random | None = None,
    ) -> None:
        self._only_ports = only_ports
        self.config = config or UtpConfig()
        self._ports = ports
        self._rng = rng or random.Random()  # the system seeds it; ids are 16 bits in any case
        self._hubs: dict[UtpHub, None] = {}
        self._port_hubs: dict[DatagramPort, UtpHub] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    async def connect(self, protocol_factory: Callable[[], P], address: Address) -> tuple[asyncio.Transport, P]:
        """As `StreamTransport.connect`; host names are resolved, and their addresses tried one after the other.

        Raises:
            ConnectionRefusedError: the other side answered with a RESET, or the system knows that no program is there.
            TimeoutError: no SYN was answered.
            OSError: any other reason why there is no connection.
        """
        found = await resolve(address.host, address.port, purpose="connections", kind=socket.SOCK_DGRAM)
        failure: OSError | None = None
        for name in dict.fromkeys(name for *_, name in found):
            try:
                hub = await self._hub_to(name)
                return await hub.dial(protocol_factory, name)
            except OSError as error:
                failure = failure or error
        assert failure is not None
        raise failure

    async def listen(
        self, protocol_factory: Callable[[], asyncio.BaseProtocol], address: Address, *, door: Door | None = None
    ) -> UtpListener:
        """As `StreamTransport.listen`; an empty host stands for all addresses of both families."""
        hosts = (address.host,) if address.host else ("0.0.0.0", "::")
        hubs: list[UtpHub] = []
        port = address.port
        try:
            for host in hosts:
                hub = await self._hub_at(Address(host, port))
                hub.listen(protocol_factory, door=door)
                hubs.append(hub)
                port = hub.sockname[1]
        except BaseException:
            for hub in hubs:
                hub.stop_listening()
            raise
        return UtpListener(hubs)

    def close(self) -> None:
        """Breaks off what is connected, and closes the sockets that are this transport's own. Harmless twice."""
        for hub in list(self._hubs):
            hub.close()

    async def aclose(self) -> None:
        """As `close`, and waits until the sockets are closed.

        Cancellation: they are closed soon all the same.
        """
        self.close()
        for hub in list(self._hubs):
            await hub.wait_gone()

    @property
    def connections(self) -> int:
        """Those there are, and those that linger after their end."""
        return sum(len(hub.core) for hub in self._hubs)

    # Which socket.

    async def _hub_to(self, name: tuple[Any, ...]) -> UtpHub:
        """Where a connection to an address is dialled from."""
        for port in self._ports:
            if port.reaches(ipv6=":" in name[0]) and not port.is_closing:
                return self._hub_of(port)
        self._check_own_socket()
        hub = self._new_hub(is_private=True)
        try:
            await _connect_datagrams(hub, name)
        except BaseException:
            self._hubs.pop(hub, None)
            raise
        return hub

    async def _hub_at(self, address: Address) -> UtpHub:
        """Where an address is listened on."""
        for port in self._ports:
            if address in (port.address, Address(port.address.host, 0)) and not port.is_closing:
                hub = self._hub_of(port)
                break
        else:
            self._check_own_socket()
            known = next((each for each in self._hubs if _name(each) == address), None)
            if known is not None and known.is_leaving:
                await known.wait_gone()
                known = None
            if known is not None:
                hub = known
            else:
                hub = self._new_hub()
                try:
                    transport = await bind_datagrams(hub, address)
                except BaseException:
                    self._hubs.pop(hub, None)
                    raise
                _enlarge(transport)
        if hub.is_listening:
            raise OSError(errno.EADDRINUSE, f"{os.strerror(errno.EADDRINUSE)}: {address} over uTP")
        return hub

    def _check_own_socket(self) -> None:
        if self._only_ports:
            raise OSError(errno.EADDRNOTAVAIL, "no UDP port leads there, and none may be opened")

    def _hub_of(self, port: DatagramPort) -> UtpHub:
        hub = self._port_hubs.get(port)
        if hub is None or hub.is_leaving:
            hub = self._port_hubs[port] = self._new_hub(stays=True)
            try:
                port.join(hub, CLAIM)
            except ValueError:
                self._forget(hub)
                reason = f"somebody else speaks uTP on the UDP port {port.address} already"
                raise OSError(errno.EADDRINUSE, reason) from None
        return hub

    def _new_hub(self, *, is_private: bool = False, stays: bool = False) -> UtpHub:
        core = UtpEndpoint(self.config, rng=self._rng)
        hub = UtpHub(core, is_private=is_private, stays=stays, on_gone=self._forget)
        self._hubs[hub] = None
        return hub

    def _forget(self, hub: UtpHub) -> None:
        self._hubs.pop(hub, None)
        for port, other in list(self._port_hubs.items()):
            if other is hub:
                del self._port_hubs[port]


class UtpListener:
    """A `Listener` of a `UtpTransport`."""

    def __init__(self, hubs: list[UtpHub]) -> None:
        self._hubs = hubs
        self._addresses = tuple(Address.from_socket(hub.sockname) for hub in hubs)
        self._closed = asyncio.Event()

    @property
    def addresses(self) -> tuple[Address, ...]:
        return self._addresses

    def close(self) -> None:
        if not self._closed.is_set():
            self._closed.set()
            for hub in self._hubs:
                hub.stop_listening()

    async def wait_closed(self) -> None:
        await self._closed.wait()
        for hub in self._hubs:
            if hub.is_leaving:
                await hub.wait_gone()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()
        await self.wait_closed()


async def _connect_datagrams(hub: UtpHub, name: tuple[Any, ...]) -> None:
    """A socket for one connection. It is connected where that helps: the system then tells that no program is there."""
    loop = asyncio.get_running_loop()
    if not watches_descriptors(loop):
        await loop.create_datagram_endpoint(lambda: hub, remote_addr=name[:2])
        return
    sock = socket.socket(socket.AF_INET6 if ":" in name[0] else socket.AF_INET, socket.SOCK_DGRAM)
    try:
        sock.setblocking(False)
        if sys.platform == "linux":  # elsewhere `sendto` is an error then
            sock.connect(name)
        else:
            sock.bind(("", 0))
        transport = DatagramSocket(loop, sock, hub, max_bytes=65_536)
    except BaseException:
        sock.close()
        raise
    _enlarge(transport)


def _enlarge(transport: asyncio.DatagramTransport) -> None:
    if isinstance(transport, DatagramSocket):
        sizes = DatagramPortConfig()
        transport.enlarge_buffers(receive_bytes=sizes.receive_buffer_bytes, send_bytes=sizes.send_buffer_bytes)


def _name(hub: UtpHub) -> Address | None:
    return Address.from_socket(hub.sockname) if hub.sockname is not None else None


CLAIM = DatagramClaim(
    first_bytes=FIRST_BYTES,  # and nothing else, so that runs stay whole
    takes_all_alone=True,
    max_share=256,
)

"""UDP sockets that read in batches, for loops that watch file descriptors; elsewhere what the loop offers."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterable
from typing import Any

from transfer.address import Address
from transfer.aio.resolver import resolve
from transfer.aio.tcp import watches_descriptors


class BatchProtocol(asyncio.DatagramProtocol):
    """A datagram protocol that takes what has arrived by now in one go, so that it can act once on all of it.

    A transport that reads in batches calls `datagrams_received`; any other calls `datagram_received` for each.
    """

    def datagrams_received(self, datagrams: list[tuple[bytes, Any]]) -> None:
        """At least one datagram, each with its sender as the socket names it, in the order of their arrival."""
        raise NotImplementedError

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self.datagrams_received([(data, addr)])


class BatchTransport(asyncio.DatagramTransport):
    """A datagram transport that takes many datagrams in one go."""

    def send_all(self, datagrams: Iterable[tuple[bytes, Any]]) -> None:
        """`sendto` for each."""
        raise NotImplementedError

    def sendto(self, data: Any, addr: Any = None) -> None:
        """Sends or drops; an address is needed. Other errors go to `error_received`."""
        self.send_all([(data, addr)])


def send_all(transport: asyncio.DatagramTransport, datagrams: Iterable[tuple[bytes, Any]]) -> None:
    """Sends many, to a transport of any kind."""
    if isinstance(transport, BatchTransport):
        transport.send_all(datagrams)
    else:
        for data, address in datagrams:
            transport.sendto(data, address)


async def bind_datagrams(
    protocol: BatchProtocol, local: Address, *, max_bytes: int = 65536
) -> asyncio.DatagramTransport:
    """A bound UDP socket; `connection_made` has been called when this returns.

    Args:
        max_bytes: the protocol does not care for longer datagrams: it gets them whole or cut to this size.

    Raises:
        OSError: the address is in use, or not of this host. Its text is one line that names the address.
    """
    loop = asyncio.get_running_loop()
    *_, name = (await resolve(local.host, local.port, purpose="listening", kind=socket.SOCK_DGRAM))[0]
    if not watches_descriptors(loop):
        transport, _ = await loop.create_datagram_endpoint(lambda: protocol, local_addr=name[:2])
        return transport
    sock = socket.socket(socket.AF_INET6 if ":" in name[0] else socket.AF_INET, socket.SOCK_DGRAM)
    try:
        sock.setblocking(False)
        if sock.family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)  # or the port would be taken in IPv4 as well
        try:
            sock.bind(name)
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise OSError(error.errno, f"cannot bind UDP on {name[0]} port {name[1]}: {reason}") from None
        return DatagramSocket(loop, sock, protocol, max_bytes=max_bytes)
    except BaseException:
        sock.close()
        raise


class DatagramSocket(BatchTransport):
    """What asyncio's datagram transport does, with two differences.

    It reads up to `MAX_BATCH` datagrams at a time; going round the event loop for each takes longer than many protocols
    need to answer. And it keeps nothing: a datagram that the kernel does not take at once is dropped, as a network
    would, so that `pause_writing` is never called.

    Args:
        sock: bound and not blocking; it is the transport's from now on.
        protocol: `connection_made` is called before this returns.
        max_bytes: longer datagrams are cut.
    """

    def __init__(
        self, loop: asyncio.AbstractEventLoop, sock: socket.socket, protocol: BatchProtocol, *, max_bytes: int
    ) -> None:
        super().__init__({"socket": sock, "sockname": sock.getsockname()})
        self._loop = loop
        self._sock = sock
        self._receive, self._send = sock.recvfrom, sock.sendto
        self._protocol = protocol
        self._max_bytes = max_bytes
        self._budget = 1  # how many datagrams are expected now
        self._is_closing = False
        protocol.connection_made(self)
        if not self._is_closing:
            loop.add_reader(sock, self._readable)

    def send_all(self, datagrams: Iterable[tuple[bytes, Any]]) -> None:
        """`sendto` for each."""
        if self._is_closing:
            return
        send = self._send
        for data, address in datagrams:
            try:
                send(data, address)
            except (BlockingIOError, InterruptedError):
                pass
            except OSError as error:
                self._protocol.error_received(error)

    def close(self) -> None:
        if not self._is_closing:
            self._is_closing = True
            self._loop.remove_reader(self._sock)
            self._loop.call_soon(self._lose)

    def abort(self) -> None:
        self.close()

    def is_closing(self) -> bool:
        return self._is_closing

    def get_protocol(self) -> BatchProtocol:
        return self._protocol

    def get_write_buffer_size(self) -> int:
        return 0

    def _readable(self) -> None:
        if self._is_closing:
            return  # by a callback of the same turn of the loop
        receive, size, datagrams = self._receive, self._max_bytes, []
        budget = self._budget
        try:
            for _ in range(budget):
                datagrams.append(receive(size))
        except (BlockingIOError, InterruptedError):
            pass
        except OSError as error:  # an ICMP message about some earlier datagram
            self._protocol.error_received(error)
        # Asking in vain takes longer than reading, so a quiet socket is read once in a turn, and a busy one often.
        self._budget = min(2 * budget, MAX_BATCH) if len(datagrams) == budget else max(len(datagrams), 1)
        if datagrams:
            self._protocol.datagrams_received(datagrams)

    def _lose(self) -> None:
        self._sock.close()
        self._protocol.connection_lost(None)


MAX_BATCH = 64  # under a millisecond of work even for a DHT node, so that the rest of the loop gets its turn

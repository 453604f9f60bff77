"""Listening sockets of our own, for loops that watch file descriptors: accepted connections get a `SocketStream`."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import struct
from collections.abc import Callable
from types import TracebackType
from typing import Self

from transfer.address import Address
from transfer.aio.door import Door
from transfer.aio.kernel_congestion import choose_congestion_control
from transfer.aio.resolver import resolve
from transfer.aio.socket_stream import SocketStream


class SocketListener:
    """A `Listener` over sockets that are bound and listening; they are its own from now on.

    Args:
        door: is asked about each connection; who is not let in gets a reset, and costs no stream.
    """

    __slots__ = ("_closed", "_door", "_factory", "_loop", "_retries", "_sockets", "addresses")

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        sockets: list[socket.socket],
        protocol_factory: Callable[[], asyncio.BaseProtocol],
        *,
        door: Door | None = None,
    ) -> None:
        self.addresses = tuple(Address.from_socket(listening.getsockname()) for listening in sockets)
        self._loop = loop
        self._sockets = sockets
        self._factory = protocol_factory
        self._door = door
        self._closed = asyncio.Event()
        self._retries: set[asyncio.TimerHandle] = set()
        for listening in sockets:
            loop.add_reader(listening, self._accept, listening)

    def close(self) -> None:
        for listening in self._sockets:
            self._loop.remove_reader(listening)
            listening.close()
        for retry in self._retries:
            retry.cancel()
        self._sockets.clear()
        self._retries.clear()
        self._closed.set()

    async def wait_closed(self) -> None:
        await self._closed.wait()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()
        await self.wait_closed()

    def _accept(self, listening: socket.socket) -> None:
        for _ in range(MAX_ACCEPTED_AT_ONCE):
            if not self._sockets:  # closed by a protocol
                return
            try:
                accepted, source = listening.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                if error.errno not in OUT_OF_RESOURCES:
                    raise
                self._pause(listening, error)
                return
            self._begin(accepted, source)

    def _begin(self, accepted: socket.socket, source: tuple[str, int]) -> None:
        accepted.setblocking(False)
        entry = None
        if self._door is not None:
            entry = self._door.admit(Address.from_socket(source))
            if entry is None:
                accepted.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
                accepted.close()
                return
        try:
            SocketStream(self._loop, accepted, self._factory(), entry=entry)
        except Exception as error:  # noqa: BLE001  # the next connection may fare better
            accepted.close()
            if entry is not None:
                entry.leave()
            if not isinstance(error, OSError):  # it was reset before we saw it
                context = {"message": "a connection could not be taken", "exception": error}
                self._loop.call_exception_handler(context)

    def _pause(self, listening: socket.socket, error: OSError) -> None:
        """Without descriptors or memory nothing can be accepted now, and the loop would turn in vain."""
        if self._door is not None:
            self._door.exhausted(error)
        self._loop.call_exception_handler({"message": "out of resources to accept connections", "exception": error})
        self._loop.remove_reader(listening)

        def again() -> None:
            self._retries.discard(retry)
            self._loop.add_reader(listening, self._accept, listening)

        retry = self._loop.call_later(RETRY_S, again)
        self._retries.add(retry)


async def bind_listening_sockets(
    address: Address, *, backlog: int, reuse_port: bool, congestion: str | None = None
) -> list[socket.socket]:
    """Sockets that listen on an IP address, on all addresses of a name, or of this host for an empty one.

    Args:
        congestion: the kernel's controller for what they accept; None leaves the system's choice.

    Raises:
        CongestionControlError: the system does not have that one.
        OSError: one of the addresses is in use, or not of this host.
    """
    hosts = (address.host,) if address.host else ("0.0.0.0", "::")
    found = [info for host in hosts for info in await resolve(host, address.port, purpose="listening")]
    sockets: list[socket.socket] = []
    try:
        for family, kind, protocol, _, name in dict.fromkeys(found):
            try:
                listening = socket.socket(family, kind, protocol)
            except OSError:  # a system without IPv6 may still know its addresses
                continue
            sockets.append(listening)
            listening.setblocking(False)
            if os.name == "posix":
                listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if reuse_port:
                listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            if family == socket.AF_INET6:
                listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            if congestion is not None:
                choose_congestion_control(listening, congestion)
            try:
                listening.bind(name)
            except OSError as error:
                reason = (error.strerror or str(error)).lower()
                raise OSError(error.errno, f"cannot listen on {name[0]!s} port {name[1]!s}: {reason}") from None
            listening.listen(backlog)
    except BaseException:
        for listening in sockets:
            listening.close()
        raise
    if not sockets:
        raise OSError(errno.EADDRNOTAVAIL, f"{address.host} is not an address of this host")
    return sockets


MAX_ACCEPTED_AT_ONCE = 100
RETRY_S = 1.0
RESET_ON_CLOSE = struct.pack("ii", 1, 0)  # struct linger: no time to wait; nothing is left of a refused connection
OUT_OF_RESOURCES = frozenset((errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM))

"""What all uTP connections of one UDP socket have in common: its datagrams, its timers, and who listens."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import sys
from collections.abc import Callable
from typing import Any, TypeVar

from transfer.address import Address
from transfer.aio.datagrams import RunProtocol, send_all, send_run
from transfer.aio.door import Door
from transfer.aio.utp.stream import UtpStream
from transfer.datagrams.runs import Run as ReceivedRun
from transfer.utp.connection import UtpConnection
from transfer.utp.endpoint import UtpEndpoint
from transfer.utp.values import Ending, Run, State

P = TypeVar("P", bound=asyncio.BaseProtocol)


class UtpHub(RunProtocol):
    """Drives a `UtpEndpoint` on a datagram transport, of its own or a member of a port.

    On a transport of its own it leaves as soon as nobody listens and no connection is left; on a port of others it
    stays, to tell who calls that nobody listens.

    Args:
        stays: whether the transport is of others.
        is_private: the socket is for the one connection that is dialled with it.
        on_gone: called when it has left.
    """

    def __init__(
        self, core: UtpEndpoint, *, is_private: bool, stays: bool, on_gone: Callable[[UtpHub], object]
    ) -> None:
        self.core = core
        self._loop = asyncio.get_running_loop()
        self._is_private = is_private
        self._stays = stays
        self._on_gone = on_gone
        self._transport: asyncio.DatagramTransport | None = None
        self._factory: Callable[[], asyncio.BaseProtocol] | None = None
        self._door: Door | None = None
        self._streams: dict[UtpConnection, UtpStream] = {}
        self._dialled: dict[UtpConnection, asyncio.Future[None]] = {}
        self._timers: dict[UtpConnection, tuple[float, asyncio.Handle]] = {}  # due, which uvloop's handle may not know
        self._touched: dict[UtpConnection, None] = {}
        self._blocked: dict[UtpConnection, None] = {}
        self._turn: asyncio.Handle | None = None
        self._is_busy = False
        self._is_leaving = False
        self._gone = asyncio.Event()

    # Commands.

    async def dial(self, protocol_factory: Callable[[], P], name: tuple[Any, ...]) -> tuple[asyncio.Transport, P]:
        """A connection to an address, as the socket names it."""
        connection = self.core.connect(name, is_ipv6=":" in name[0], now=self._loop.time())
        if connection is None:
            raise OSError(errno.EAGAIN, "there are as many uTP connections as this socket may have")
        waiter = self._dialled[connection] = self._loop.create_future()
        try:
            self.touch(connection)
            await waiter
            protocol = protocol_factory()
            stream = UtpStream(self, connection, protocol, self._loop, self._names(connection))
        except BaseException:
            connection.abort()
            self.touch(connection)
            raise
        finally:
            del self._dialled[connection]
        self._begin(connection, stream)
        return stream, protocol

    def listen(self, protocol_factory: Callable[[], asyncio.BaseProtocol], *, door: Door | None = None) -> None:
        """Accepts connections from now on: those that the door lets in, once their handshake is done."""
        self._factory = protocol_factory
        self._door = door
        self.core.is_listening = True

    def stop_listening(self) -> None:
        """Accepts none any more; those there are go on."""
        self._factory = None
        self.core.is_listening = False
        self._leave_if_idle()

    def close(self) -> None:
        """Breaks off everything. Harmless twice."""
        self._factory = None
        self.core.is_listening = False
        for connection in self.core.connections():
            stream = self._streams.get(connection)
            if stream is not None:
                stream.abort()
            elif not connection.is_flushed:
                connection.abort()
            self._flush(connection)
            self._forget(connection)
        self._stays = False
        self._leave_if_idle()

    async def wait_gone(self) -> None:
        """Waits until it has left the socket."""
        await self._gone.wait()

    @property
    def is_listening(self) -> bool:
        return self._factory is not None

    @property
    def is_leaving(self) -> bool:
        return self._is_leaving

    @property
    def sockname(self) -> Any:
        """Of the socket."""
        return self._transport.get_extra_info("sockname") if self._transport is not None else None

    # What streams call.

    def touch(self, connection: UtpConnection) -> None:
        """There is something to be looked at: soon, or at the end of what is under way here."""
        self._touched[connection] = None
        if not self._is_busy and self._turn is None:
            self._turn = self._loop.call_soon(self._take_turn)

    def release(self, connection: UtpConnection) -> None:
        """The protocol has been told that it is over; the connection itself may have to linger."""
        self._streams.pop(connection, None)
        self._leave_if_idle()

    # What the datagram transport calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]  # by contract

    def runs_received(self, runs: list[ReceivedRun]) -> None:
        core, now = self.core, self._loop.time()
        receive = core.receive
        for data, source, segment_bytes in runs:
            receive(data, source, segment_bytes, now=now)
        self._is_busy = True
        try:
            if core.replies:
                self._reply()
            if core.accepted:
                self._accept()
            touched, core.touched = core.touched, {}
            for connection in touched:
                stream = self._streams.get(connection)
                if stream is not None:
                    stream.receive()
                self._touched[connection] = None
            self._flush_touched()
        finally:
            self._is_busy = False

    def error_received(self, exc: Exception) -> None:
        """An ICMP message: of the one connection if the socket has just one, of anybody's otherwise."""
        if self._is_private and isinstance(exc, ConnectionRefusedError):
            for connection in self.core.connections():
                connection.refuse()
                self.touch(connection)

    def pause_writing(self) -> None:
        """The socket is full: what did not leave is kept in `_blocked`."""

    def resume_writing(self) -> None:
        blocked, self._blocked = self._blocked, {}
        for connection in blocked:
            self.touch(connection)

    def connection_lost(self, exc: Exception | None) -> None:
        self._is_leaving = True
        if self._turn is not None:
            self._turn.cancel()
            self._turn = None
        self._transport = None
        self._factory = None
        for connection in self.core.connections():
            stream = self._streams.get(connection)
            connection.abort()
            error = exc or ConnectionAbortedError(errno.ECONNABORTED, "the UDP socket is closed")
            if stream is not None:
                stream._force_close(error)
            waiter = self._dialled.get(connection)
            if waiter is not None and not waiter.done():
                waiter.set_exception(error)
            self._forget(connection)
        self._gone.set()
        self._on_gone(self)

    # Parts of the above.

    def _take_turn(self) -> None:
        self._turn = None
        self._is_busy = True
        try:
            self._flush_touched()
        finally:
            self._is_busy = False

    def _flush_touched(self) -> None:
        while self._touched:
            touched, self._touched = self._touched, {}
            for connection in touched:
                self._flush(connection)

    def _flush(self, connection: UtpConnection) -> None:
        """Everything that may leave now leaves; then what has become of the connection is told."""
        stream = self._streams.get(connection)
        if stream is not None and connection.state is State.CONNECTED:
            stream.feed()
        now = self._loop.time()
        while connection not in self._blocked and (run := connection.next_run(now=now)) is not None:
            self._send(connection, run)
        if connection.state is State.CLOSED:
            self._forget(connection)
            ending = connection.ending or Ending.CLEAN
            if stream is not None:
                stream.receive()
                stream.ended(ending)
            waiter = self._dialled.get(connection)
            if waiter is not None and not waiter.done():
                waiter.set_exception(_failure(ending, connection.address))
            self._leave_if_idle()
            return
        if connection.is_flushed and stream is not None:
            stream.flushed()
        waiter = self._dialled.get(connection)
        if waiter is not None and connection.state is State.CONNECTED and not waiter.done():
            waiter.set_result(None)
        self._arm(connection)

    def _send(self, connection: UtpConnection, run: Run) -> None:
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        if run.count == 1 and len(run.buffers) == 1:
            send_all(transport, ((run.buffers[0], connection.address),))  # type: ignore[arg-type]  # bytes
            return
        if run.is_probe or run.may_fragment:
            with _Fragmenting(transport, is_forbidden=run.is_probe):
                sent = send_run(transport, run.buffers, connection.address, run.segment_bytes)
        else:
            sent = send_run(transport, run.buffers, connection.address, run.segment_bytes)
        if sent < run.count:
            connection.on_not_sent(run.count - sent)
            self._blocked[connection] = None

    def _arm(self, connection: UtpConnection) -> None:
        """A timer that is due too early is left alone: it costs one look, and moving it would cost more each time."""
        due = connection.next_timer()
        timer = self._timers.get(connection)
        if due is None or (timer is not None and timer[0] <= due):
            return
        if timer is not None:
            timer[1].cancel()
        self._timers[connection] = due, self._loop.call_at(due, self._fire, connection)

    def _fire(self, connection: UtpConnection) -> None:
        del self._timers[connection]
        now, due = self._loop.time(), connection.next_timer()
        if due is None:
            return
        if due <= now:
            connection.handle_timer(now=now)
            self.touch(connection)
        else:
            self._timers[connection] = due, self._loop.call_at(due, self._fire, connection)

    def _accept(self) -> None:
        accepted, self.core.accepted = self.core.accepted, []
        for connection in accepted:
            entry = None
            if self._factory is not None and self._door is not None:
                entry = self._door.admit(Address.from_socket(connection.address))  # type: ignore[arg-type]  # by contract
            if self._factory is None or (self._door is not None and entry is None):
                connection.abort()
                self._touched[connection] = None
                continue
            try:
                protocol = self._factory()
                stream = UtpStream(self, connection, protocol, self._loop, self._names(connection), entry=entry)
            except Exception as error:  # noqa: BLE001  # a protocol may raise anything; the listener goes on
                if entry is not None:
                    entry.leave()
                connection.abort()
                self._touched[connection] = None
                context = {"message": "a connection could not be taken", "exception": error}
                self._loop.call_exception_handler(context)
            else:
                self._begin(connection, stream)

    def _begin(self, connection: UtpConnection, stream: UtpStream) -> None:
        self._streams[connection] = stream
        self._loop.call_soon(stream.receive)  # what has come by now, but not before its maker has it
        self.touch(connection)

    def _reply(self) -> None:
        replies, self.core.replies = self.core.replies, []
        if self._transport is not None:
            send_all(self._transport, replies)

    def _names(self, connection: UtpConnection) -> dict[str, Any]:
        transport = self._transport
        return {
            "sockname": self.sockname,
            "peername": connection.address,
            "socket": transport.get_extra_info("socket") if transport is not None else None,
        }

    def _forget(self, connection: UtpConnection) -> None:
        self.core.forget(connection)
        timer = self._timers.pop(connection, None)
        if timer is not None:
            timer[1].cancel()
        self._blocked.pop(connection, None)

    def _leave_if_idle(self) -> None:
        is_idle = self._factory is None and not len(self.core) and not self._dialled
        if is_idle and not self._stays and not self._is_leaving:
            self._is_leaving = True
            if self._transport is not None:
                self._transport.close()


class _Fragmenting:
    """Says for a moment whether datagrams of a socket may be fragmented, where the system can be told."""

    def __init__(self, transport: asyncio.DatagramTransport, *, is_forbidden: bool) -> None:
        self._socket = transport.get_extra_info("socket") if sys.platform == "linux" else None
        self._mode = PMTUDISC_PROBE if is_forbidden else PMTUDISC_DONT

    def __enter__(self) -> None:
        self._set(self._mode)

    def __exit__(self, *_: object) -> None:
        self._set(PMTUDISC_WANT)

    def _set(self, mode: int) -> None:
        sock = self._socket
        if sock is None:
            return
        is_ipv6 = sock.family == socket.AF_INET6
        try:
            sock.setsockopt(*((socket.IPPROTO_IPV6, 23) if is_ipv6 else (socket.IPPROTO_IP, 10)), mode)
        except OSError:
            self._socket = None


def _failure(ending: Ending, address: Any) -> OSError:
    """Why there is no connection."""
    number, kind = {
        Ending.REFUSED: (errno.ECONNREFUSED, ConnectionRefusedError),
        Ending.TIMED_OUT: (errno.ETIMEDOUT, TimeoutError),
    }.get(ending, (errno.ECONNRESET, ConnectionResetError))
    return kind(number, f"{os.strerror(number)}: {address[0]} port {address[1]} over uTP")


PMTUDISC_DONT, PMTUDISC_WANT, PMTUDISC_PROBE = 0, 1, 3  # linux/in.h, and the same in linux/in6.h

"""A bound UDP socket that several protocols share, each seeing only its own datagrams."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from functools import partial
from types import TracebackType
from typing import Any, Self, cast

from transfer.address import Address
from transfer.aio.datagram_socket import DatagramSocket, bind_datagrams
from transfer.aio.datagrams import BatchProtocol, BatchTransport, RunProtocol, send_all, send_run
from transfer.datagrams.demultiplexer import (
    DEFAULT_CONFIG,
    DatagramClaim,
    DatagramPortConfig,
    DatagramPortStats,
    Demultiplexer,
)
from transfer.datagrams.runs import Buffer, Run, gathered_datagrams, split_run
from transfer.proxy.proxy import Proxy


class DatagramPort:
    """One UDP socket for a DHT node, UDP trackers, and whatever else claims datagrams of its own.

    It belongs to the caller that bound it: members that join it leave it, and never close it.

    Usage: `async with await DatagramPort.bind(Address("0.0.0.0", 6881)) as port: port.join(protocol, claim)`.
    """

    def __init__(self, *, config: DatagramPortConfig | None = None) -> None:
        """Use `bind`."""
        self.address = Address("", 0)
        self._loop = asyncio.get_running_loop()
        self._config = config or DEFAULT_CONFIG
        self._demultiplexer: Demultiplexer[PortTransport] = Demultiplexer(self._config)
        self._transport: asyncio.DatagramTransport | None = None
        self._members: dict[PortTransport, BatchProtocol] = {}
        self._protocol = _PortProtocol(self)
        self._send: Callable[[Iterable[tuple[bytes, Any]]], None] = _drop
        self._sender: PortTransport | None = None
        self._turn: asyncio.Handle | None = None
        self._is_full = False
        self._comes_in_runs = False
        self._closed = asyncio.Event()
        self._direct()

    @classmethod
    async def bind(cls, local: Address, *, max_bytes: int = 8192, config: DatagramPortConfig | None = None) -> Self:
        """A bound port.

        Args:
            local: port 0 takes any free one: `address` says which.
            max_bytes: longer datagrams are cut to this size. No protocol of a BitTorrent client sends as much.

        Raises:
            OSError: the address is in use, or not of this host.
        """
        port = cls(config=config)
        await bind_datagrams(port._protocol, local, max_bytes=max_bytes)
        return port

    @classmethod
    async def over(
        cls, open_transport: Callable[[BatchProtocol], Awaitable[object]], *, config: DatagramPortConfig | None = None
    ) -> Self:
        """A port over something else than a socket of its own, such as a proxy.

        Args:
            open_transport: opens it for the protocol of the port, which has its transport when this returns.
        """
        port = cls(config=config)
        await open_transport(port._protocol)
        return port

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()
        await self.wait_closed()

    def join(self, protocol: BatchProtocol, claim: DatagramClaim) -> PortTransport:
        """From now on `protocol` gets what it claims; its `connection_made` has been called when this returns.

        Closing the transport leaves the port. With the first `RunProtocol` the kernel glues datagrams from then on; a
        run whose datagrams are not all for such protocols is cut for the others.

        Raises:
            ConnectionAbortedError: the port is closed.
        """
        if self.is_closing:
            raise ConnectionAbortedError(f"the UDP port {self.address} is closed")
        member = PortTransport(self, protocol)
        self._demultiplexer.add(member, claim, takes_runs=isinstance(protocol, RunProtocol))
        if isinstance(protocol, RunProtocol) and isinstance(self._transport, DatagramSocket):
            self._expect_runs(self._transport)
        self._members[member] = protocol
        self._direct()
        protocol.connection_made(member)
        if self._is_full and not member.is_closing():
            protocol.pause_writing()
        return member

    def close(self) -> None:
        """Closes the socket; every member sees `connection_lost`. Harmless twice."""
        if self._transport is not None:
            self._transport.close()

    async def wait_closed(self) -> None:
        """Waits until the socket is closed, and every member knows.

        Cancellation: has no effect on the port.
        """
        await self._closed.wait()

    @property
    def is_closing(self) -> bool:
        return self._transport is None or self._transport.is_closing()

    @property
    def proxy(self) -> Proxy | None:
        """What all datagrams go through, those to names and to the other address family included; None: nothing."""
        found: Proxy | None = self.extra_info("proxy")
        return found

    def reaches(self, *, ipv6: bool) -> bool:
        """Whether datagrams can be sent to addresses of a family, as far as that is known here."""
        return self.proxy is not None or self.address.is_ipv6 is ipv6

    def statistics(self) -> DatagramPortStats:
        """What became of the datagrams so far."""
        return self._demultiplexer.stats()

    # What the transports of its members ask for.

    def _leave(self, member: PortTransport) -> None:
        self._demultiplexer.remove(member)
        protocol = self._members.pop(member, None)
        self._direct()
        if protocol is not None:
            self._loop.call_soon(protocol.connection_lost, None)

    def extra_info(self, name: str, default: Any = None) -> Any:
        """What the transport of the port knows, as `get_extra_info` has it."""
        return self._transport.get_extra_info(name, default) if self._transport is not None else default

    # What the socket reports.

    def _open(self, transport: asyncio.DatagramTransport) -> None:
        self._transport = transport
        self._send = transport.send_all if isinstance(transport, BatchTransport) else partial(send_all, transport)
        self.address = Address.from_socket(transport.get_extra_info("sockname"))

    def _direct(self) -> None:
        """What comes goes to the demultiplexer; or straight to the one member there is, and takes no longer then."""
        sole = self._demultiplexer.sole_user
        receive = self._receive if sole is None else self._members[sole].datagrams_received
        self._protocol.datagrams_received = receive  # type: ignore[method-assign]

    def _receive(self, datagrams: list[tuple[bytes, Any]]) -> None:
        self._demultiplexer.receive(datagrams)
        if self._turn is None:
            self._hand_over()

    def _receive_runs(self, runs: list[Run]) -> None:
        sole = self._demultiplexer.sole_user
        if sole is None:
            self._demultiplexer.receive_runs(runs)
            if self._turn is None:
                self._hand_over()
        elif isinstance(protocol := self._members[sole], RunProtocol):
            protocol.runs_received(runs)
        else:
            protocol.datagrams_received([(data, sender) for run, sender, size in runs for data in split_run(run, size)])

    def _expect_runs(self, transport: DatagramSocket) -> None:
        if not self._comes_in_runs:
            config = self._config
            transport.enlarge_buffers(receive_bytes=config.receive_buffer_bytes, send_bytes=config.send_buffer_bytes)
            self._comes_in_runs = transport.receive_runs(self._receive_runs)

    def _hand_over(self) -> None:
        """One turn: what is beyond it waits for the next turn of the event loop, so that others have theirs."""
        was_scheduled, self._turn = self._turn is not None, None
        for member, batch in self._demultiplexer.take():
            protocol = self._members.get(member)  # it may have left because of another's datagram
            if protocol is None or self.is_closing:
                continue
            try:
                if self._comes_in_runs and isinstance(protocol, RunProtocol):
                    protocol.runs_received(cast("list[Run]", batch))
                else:
                    protocol.datagrams_received(batch)
            except Exception as error:  # noqa: BLE001  # a protocol may raise anything; the others go on
                message = {"message": "datagrams_received() failed", "exception": error, "protocol": protocol}
                self._loop.call_exception_handler(message)
        if self._demultiplexer.is_waiting and not self.is_closing:
            self._turn = self._loop.call_soon(self._hand_over)
        elif was_scheduled:
            self._direct()

    def _fail(self, error: Exception) -> None:
        """An error while a member sends is told to it, any other to every member."""
        told = list(self._members) if self._sender is None else [self._sender]
        for member in told:
            if (protocol := self._members.get(member)) is not None:
                protocol.error_received(error)

    def _set_full(self, is_full: bool) -> None:
        self._is_full = is_full
        for protocol in list(self._members.values()):
            if is_full:
                protocol.pause_writing()
            else:
                protocol.resume_writing()

    def _lose(self, error: Exception | None) -> None:
        if self._turn is not None:
            self._turn.cancel()
            self._turn = None
        members, self._members = self._members, {}
        for member in members:
            self._demultiplexer.remove(member)
        self._direct()
        for protocol in members.values():
            protocol.connection_lost(error)
        self._closed.set()


class PortTransport(BatchTransport):
    """The part of a `DatagramPort` that one protocol has. Closing it leaves the port, which goes on."""

    def __init__(self, port: DatagramPort, protocol: BatchProtocol) -> None:
        super().__init__()
        self._port = port
        self._protocol = protocol
        self._has_left = False

    def send_all(self, datagrams: Iterable[tuple[bytes, Any]]) -> None:
        """`sendto` for each."""
        port = self._port
        if not self._has_left:
            before, port._sender = port._sender, self
            try:
                port._send(datagrams)
            finally:
                port._sender = before

    def send_run(self, buffers: Sequence[Buffer], address: Any, segment_bytes: int) -> int:
        """As `BatchTransport.send_run`."""
        port = self._port
        if self._has_left or port._transport is None:
            return sum(1 for _ in gathered_datagrams(buffers, segment_bytes))
        before, port._sender = port._sender, self
        try:
            return send_run(port._transport, buffers, address, segment_bytes)
        finally:
            port._sender = before

    def close(self) -> None:
        if not self._has_left:
            self._has_left = True
            self._port._leave(self)

    def abort(self) -> None:
        self.close()

    def is_closing(self) -> bool:
        return self._has_left or self._port.is_closing

    def get_protocol(self) -> BatchProtocol:
        return self._protocol

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """The socket's."""
        return self._port.extra_info(name, default)


class _PortProtocol(BatchProtocol):
    """The socket's only protocol."""

    def __init__(self, port: DatagramPort) -> None:
        self._port = port

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._port._open(cast("asyncio.DatagramTransport", transport))  # by contract; its class may be unrelated

    def error_received(self, exc: Exception) -> None:
        self._port._fail(exc)

    def pause_writing(self) -> None:
        self._port._set_full(True)

    def resume_writing(self) -> None:
        self._port._set_full(False)

    def connection_lost(self, exc: Exception | None) -> None:
        self._port._lose(exc)


def _drop(datagrams: Iterable[tuple[bytes, Any]]) -> None:
    """What is sent before there is a socket."""

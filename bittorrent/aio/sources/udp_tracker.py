"""Questions to UDP trackers on real sockets: drives `bittorrent.tracker.udp`."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, Generic, TypeVar, cast

from bittorrent.dialling.targets import PRIVATE
from bittorrent.errors import TrackerError
from bittorrent.tracker.udp import UdpAnnounce
from bittorrent.tracker.udp_exchange import ANSWER_FIRST_BYTES, Answered, UdpExchange
from bittorrent.tracker.udp_questions import UdpQuestions
from transfer.address import Address, is_ip_address
from transfer.aio.datagram_port import DatagramPort
from transfer.aio.datagrams import BatchProtocol
from transfer.aio.resolver import resolve
from transfer.datagrams.demultiplexer import DatagramClaim
from transfer.reach import Reach, is_public, reach_of

T = TypeVar("T")


class UdpTrackers:
    """Asks UDP trackers, from shared ports where that is possible.

    A port is shared with other users where there is one of the tracker's address family, so that trackers see where
    peers can reach us, and a NAT keeps one mapping. Else each question has a socket of its own.

    Args:
        ports: they stay the caller's, and are left with `close`.
        only_ports: no other socket is opened, and no name looked up here: the ports go through a proxy.
    """

    def __init__(self, ports: Iterable[DatagramPort] = (), *, only_ports: bool = False) -> None:
        self._only_ports = only_ports
        self._shared = {port.address.is_ipv6: _SharedPort(port) for port in ports}

    async def ask(
        self, host: str, port: int, make: Callable[[bool], UdpExchange[T]], *, public_only: bool = False
    ) -> tuple[T, Reach]:
        """Asks the UDP tracker at `host`, at one address of each family until one answers.

        Args:
            make: the exchange, given whether it is over IPv6.
            public_only: whether a private address is refused.

        Returns:
            The answer, and how far away the tracker can be that gave it.

        Raises:
            TrackerError: it refused, or stayed silent for as long as the exchange's config allows.
            OSError: the name has no address or cannot be looked up, or no datagram could be sent or delivered. On a
                shared port the system does not tell that a datagram was not delivered.

        Cancellation: the exchange is dropped; the tracker may have counted us.
        """
        if self._only_ports:
            return await self._ask_through_proxy(host, port, make, public_only=public_only)
        targets: dict[int, str] = {}
        failure: TrackerError | OSError = TrackerError("its name has no address")
        for found, _, _, _, target in await resolve(host, port, purpose="trackers", kind=socket.SOCK_DGRAM):
            if not public_only or is_public(str(target[0])):
                targets.setdefault(found, str(target[0]))
            else:
                failure = TrackerError(PRIVATE)
        for family, ip in targets.items():
            try:
                return await self._ask_at(make(family == socket.AF_INET6), family, (ip, port)), reach_of(ip)
            except (TrackerError, OSError) as error:
                failure = error
        raise failure

    def close(self) -> None:
        """Leaves the ports; what is asked there fails, what is asked elsewhere ends by itself."""
        for shared in self._shared.values():
            shared.close()

    async def _ask_through_proxy(
        self, host: str, port: int, make: Callable[[bool], UdpExchange[T]], *, public_only: bool
    ) -> tuple[T, Reach]:
        is_name = not is_ip_address(host)
        if public_only and not is_name and not is_public(host):
            raise TrackerError(PRIVATE)
        for shared in self._shared.values():
            if shared.is_open:
                reach = Reach.INTERNET if is_name else reach_of(host)
                return await shared.ask(make(":" in host), (host, port)), reach
        raise TrackerError("the proxy carries no datagrams")

    async def _ask_at(self, core: UdpExchange[T], family: int, target: tuple[str, int]) -> T:
        is_ipv6 = Address.from_socket(target).is_ipv6
        shared = self._shared.get(is_ipv6)
        if shared is not None and shared.is_open and is_ipv6 == (family == socket.AF_INET6):
            return await shared.ask(core, target)
        own = _OwnSocket(core)
        await asyncio.get_running_loop().create_datagram_endpoint(lambda: own, family=family, remote_addr=target)
        async with own:
            return await own.question.result


class _Question(Generic[T]):
    """One exchange, its clock and its outcome; `send` carries its datagrams."""

    def __init__(self, core: UdpExchange[T], send: Callable[[bytes], None]) -> None:
        self._core = core
        self._send = send
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self.result: asyncio.Future[T] = self._loop.create_future()

    def receive(self, data: bytes) -> None:
        self._core.receive_datagram(data, now=self._loop.time())
        self.drive()

    def fail(self, error: Exception) -> None:
        if not self.result.done():
            self.result.set_exception(error)

    def close(self) -> None:
        """The answer is not wanted any more."""
        if self._timer is not None:
            self._timer.cancel()
        self.result.cancel()

    def drive(self) -> None:
        """Carries out what the exchange wants."""
        for datagram in self._core.datagrams_to_send():
            self._send(datagram)
        event = self._core.next_event()
        if event is not None and not self.result.done():
            if isinstance(event, Answered):
                self.result.set_result(event.response)
            else:
                self.result.set_exception(TrackerError(event.message, failure_reason=event.failure_reason))
        if self._timer is not None:
            self._timer.cancel()
        due = self._core.next_timer()
        self._timer = self._loop.call_at(due, self._on_timer, due) if due is not None else None

    def _on_timer(self, due: float) -> None:
        self._core.handle_timer(now=max(due, self._loop.time()))
        self.drive()


class _SharedPort(BatchProtocol):
    """Any number of questions on a port on which others are at home as well."""

    def __init__(self, port: DatagramPort) -> None:
        self._questions = UdpQuestions()
        self._by_core: dict[UdpExchange[Any], _Question[Any]] = {}
        self._sending: _Question[Any] | None = None
        self._host = port.address.host
        self._is_proxied = port.proxy is not None
        self._transport = port.join(self, DatagramClaim(first_bytes=ANSWER_FIRST_BYTES, accepts=self._is_answer))

    @property
    def is_open(self) -> bool:
        return not self._transport.is_closing()

    async def ask(self, core: UdpExchange[T], target: tuple[str, int]) -> T:
        question: _Question[T] = _Question(core, partial(self._send, core, target))
        tracker = Address.from_socket(target)
        self._questions.add(core, tracker)
        self._by_core[core] = question
        try:
            question.drive()
            return await question.result
        finally:
            self._questions.remove(core, tracker)
            del self._by_core[core]
            question.close()

    def close(self) -> None:
        self._transport.close()

    def datagrams_received(self, datagrams: list[tuple[bytes, Any]]) -> None:
        for data, name in datagrams:
            core = self._questions.answered_by(data, Address.from_socket(name))
            if core is not None:  # it was when the datagram was sorted; the one before may have ended it
                if self._is_proxied and isinstance(core, UdpAnnounce):
                    core.ipv6 = ":" in name[0]  # the proxy chose the way there
                self._by_core[core].receive(data)

    def error_received(self, exc: Exception) -> None:
        """Of what others sent we hear nothing, and of what arrived nowhere neither."""
        if self._sending is not None:
            reason = (getattr(exc, "strerror", None) or str(exc)).lower()
            self._sending.fail(TrackerError(f"nothing can be sent there from {self._host}: {reason}"))

    def pause_writing(self) -> None:
        """A question that gets lost is repeated."""

    def resume_writing(self) -> None:
        """See `pause_writing`."""

    def connection_lost(self, exc: Exception | None) -> None:
        for question in list(self._by_core.values()):
            question.fail(TrackerError("our UDP port was closed"))

    def _is_answer(self, data: bytes, name: Any) -> bool:
        return self._questions.answered_by(data, Address.from_socket(name)) is not None

    def _send(self, core: UdpExchange[Any], target: tuple[str, int], datagram: bytes) -> None:
        self._sending = self._by_core.get(core)
        try:
            self._transport.sendto(datagram, target)
        finally:
            self._sending = None


class _OwnSocket(asyncio.DatagramProtocol, Generic[T]):
    """One question on a connected socket, so that only the tracker is heard."""

    def __init__(self, core: UdpExchange[T]) -> None:
        self.question = _Question(core, self._send)
        self._transport: asyncio.DatagramTransport | None = None
        self._closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def __aenter__(self) -> None:
        pass

    async def __aexit__(self, *failure: object) -> None:
        assert self._transport is not None
        self._transport.abort()
        await self._closed

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # A cast: until Python 3.12 the selector loop's transport is no subclass of DatagramTransport.
        self._transport = cast(asyncio.DatagramTransport, transport)
        self.question.drive()

    def datagram_received(self, data: bytes, addr: object) -> None:
        self.question.receive(data)

    def error_received(self, exc: Exception) -> None:
        self.question.fail(exc)

    def connection_lost(self, exc: Exception | None) -> None:
        self.question.close()
        if not self._closed.done():
            self._closed.set_result(None)

    def _send(self, datagram: bytes) -> None:
        assert self._transport is not None
        self._transport.sendto(datagram)

"""Opening a stream: the first two steps of the three-way handshake, with its refusals and its patience."""

from __future__ import annotations

import asyncio
import errno
import os
from typing import TYPE_CHECKING

from transfer.simulation.host import LOOPBACK, WILDCARDS, Endpoint, Host, Realm, canonical_ip, is_loopback
from transfer.simulation.network import FILTERED, UNREACHABLE, Route

if TYPE_CHECKING:
    from transfer.simulation.network import Network
    from transfer.simulation.streams import SimulatedStreamConfig


class Handshake:
    """One connection attempt.

    Attributes:
        done: resolves when the other side has answered.
            ConnectionRefusedError: no program listens there.
            TimeoutError: no answer within `connect_timeout_s`, with attempts after 1, 3, 7, … seconds (RFC 6298).
            OSError: this host has no way there.
        route: once done, where the connection ends.
    """

    def __init__(
        self,
        network: Network,
        host: Host,
        target: Endpoint,
        local: tuple[str, int] | None,
        config: SimulatedStreamConfig,
    ) -> None:
        self.host = host
        self.done: asyncio.Future[None] = network.loop.create_future()
        self.target = (canonical_ip(target[0]), target[1])
        if self.target[0] in WILDCARDS:  # what Linux takes it for
            self.target = (LOOPBACK[self.target[0]], target[1])
        ip = canonical_ip(local[0]) if local is not None else self._own_address()
        if ip in WILDCARDS:  # what a socket bound to no address in particular gets when it connects
            ip = self._own_address()
        host.local_addresses(ip)  # which one is ours
        table = host.table_for(self.target[0])
        self.local = (ip, (local[1] if local is not None else 0) or host.free_port(table.listeners, ip))
        self.route: Route
        self._network = network
        self._timeout_s = FIRST_TIMEOUT_S
        self._retry: asyncio.TimerHandle | None = None
        self._deadline = network.loop.call_later(config.connect_timeout_s, self._give_up)
        self._try()

    def close(self) -> None:
        """Stops trying."""
        self._deadline.cancel()
        if self._retry is not None:
            self._retry.cancel()
        if not self.done.done():
            self.done.cancel()

    def _own_address(self) -> str:
        if is_loopback(self.target[0]) and self.host.table_for(self.target[0]) is self.host.loopback:
            return self.target[0]
        return self.host.source_for(self.target[0])

    def _try(self) -> None:
        network = self._network
        self._retry = network.loop.call_later(self._timeout_s, self._try)
        self._timeout_s *= 2
        route = network.route(self.host, "tcp", self.local, self.target)
        if route is None:
            network.note("syn", self.local, self.target, code=UNREACHABLE)
            return
        delay_us = self._one_way(self.host, route.host)
        network.note("syn", self.local, self.target, code=delay_us)
        if delay_us >= 0:
            self._open_firewall()
            network.loop.scheduler.schedule(network.loop.scheduler.now_us + delay_us, Knock(self, route))

    def _open_firewall(self) -> None:
        """Answers to what leaves may come in."""
        if self.host.firewall is not None:
            self.host.firewall.sent("tcp", self.local, self.target, self._network.loop.scheduler.now_us)

    def arrive(self, route: Route) -> None:
        """The attempt has reached the other host."""
        network = self._network
        if self.done.done() or not route.host.is_up:
            return
        firewall = route.host.firewall
        now_us = network.loop.scheduler.now_us
        if firewall is not None and not firewall.admits("tcp", route.source, route.target, now_us):
            network.note("syn", self.local, self.target, code=FILTERED)
            return
        is_open = listening(route.realm, route.target)
        delay_us = self._one_way(route.host, self.host)
        network.note("accept" if is_open else "refuse", self.target, self.local, code=delay_us)
        if delay_us >= 0:
            network.loop.scheduler.schedule(now_us + delay_us, Answer(self, route, is_open))

    def answered(self, route: Route, is_open: bool) -> None:
        """The answer is here."""
        if self.done.done() or not self.host.is_up:
            return
        if is_open:
            self.route = route
            self.done.set_result(None)
        else:
            text = f"Connect call failed ({self.target[0]!r}, {self.target[1]})"
            self.done.set_exception(ConnectionRefusedError(errno.ECONNREFUSED, text))

    def _one_way(self, source: Host, target: Host) -> int:
        """Microseconds until one small packet arrives; negative when it does not."""
        network = self._network
        fault = network.verdict(source, target) if network.faults else None
        if fault is not None:
            return fault.code
        now_us = network.loop.scheduler.now_us
        arrives_us = network.link_between(source, target).datagram_us(source.index, target.index, 40, now_us)
        return arrives_us if arrives_us < 0 else arrives_us - now_us

    def _give_up(self) -> None:
        if not self.done.done():
            text = f"Connect call failed ({self.target[0]!r}, {self.target[1]}): {os.strerror(errno.ETIMEDOUT)}"
            self.done.set_exception(TimeoutError(errno.ETIMEDOUT, text))


class Knock:
    """A connection attempt under way."""

    __slots__ = ("_handshake", "_route")
    _cancelled = False

    def __init__(self, handshake: Handshake, route: Route) -> None:
        self._handshake = handshake
        self._route = route

    def _run(self) -> None:
        self._handshake.arrive(self._route)


class Answer:
    """The answer to a connection attempt under way."""

    __slots__ = ("_handshake", "_is_open", "_route")
    _cancelled = False

    def __init__(self, handshake: Handshake, route: Route, is_open: bool) -> None:
        self._handshake = handshake
        self._route = route
        self._is_open = is_open

    def _run(self) -> None:
        self._handshake.answered(self._route, self._is_open)


def listening(realm: Realm, target: Endpoint) -> bool:
    """Whether a server accepts connections there."""
    listener = realm.listeners.get(target)
    return listener is not None and listener.server.is_serving()


FIRST_TIMEOUT_S = 1.0  # RFC 6298, (2.1)

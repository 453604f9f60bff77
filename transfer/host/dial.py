"""Which address of a peer is called when, and what came of each. Pure.

The best address is called first, each next one after a head start or as soon as the one before has failed; the first
that leads to the peer wins, and the others are given up. Addresses of the machine itself and of the house come before
others, since they either work at once or not at all; IPv6 and IPv4 take turns, IPv6 first (RFC 8305, section 4).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from transfer.host.route import Route
from transfer.multiaddr.multiaddr import Multiaddr
from transfer.reach import Reach, reach_of


@dataclass(frozen=True, slots=True, kw_only=True)
class DialConfig:
    """Bounds of one call of a peer.

    Attributes:
        head_start_s: how long an address is alone before the next one is called.
        timeout_s: for one address, the handshakes included.
        max_addresses: of one peer that are called at all.
        max_at_once: addresses that are called at a time.
    """

    head_start_s: float = 0.25
    timeout_s: float = 15.0
    max_addresses: int = 32
    max_at_once: int = 8

    def __post_init__(self) -> None:
        if min(self.head_start_s, self.timeout_s) <= 0 or min(self.max_addresses, self.max_at_once) < 1:
            raise ValueError("the bounds of a call must be positive")


class Outcome(Enum):
    """What became of an address."""

    WAITING = "not called: another address was faster"
    CALLING = "given up: another address was faster"
    CONNECTED = "connected"
    FAILED = "failed"


@dataclass(slots=True)
class Attempt:
    """One address of a call.

    Attributes:
        address: as it was given, or as a name was looked up.
        route: how it is called; None where it cannot be.
        error: why it failed, in words.
        advice: what to do about that; empty where nothing is to be said.
        seconds: how long it took.
    """

    address: Multiaddr
    route: Route | None = None
    state: Outcome = Outcome.WAITING
    error: str = ""
    advice: str = ""
    started_at: float | None = None
    seconds: float | None = None

    @property
    def outcome(self) -> str:
        """In words."""
        return self.error if self.state is Outcome.FAILED else self.state.value

    def __str__(self) -> str:
        took = "" if self.seconds is None else f" after {self.seconds:.3f} s"
        advice = f" ({self.advice})" if self.advice else ""
        return f"{self.address}: {self.outcome}{took}{advice}"


class DialCore:
    """One call of a peer.

    Invariants:
        at most `max_at_once` addresses are being called, and none twice
        nothing more is called once an address is connected
    """

    def __init__(self, config: DialConfig, *, now: float) -> None:
        self._config = config
        self._queue: list[Attempt] = []
        self._next_at = now
        self._calling = 0
        self._is_connected = False
        self.attempts: list[Attempt] = []

    def add(self, addresses: Iterable[tuple[Multiaddr, Route]]) -> None:
        """These can be called."""
        known = {attempt.address for attempt in self.attempts}
        found = dict(addresses)
        fresh = [Attempt(address, route) for address, route in found.items() if address not in known]
        room = self._config.max_addresses - len(self.attempts)
        for attempt in ranked(fresh)[:room]:
            self.attempts.append(attempt)
            self._queue.append(attempt)

    def refuse(self, address: Multiaddr, reason: str, advice: str = "") -> None:
        """This one cannot be called."""
        if len(self.attempts) < 2 * self._config.max_addresses:
            self.attempts.append(Attempt(address, None, Outcome.FAILED, reason, advice))

    # Driving

    def next_call(self, *, now: float) -> Attempt | None:
        """The address to be called now, if there is one; ask again until there is none."""
        if self._is_connected or not self._queue or self._calling >= self._config.max_at_once or now < self._next_at:
            return None
        attempt = self._queue.pop(0)
        attempt.state, attempt.started_at = Outcome.CALLING, now
        self._calling += 1
        self._next_at = now + self._config.head_start_s
        return attempt

    def next_timer(self) -> float | None:
        """When the next address is due; None: only an outcome can change something."""
        if self._is_connected or not self._queue or self._calling >= self._config.max_at_once:
            return None
        return self._next_at

    def connected(self, attempt: Attempt, *, now: float) -> None:
        """It led to the peer."""
        self._end(attempt, Outcome.CONNECTED, now=now)
        self._is_connected = True

    def failed(self, attempt: Attempt, error: str, advice: str = "", *, now: float) -> None:
        """It did not."""
        self._end(attempt, Outcome.FAILED, now=now)
        attempt.error, attempt.advice = error, advice
        self._next_at = now

    @property
    def is_over(self) -> bool:
        """Whether nothing is being called, and nothing will be."""
        return not self._calling and (self._is_connected or not self._queue)

    def check_invariants(self) -> None:
        calling = [attempt for attempt in self.attempts if attempt.state is Outcome.CALLING]
        assert len(calling) == self._calling <= self._config.max_at_once
        assert all(attempt.state is Outcome.WAITING for attempt in self._queue)
        assert len({attempt.address for attempt in self.attempts if attempt.route}) == len(
            [attempt for attempt in self.attempts if attempt.route]
        )

    def _end(self, attempt: Attempt, state: Outcome, *, now: float) -> None:
        assert attempt.state is Outcome.CALLING
        assert attempt.started_at is not None
        self._calling -= 1
        attempt.state, attempt.seconds = state, now - attempt.started_at


def ranked(attempts: list[Attempt]) -> list[Attempt]:
    """Near ones first; within one reach the families take turns."""
    groups: dict[Reach, tuple[list[Attempt], list[Attempt]]] = {}
    for attempt in attempts:
        assert attempt.route is not None
        host = attempt.route.address.host
        groups.setdefault(reach_of(host), ([], []))[":" not in host].append(attempt)
    order: list[Attempt] = []
    for near in sorted(groups):
        six, four = groups[near]
        for place in range(max(len(six), len(four))):
            order += six[place : place + 1] + four[place : place + 1]
    return order

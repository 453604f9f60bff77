"""One question to a UDP tracker as a machine without a socket (BEP 15): connect, ask, repeat what gets lost."""

from __future__ import annotations

import re
import struct
from abc import ABC, abstractmethod
from collections import deque
from dataclasses import dataclass
from random import Random
from typing import Generic, TypeVar

from bittorrent.tracker.messages import readable

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class UdpConfig:
    """Patience with a UDP tracker; the defaults are BEP 15's.

    Attributes:
        retransmit_s: how long to wait for the first answer; each retransmission doubles it.
        max_retransmits: after so many without an answer to the last, give up (8: after more than two hours, so that
            the caller's own time limit decides).
        connection_lifetime_s: for how long a connection id may be used.
    """

    retransmit_s: float = 15.0
    max_retransmits: int = 8
    connection_lifetime_s: float = 60.0

    def __post_init__(self) -> None:
        if self.retransmit_s <= 0 or not 0 <= self.max_retransmits <= 8 or self.connection_lifetime_s <= 0:
            raise ValueError("times must be positive and max_retransmits from 0 to 8")


DEFAULT_CONFIG = UdpConfig()


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered(Generic[T]):
    """The tracker answered: the last event."""

    response: T


@dataclass(frozen=True, slots=True, kw_only=True)
class ExchangeFailed:
    """It came to nothing: the last event. `failure_reason` is the tracker's own text, or None if it was silent."""

    message: str
    failure_reason: str | None = None


class UdpExchange(ABC, Generic[T]):
    """Connects, asks, and repeats what gets lost, for one request to one tracker.

    The source of datagrams is the caller's to check (a connected socket does, `UdpQuestions` does). What does not
    belong to the exchange is ignored and counted. A connection id that runs out between two retransmissions is asked
    for again; the waiting times go on doubling meanwhile, as in BEP 15's example. One that the tracker does not know
    (it was restarted, or has another address for each of its machines) is asked for again at once.
    """

    action: int
    least_answer_bytes: int

    def __init__(self, *, rng: Random, now: float, config: UdpConfig) -> None:
        self._rng = rng
        self._config = config
        self._retransmits = 0
        self._mismatches = 0
        self._connection_id = 0
        self._connected_at: float | None = None
        self._expects: int | None = None
        self._transaction_id = 0
        self._deadline: float | None = None
        self._outgoing: deque[bytes] = deque()
        self._events: deque[Answered[T] | ExchangeFailed] = deque()
        self.ignored_datagrams = 0
        self._send(now=now)

    @abstractmethod
    def request_packet(self, connection_id: int, transaction_id: int) -> bytes:
        """The question."""

    @abstractmethod
    def parse(self, data: bytes) -> T:
        """What an answer of at least `least_answer_bytes` says; the head is known to be right."""

    def awaits(self, data: bytes) -> bool:
        """Whether this may be the answer to what was sent last, by its head: an action and our transaction id."""
        if self.is_closed or len(data) < _HEAD.size:
            return False
        action, transaction_id = _HEAD.unpack_from(data)
        return bool(action <= _ERROR and transaction_id == self._transaction_id)

    def receive_datagram(self, data: bytes, *, now: float) -> None:
        """What the tracker's address sent. Longer packets than known today are fine (BEP 15)."""
        if self.is_closed or len(data) < 8:
            self.ignored_datagrams += 1
            return
        action, transaction_id = _HEAD.unpack_from(data)
        if transaction_id != self._transaction_id:
            self.ignored_datagrams += 1
        elif action == _ERROR:
            reason = readable(data[8:].rstrip(b"\0"))
            if self._expects == self.action and _MISMATCH.search(reason) and self._mismatches < MAX_MISMATCHES:
                self._mismatches += 1
                self._connected_at = None
                self._send(now=now)
                return
            self._close(ExchangeFailed(message=f"the tracker refused: {reason}", failure_reason=reason))
        elif action == _CONNECT and self._expects == _CONNECT and len(data) >= 16:
            (self._connection_id,) = _ID.unpack_from(data, 8)
            self._connected_at = now
            self._send(now=now)
        elif action == self.action and self._expects == self.action and len(data) >= self.least_answer_bytes:
            self._close(Answered(response=self.parse(data)))
        else:
            self.ignored_datagrams += 1

    def handle_timer(self, *, now: float) -> None:
        """Time has passed: repeat, or give up."""
        if self._deadline is None or now < self._deadline:
            return
        if self._retransmits >= self._config.max_retransmits:
            self._close(ExchangeFailed(message="the tracker does not answer"))
            return
        self._retransmits += 1
        self._send(now=now)

    def next_timer(self) -> float | None:
        """When `handle_timer` is due; None when it is over."""
        return self._deadline

    def datagrams_to_send(self) -> list[bytes]:
        datagrams = list(self._outgoing)
        self._outgoing.clear()
        return datagrams

    def next_event(self) -> Answered[T] | ExchangeFailed | None:
        return self._events.popleft() if self._events else None

    @property
    def is_closed(self) -> bool:
        return self._deadline is None

    def _send(self, *, now: float) -> None:
        """Send what is to be said next; a repetition keeps its transaction id, so that a late answer still counts."""
        is_connected = self._connected_at is not None and now - self._connected_at < self._config.connection_lifetime_s
        expects = self.action if is_connected else _CONNECT
        if expects != self._expects:
            self._expects = expects
            self._transaction_id = self._rng.getrandbits(32)
        if is_connected:
            self._outgoing.append(self.request_packet(self._connection_id, self._transaction_id))
        else:
            self._outgoing.append(_CONNECT_REQUEST.pack(_PROTOCOL_ID, _CONNECT, self._transaction_id))
        self._deadline = now + self._config.retransmit_s * 2**self._retransmits

    def _close(self, event: Answered[T] | ExchangeFailed) -> None:
        self._deadline = None
        self._outgoing.clear()
        self._events.append(event)


ANSWER_FIRST_BYTES = b"\0"  # an action from 0 to 3, in four bytes, the highest first
MAX_MISMATCHES = 2  # connection ids refused in a row; then the tracker does refuse
_MISMATCH = re.compile(r"connection[ _-]?id", re.IGNORECASE)  # "Connection ID missmatch." is what opentracker says
_PROTOCOL_ID = 0x41727101980
_CONNECT = 0
_ERROR = 3
_HEAD = struct.Struct(">II")
_ID = struct.Struct(">Q")
_CONNECT_REQUEST = struct.Struct(">QII")

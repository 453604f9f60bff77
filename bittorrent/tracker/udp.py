"""One announcement to a UDP tracker as a machine without a socket (BEP 15, BEP 41)."""

from __future__ import annotations

import struct
from collections import deque
from dataclasses import dataclass
from random import Random
from typing import Literal

from bittorrent.tracker.messages import AnnounceEvent, AnnounceRequest, AnnounceResponse, readable, usable_peers
from transfer.address import COMPACT_IPV4_SIZE, COMPACT_IPV6_SIZE, split_compact


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
class Announced:
    """The tracker answered: the last event."""

    response: AnnounceResponse


@dataclass(frozen=True, slots=True, kw_only=True)
class AnnounceFailed:
    """It came to nothing: the last event. `failure_reason` is the tracker's own text, or None if it was silent."""

    message: str
    failure_reason: str | None = None


class UdpAnnounce:
    """Connects, announces, and repeats what gets lost, for one request to one tracker.

    The source of datagrams is the caller's to check (a connected socket does). What does not belong to the exchange
    is ignored and counted. A connection id that runs out between two retransmissions is asked for again; the waiting
    times go on doubling meanwhile, as in BEP 15's example.

    Args:
        url_data: path and query of the tracker's URL (BEP 41), b"" for none.
        ipv6: whether the socket speaks IPv6, which decides the form of the peers.
    """

    def __init__(
        self,
        request: AnnounceRequest,
        *,
        url_data: bytes,
        ipv6: bool,
        rng: Random,
        now: float,
        config: UdpConfig = DEFAULT_CONFIG,
    ) -> None:
        self._request = request
        self._url_data = url_data[:_MAX_URL_DATA]
        self._ipv6 = ipv6
        self._rng = rng
        self._config = config
        self._retransmits = 0
        self._connection_id = 0
        self._connected_at: float | None = None
        self._expects: Literal[0, 1] | None = None
        self._transaction_id = 0
        self._deadline: float | None = None
        self._outgoing: deque[bytes] = deque()
        self._events: deque[Announced | AnnounceFailed] = deque()
        self.ignored_datagrams = 0
        self._send(now=now)

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
            self._close(AnnounceFailed(message=f"the tracker refused: {reason}", failure_reason=reason))
        elif action == _CONNECT and self._expects == _CONNECT and len(data) >= 16:
            (self._connection_id,) = _ID.unpack_from(data, 8)
            self._connected_at = now
            self._send(now=now)
        elif action == _ANNOUNCE and self._expects == _ANNOUNCE and len(data) >= 20:
            self._close(Announced(response=self._parse(data)))
        else:
            self.ignored_datagrams += 1

    def handle_timer(self, *, now: float) -> None:
        """Time has passed: repeat, or give up."""
        if self._deadline is None or now < self._deadline:
            return
        if self._retransmits >= self._config.max_retransmits:
            self._close(AnnounceFailed(message="the tracker does not answer"))
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

    def next_event(self) -> Announced | AnnounceFailed | None:
        return self._events.popleft() if self._events else None

    @property
    def is_closed(self) -> bool:
        return self._deadline is None

    def _send(self, *, now: float) -> None:
        """Send what is to be said next; a repetition keeps its transaction id, so that a late answer still counts."""
        is_connected = self._connected_at is not None and now - self._connected_at < self._config.connection_lifetime_s
        expects = _ANNOUNCE if is_connected else _CONNECT
        if expects != self._expects:
            self._expects = expects
            self._transaction_id = self._rng.getrandbits(32)
        if is_connected:
            self._outgoing.append(self._announce_packet())
        else:
            self._outgoing.append(_CONNECT_REQUEST.pack(_PROTOCOL_ID, _CONNECT, self._transaction_id))
        self._deadline = now + self._config.retransmit_s * 2**self._retransmits

    def _announce_packet(self) -> bytes:
        request = self._request
        packet = _ANNOUNCE_REQUEST.pack(
            self._connection_id,
            _ANNOUNCE,
            self._transaction_id,
            request.info_hash,
            request.peer_id,
            request.downloaded,
            request.left,
            request.uploaded,
            _EVENT_NUMBERS[request.event],
            0,  # our address: the sender's
            request.key,
            -1 if request.num_want is None else request.num_want,
            request.port,
        )
        chunks = [self._url_data[at : at + 255] for at in range(0, len(self._url_data), 255)]
        return packet + b"".join(bytes((_URL_DATA, len(chunk))) + chunk for chunk in chunks)

    def _parse(self, data: bytes) -> AnnounceResponse:
        interval_s, leechers, seeders = _ANNOUNCE_RESPONSE.unpack_from(data, 8)
        stride = COMPACT_IPV6_SIZE if self._ipv6 else COMPACT_IPV4_SIZE
        end = len(data) - (len(data) - 20) % stride
        peers = split_compact(data[20:end], ipv6=self._ipv6)
        return AnnounceResponse(
            peers=usable_peers(peers), interval_s=float(interval_s), leechers=leechers, seeders=seeders
        )

    def _close(self, event: Announced | AnnounceFailed) -> None:
        self._deadline = None
        self._outgoing.clear()
        self._events.append(event)


_PROTOCOL_ID = 0x41727101980
_CONNECT: Literal[0] = 0
_ANNOUNCE: Literal[1] = 1
_ERROR = 3
_URL_DATA = 2
_MAX_URL_DATA = 1020  # four options: the packet stays below the 1200 bytes that pass everywhere
_EVENT_NUMBERS = {
    AnnounceEvent.NONE: 0,
    AnnounceEvent.COMPLETED: 1,
    AnnounceEvent.STARTED: 2,
    AnnounceEvent.STOPPED: 3,
}
_HEAD = struct.Struct(">II")
_ID = struct.Struct(">Q")
_CONNECT_REQUEST = struct.Struct(">QII")
_ANNOUNCE_REQUEST = struct.Struct(">QII20s20sQQQIIIiH")
_ANNOUNCE_RESPONSE = struct.Struct(">III")

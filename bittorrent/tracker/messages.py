"""What is said to a tracker and what it answers; the HTTP form of both (BEP 3, 7, 23, 31).

The UDP form is in `bittorrent.tracker.udp`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from ipaddress import ip_address
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

from bittorrent.errors import TrackerError
from bittorrent.urls import escaped_url
from transfer.address import COMPACT_IPV4_SIZE, COMPACT_IPV6_SIZE, Address, is_usable_peer, split_compact
from transfer.wire.bencode import BencodeError, BencodeLimits, Value
from transfer.wire.bencode_lenient import decode_dict_leniently

if TYPE_CHECKING:
    from transfer.wire.bencode import Value

MAX_RESPONSE_BYTES = 1 << 20  # libtorrent's limit, after decompression
MAX_PEERS = 2000
MAX_NAMES = 20
MAX_TRACKER_ID_BYTES = 1024
DEFAULT_INTERVAL_S = 1800.0


class AnnounceEvent(Enum):
    """Why we announce. The value is the word of BEP 3; NONE is a repetition, which has none."""

    NONE = ""
    STARTED = "started"
    COMPLETED = "completed"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True, kw_only=True)
class AnnounceRequest:
    """One announcement.

    Attributes:
        info_hash: 20 bytes (of a v2 torrent the first 20).
        peer_id: 20 bytes.
        port: where we accept peers.
        uploaded: bytes since `started` was announced.
        downloaded: see `uploaded`.
        left: bytes we still need; 0 counts us as a seed.
        key: a number that stays the same when our address changes, 32 bits.
        num_want: how many peers we would like; None leaves it to the tracker.
        tracker_id: what this tracker gave us before.
    """

    info_hash: bytes
    peer_id: bytes
    port: int
    uploaded: int = 0
    downloaded: int = 0
    left: int = 0
    event: AnnounceEvent = AnnounceEvent.NONE
    key: int = 0
    num_want: int | None = None
    tracker_id: bytes | None = None

    def __post_init__(self) -> None:
        if len(self.info_hash) != 20 or len(self.peer_id) != 20:
            raise ValueError("info_hash and peer_id have 20 bytes each")
        if not 0 <= self.port <= 65535:
            raise ValueError(f"{self.port} is not a port number")
        if not all(0 <= count < 1 << 63 for count in (self.uploaded, self.downloaded, self.left)):
            raise ValueError("uploaded, downloaded and left are counts of bytes")
        if not 0 <= self.key < 1 << 32 or not (self.num_want is None or 0 <= self.num_want < 1 << 31):
            raise ValueError("key must fit 32 bits and num_want 31")


@dataclass(frozen=True, slots=True, kw_only=True)
class AnnounceResponse:
    """What a tracker answered.

    Attributes:
        peers: endpoints that can be called, none twice, at most `MAX_PEERS`; we may be among them.
        interval_s: when the tracker expects us again, as it said.
        min_interval_s: how soon we may come again, or None.
        seeders: the size of the swarm, where the tracker told it.
        leechers: see `seeders`.
        tracker_id: to be sent back next time.
        warning: a text for a person, or None.
        external_ip: the address that the tracker saw us at (BEP 24), or None.
        names: peers whose host is a name, not looked up yet (BEP 3), at most `MAX_NAMES`.
    """

    peers: tuple[Address, ...] = ()
    interval_s: float = DEFAULT_INTERVAL_S
    min_interval_s: float | None = None
    seeders: int | None = None
    leechers: int | None = None
    tracker_id: bytes | None = None
    warning: str | None = None
    external_ip: str | None = None
    names: tuple[tuple[str, int], ...] = ()


def announce_url(url: str, request: AnnounceRequest) -> str:
    """The URL to fetch: the tracker's own, with the announcement in its query.

    A query that is there already (a passkey) stays in front. What no URL may contain is escaped.
    """
    values: dict[str, bytes | int | str | None] = {
        "info_hash": request.info_hash,
        "peer_id": request.peer_id,
        "port": request.port,
        "uploaded": request.uploaded,
        "downloaded": request.downloaded,
        "left": request.left,
        "compact": 1,
        "no_peer_id": 1,
        "key": f"{request.key:08x}",
        "event": request.event.value or None,
        "numwant": request.num_want,
        "trackerid": request.tracker_id,
    }
    query = "&".join(
        f"{name}={quote(value if isinstance(value, bytes) else str(value), safe='')}"
        for name, value in values.items()
        if value is not None
    )
    base = escaped_url(url)
    separator = "?" if "?" not in base else "" if base.endswith(("?", "&")) else "&"
    return base + separator + query


def decode_answer(body: bytes) -> dict[bytes, Value]:
    """An answer of an HTTP tracker, whatever it was asked.

    Raises:
        TrackerError: it refuses (`failure_reason` is its text), or this is no answer of a tracker.
    """
    try:
        answer = decode_dict_leniently(body, limits=_LIMITS)
    except BencodeError as error:
        raise TrackerError(f"the answer is not that of a tracker: {error}") from None
    if b"failure reason" in answer:
        reason = readable(answer[b"failure reason"])
        raise TrackerError(f"the tracker refused: {reason}", failure_reason=reason)
    return answer


def parse_response(body: bytes) -> AnnounceResponse:
    """What an HTTP tracker's answer says. What cannot be read of it costs nothing else.

    Raises:
        TrackerError: it refuses (`failure_reason` is its text), or this is no answer of a tracker.
    """
    answer = decode_answer(body)
    found = _Peers()
    found.read(answer.get(b"peers", b""), ipv6=False)
    found.read(answer.get(b"peers6", b""), ipv6=True)
    warning = readable(answer[b"warning message"]) if b"warning message" in answer else None
    if found.is_broken and warning is None:
        warning = "its list of peers is broken"
    tracker_id = answer.get(b"tracker id")
    is_kept = isinstance(tracker_id, bytes) and len(tracker_id) <= MAX_TRACKER_ID_BYTES
    interval_s = _count(answer.get(b"interval"))
    return AnnounceResponse(
        peers=usable_peers(found.addresses),
        interval_s=DEFAULT_INTERVAL_S if interval_s is None else float(interval_s),
        min_interval_s=_count(answer.get(b"min interval")),
        seeders=_count(answer.get(b"complete")),
        leechers=_count(answer.get(b"incomplete")),
        tracker_id=tracker_id if isinstance(tracker_id, bytes) and is_kept else None,
        warning=warning,
        external_ip=_external_ip(answer.get(b"external ip")),
        names=tuple(found.names),
    )


def usable_peers(peers: Iterable[Address]) -> tuple[Address, ...]:
    """Those that can be called, each once, in order, not more than `MAX_PEERS`."""
    return tuple(dict.fromkeys(peer for peer in peers if is_usable_peer(peer)))[:MAX_PEERS]


def readable(text: object) -> str:
    """What a tracker wants to tell a person, fit for one line of a terminal."""
    raw = text[: 4 * _MAX_TEXT] if isinstance(text, bytes) else str(text)[:_MAX_TEXT].encode()
    decoded = raw.decode("utf-8", "replace")
    line = "".join(letter if letter.isprintable() else " " for letter in decoded)
    return " ".join(line.split())[:_MAX_TEXT] or "no reason given"


def tracker_name(url: str) -> str:
    """The URL as it may be shown: without path and query, where passkeys are."""
    try:
        parts = urlsplit(url)
        host = parts.netloc.rpartition("@")[2]
    except ValueError:
        return "a broken URL"
    return readable(f"{parts.scheme}://{host}".encode())


class _Peers:
    """Reads `peers` and `peers6`: a compact string (BEP 7, 23), or a list of dictionaries (BEP 3).

    What cannot be read is left out: a tail of a string, an entry of a list.
    """

    def __init__(self) -> None:
        self.addresses: list[Address] = []
        self.names: dict[tuple[str, int], None] = {}
        self.is_broken = False

    def read(self, value: Value, *, ipv6: bool) -> None:
        if isinstance(value, bytes):
            stride = COMPACT_IPV6_SIZE if ipv6 else COMPACT_IPV4_SIZE
            self.is_broken |= len(value) % stride > 0
            self.addresses += split_compact(value[: len(value) - len(value) % stride], ipv6=ipv6)
        elif isinstance(value, list):
            for entry in value[:MAX_PEERS]:
                self._read_entry(entry)
        else:
            self.is_broken = True

    def _read_entry(self, entry: Value) -> None:
        host, port = (entry.get(b"ip"), entry.get(b"port")) if isinstance(entry, dict) else (None, None)
        if isinstance(port, bytes) and port.isdigit() and len(port) < 6:
            port = int(port)
        if not isinstance(host, bytes) or not isinstance(port, int):
            self.is_broken = True
            return
        text = host.decode("latin-1").strip().strip("[]")
        try:
            self.addresses.append(Address.from_socket((str(ip_address(text)), port)))
        except ValueError:
            if 0 < port <= 65535 and _NAME.fullmatch(text) and len(self.names) < MAX_NAMES:
                self.names[text, port] = None


def _external_ip(value: Value | None) -> str | None:
    """4 or 16 bytes (BEP 24); what no peer can be seen at is left out."""
    if not isinstance(value, bytes) or len(value) not in (4, 16):
        return None
    address = Address(str(ip_address(value)), 1)
    return address.host if is_usable_peer(address) else None


def _count(value: object) -> int | None:
    return value if isinstance(value, int) and 0 <= value < 1 << 32 else None


_MAX_TEXT = 200
_NAME = re.compile(r"(?=.{1,253}$)[A-Za-z0-9_-]{1,63}(?:\.[A-Za-z0-9_-]{1,63})*\.?")
_LIMITS = BencodeLimits(size_bytes=MAX_RESPONSE_BYTES, depth=8, tokens=100_000)

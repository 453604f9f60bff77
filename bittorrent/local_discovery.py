"""Finding peers in the local network by multicast (BEP 14): the datagrams, and when to send them."""

from __future__ import annotations

import re
from collections import OrderedDict
from dataclasses import dataclass

from transfer.address import Address, is_usable_peer
from transfer.errors import DecodeError
from transfer.limits.source_limiter import RateLimitConfig, SourceLimiter


class LocalDiscoveryError(DecodeError):
    """A datagram is no announcement of BEP 14."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Announcement:
    """A client of the local network shares torrents.

    Attributes:
        port: where it accepts peers.
        info_hashes: the torrents, 20 bytes each.
        cookie: anything, by which the sender knows its own announcements.
    """

    port: int
    info_hashes: tuple[bytes, ...]
    cookie: str = ""


def encode_announcement(announcement: Announcement, group: Address) -> bytes:
    """The datagram; BEP 14 wants it below 1400 bytes, which is up to the caller: see `MAX_INFO_HASHES`."""
    lines = ["BT-SEARCH * HTTP/1.1", f"Host: {group}", f"Port: {announcement.port}"]
    lines += [f"Infohash: {info_hash.hex()}" for info_hash in announcement.info_hashes]
    if announcement.cookie:
        lines.append(f"cookie: {announcement.cookie}")
    return "\r\n".join([*lines, "", "", ""]).encode()


def decode_announcement(data: bytes) -> Announcement:
    """Reads a datagram. Unknown headers and info-hashes of other lengths are ignored.

    Raises:
        LocalDiscoveryError: no announcement, or none with a port and a torrent.
    """
    first, *lines = data[:MAX_DATAGRAM_BYTES].decode("latin-1").replace("\r\n", "\n").split("\n")
    if first != "BT-SEARCH * HTTP/1.1":
        raise LocalDiscoveryError("the datagram is no BT-SEARCH")
    port, cookie = 0, ""
    info_hashes: dict[bytes, None] = {}
    for line in lines:
        name, _, value = line.partition(":")
        value = value.strip()
        match name.strip().lower():
            case "port" if _PORT.fullmatch(value):
                port = int(value)
            case "infohash" if _INFO_HASH.fullmatch(value):
                info_hashes[bytes.fromhex(value)] = None
            case "cookie":
                cookie = value[:MAX_COOKIE_CHARS]
    if not 0 < port < 65536 or not info_hashes:
        raise LocalDiscoveryError("the announcement names no port or no torrent")
    return Announcement(port=port, info_hashes=tuple(info_hashes), cookie=cookie)


GROUP = Address("239.192.152.143", 6771)
GROUP_IPV6 = Address("ff15::efc0:988f", 6771)


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalDiscoveryConfig:
    """How often we call.

    Attributes:
        interval_s: between two announcements of a torrent.
        min_interval_s: between two datagrams about the same torrent, whatever happens (BEP 14: a minute).
        rate_per_s: datagrams read, from all hosts together: there is no end to what a network can shout.
        burst: see `rate_per_s`.
        host_rate_per_s: of them, from one host: one that shouts must not keep us from hearing the others.
        host_burst: see `host_rate_per_s`.
        group: where to call over IPv4.
        group_ipv6: the same over IPv6, on each interface.
        repeat_s: the same peer with the same torrent, heard again within so long, is not told of again. Several of our
            interfaces may lead into one network.
    """

    interval_s: float = 300.0
    min_interval_s: float = 60.0
    rate_per_s: float = 50.0
    burst: float = 200.0
    host_rate_per_s: float = 10.0
    host_burst: float = 50.0
    group: Address = GROUP
    group_ipv6: Address = GROUP_IPV6
    repeat_s: float = 5.0

    def __post_init__(self) -> None:
        rates = (self.rate_per_s, self.burst, self.host_rate_per_s, self.host_burst)
        if not 0 < self.min_interval_s <= self.interval_s or min(rates) <= 0 or self.repeat_s < 0:
            raise ValueError("0 < min_interval_s <= interval_s must hold, and the rates must be positive")
        if self.group.is_ipv6 or not self.group_ipv6.is_ipv6:
            raise ValueError("group must be of IPv4, group_ipv6 of IPv6")


class LocalDiscoveryCore:
    """Announces torrents in turn, and reports the clients that share the same.

    Args:
        cookie: tells our announcements from those of others; of letters and digits.

    Invariants:
        no torrent is announced twice within min_interval_s, not even when it was removed and added again
        no peer is reported twice with the same torrent within repeat_s
    """

    def __init__(self, *, port: int, cookie: str, config: LocalDiscoveryConfig, now: float) -> None:
        self._port = port
        self._cookie = cookie
        self._config = config
        self._due: dict[bytes, float] = {}
        self._announced: OrderedDict[bytes, float] = OrderedDict()
        self._reported: OrderedDict[tuple[bytes, Address], float] = OrderedDict()
        limits = RateLimitConfig(
            per_host_per_s=config.host_rate_per_s,
            per_host_burst=max(1.0, config.host_burst),
            total_per_s=config.rate_per_s,
            total_burst=max(1.0, config.burst),
            max_hosts=MAX_HOSTS,
        )
        self._limiter = SourceLimiter(limits, now=now)

    # Inputs

    def receive_datagram(self, data: bytes, source: Address, *, now: float) -> list[tuple[bytes, Address]]:
        """The torrents of ours that another client shares, and where it accepts peers. Never raises for what came."""
        if not self._limiter.admit(source.host, now=now):
            return []
        try:
            heard = decode_announcement(data)
        except LocalDiscoveryError:
            return []
        peer = Address(source.host, heard.port)
        if heard.cookie == self._cookie or not is_usable_peer(peer):
            return []
        known = [info_hash for info_hash in heard.info_hashes if info_hash in self._due]
        for info_hash in known:  # a newcomer, perhaps: it shall hear of us soon
            self._due[info_hash] = min(self._due[info_hash], self._earliest(info_hash, now=now))
        return [(info_hash, peer) for info_hash in known if self._is_news(info_hash, peer, now=now)]

    # Commands

    def add(self, info_hash: bytes, *, now: float) -> None:
        """From now on a torrent is announced."""
        if info_hash not in self._due:
            self._due[info_hash] = self._earliest(info_hash, now=now)

    def remove(self, info_hash: bytes) -> None:
        """A torrent is announced no more."""
        self._due.pop(info_hash, None)

    # Outputs

    def announcements_to_send(self, *, now: float) -> list[Announcement]:
        """What is due, several torrents in one datagram."""
        due = [info_hash for info_hash, at in self._due.items() if at <= now]
        for info_hash in due:
            self._due[info_hash] = now + self._config.interval_s
            self._note(info_hash, now=now)
        return [
            Announcement(port=self._port, info_hashes=tuple(due[at : at + MAX_INFO_HASHES]), cookie=self._cookie)
            for at in range(0, len(due), MAX_INFO_HASHES)
        ]

    def next_timer(self) -> float | None:
        """When something is due; None without any torrent."""
        return min(self._due.values(), default=None)

    def _is_news(self, info_hash: bytes, peer: Address, *, now: float) -> bool:
        reported = self._reported
        while reported and next(iter(reported.values())) <= now - self._config.repeat_s:
            reported.popitem(last=False)
        if (info_hash, peer) in reported:
            return False
        if len(reported) >= MAX_REPORTED:
            reported.popitem(last=False)
        reported[info_hash, peer] = now
        return True

    def _earliest(self, info_hash: bytes, *, now: float) -> float:
        announced_at = self._announced.get(info_hash)
        return now if announced_at is None else max(now, announced_at + self._config.min_interval_s)

    def _note(self, info_hash: bytes, *, now: float) -> None:
        self._announced[info_hash] = now
        self._announced.move_to_end(info_hash)
        while self._announced and next(iter(self._announced.values())) <= now - self._config.min_interval_s:
            self._announced.popitem(last=False)


MAX_INFO_HASHES = 20  # of 52 bytes each: below 1400 bytes with the rest
MAX_DATAGRAM_BYTES = 4096
MAX_COOKIE_CHARS = 64
_PORT = re.compile(r"[0-9]{1,5}", re.ASCII)
_INFO_HASH = re.compile(r"[0-9a-fA-F]{40}", re.ASCII)
MAX_HOSTS = 1024  # whose rate is known
MAX_REPORTED = 4096  # peers with a torrent each, told of lately

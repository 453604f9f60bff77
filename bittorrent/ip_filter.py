"""Lists of hosts to have nothing to do with, in the formats that people publish them in."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable
from ipaddress import ip_address, ip_network

from transfer.address import AddressError, packed_host
from transfer.errors import DecodeError


class IpFilterError(DecodeError):
    """A text is no list of addresses, or too long."""


class IpFilter:
    """A set of IP addresses. Immutable; a look-up costs a binary search, a range a few dozen bytes.

    Args:
        ranges: pairs of a first and a last address of the same family, in any order, overlapping or not.

    Attributes:
        skipped_lines: how many lines of the text it was read from made no sense.

    Raises:
        IpFilterError: something that is no address, or a range that ends before it begins.
    """

    __slots__ = ("_firsts", "_lasts", "skipped_lines")

    def __init__(self, ranges: Iterable[tuple[str, str]] = ()) -> None:
        self.skipped_lines = 0
        self._firsts: dict[int, list[int]] = {4: [], 16: []}
        self._lasts: dict[int, list[int]] = {4: [], 16: []}
        try:
            self._fill((packed_host(first), packed_host(last)) for first, last in ranges)
        except AddressError as error:
            raise IpFilterError(str(error)) from None

    @classmethod
    def parse(cls, text: str, *, max_ranges: int = 2_000_000) -> IpFilter:
        """Reads a list, each line in one of the formats below; empty lines and those behind `#` or `//` are comments.

        * PeerGuardian (`.p2p`): `name:1.2.3.4-1.2.3.9`;
        * eMule (`ipfilter.dat`): `001.002.003.004 - 001.002.003.009 , 100 , name`, blocked at a level up to 127;
        * CIDR, a range, or one address: `1.2.3.0/24`, `1.2.3.4-1.2.3.9`, `2001:db8::1`.

        Published lists have broken lines: these are counted and skipped.

        Raises:
            IpFilterError: more than `max_ranges` ranges, or lines of which none makes sense.
        """
        ranges: list[tuple[bytes, bytes]] = []
        skipped = lines = 0
        for line in text.splitlines():
            content = line.strip()
            if not content or content.startswith(("#", "//", ";")):
                continue
            lines += 1
            found = _read_line(content)
            if found is None:
                skipped += 1
            else:
                ranges += found
                if len(ranges) > max_ranges:
                    raise IpFilterError(f"the list has more than {max_ranges} ranges")
        if lines and skipped == lines:
            raise IpFilterError(f"none of the {lines} lines names addresses")
        made = cls()
        made._fill(ranges)
        made.skipped_lines = skipped
        return made

    def blocks(self, host: str) -> bool:
        """Whether the list names this host; a name that is no address is on no list."""
        try:
            packed = packed_host(host)
        except AddressError:
            return False
        value = int.from_bytes(packed, "big")
        at = bisect_right(self._firsts[len(packed)], value) - 1
        return at >= 0 and value <= self._lasts[len(packed)][at]

    def __len__(self) -> int:
        """How many separate ranges there are."""
        return sum(map(len, self._firsts.values()))

    def _fill(self, ranges: Iterable[tuple[bytes, bytes]]) -> None:
        for first, last in sorted(ranges):
            if len(first) != len(last) or first > last:
                raise IpFilterError("a range of addresses ends before it begins")
            firsts, lasts = self._firsts[len(first)], self._lasts[len(first)]
            begin, end = int.from_bytes(first, "big"), int.from_bytes(last, "big")
            if lasts and begin <= lasts[-1] + 1:
                lasts[-1] = max(lasts[-1], end)
            else:
                firsts.append(begin)
                lasts.append(end)


def _read_line(line: str) -> list[tuple[bytes, bytes]] | None:
    """The ranges in a line (none, if it allows what it names), or None when it makes no sense."""
    if match := _DAT.fullmatch(line):
        pair = _pair(match["first"], match["last"])
        return None if pair is None else [pair] if int(match["level"]) <= MAX_BLOCKED_LEVEL else []
    if match := _P2P.fullmatch(line):
        pair = _pair(match["first"], match["last"])
        return None if pair is None else [pair]
    text = line.partition("#")[0].strip()
    first, dash, last = text.partition("-")
    if dash:
        pair = _pair(first.strip(), last.strip())
        return None if pair is None else [pair]
    try:
        network = ip_network(text, strict=False)
    except ValueError:
        return None
    return [(network.network_address.packed, network.broadcast_address.packed)]


def _pair(first: str, last: str) -> tuple[bytes, bytes] | None:
    try:
        pair = ip_address(_plain(first)).packed, ip_address(_plain(last)).packed
    except ValueError:
        return None
    return pair if len(pair[0]) == len(pair[1]) and pair[0] <= pair[1] else None


def _plain(host: str) -> str:
    """eMule pads numbers with zeros, which are no address elsewhere."""
    return ".".join(part.lstrip("0") or "0" for part in host.split(".")) if "." in host and ":" not in host else host


MAX_BLOCKED_LEVEL = 127
_V4 = r"[0-9]{1,3}(?:\.[0-9]{1,3}){3}"
_P2P = re.compile(rf".*:\s*(?P<first>{_V4})\s*-\s*(?P<last>{_V4})")
_DAT = re.compile(rf"(?P<first>{_V4})\s*-\s*(?P<last>{_V4})\s*,\s*(?P<level>[0-9]{{1,5}})\s*(?:,.*)?")

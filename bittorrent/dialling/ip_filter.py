"""Lists of hosts to have nothing to do with, in the formats that people publish them in."""

from __future__ import annotations

import gzip
import re
import zlib
from bisect import bisect_right
from collections.abc import Iterable
from typing import NamedTuple

from bittorrent.dialling.ip_filter_lines import Range, is_comment, read_line
from transfer.address import AddressError, packed_host
from transfer.errors import DecodeError


class IpFilterError(DecodeError):
    """A text is no list of addresses, or too long."""


class SkippedLine(NamedTuple):
    """A line that made no sense: its number, from 1, and how it begins."""

    number: int
    text: str

    def __str__(self) -> str:
        return f"line {self.number}: {self.text}"


class IpFilter:
    """A set of IP addresses. Immutable; a look-up costs a binary search, a range a few dozen bytes.

    Args:
        ranges: pairs of a first and a last address of the same family, in any order, overlapping or not.

    Attributes:
        skipped_lines: how many lines of the text it was read from made no sense.
        skipped: the first few of them.

    Raises:
        IpFilterError: something that is no address, or a range that ends before it begins.
    """

    __slots__ = ("_firsts", "_lasts", "skipped", "skipped_lines")

    def __init__(self, ranges: Iterable[tuple[str, str]] = ()) -> None:
        self.skipped_lines = 0
        self.skipped: tuple[SkippedLine, ...] = ()
        self._firsts: dict[int, list[int]] = {4: [], 16: []}
        self._lasts: dict[int, list[int]] = {4: [], 16: []}
        try:
            self._fill((packed_host(first), packed_host(last)) for first, last in ranges)
        except AddressError as error:
            raise IpFilterError(str(error)) from None

    @classmethod
    def parse(cls, text: str, *, max_ranges: int = 2_000_000) -> IpFilter:
        """Reads a list, each line in one of the formats below.

        Empty lines and those behind `#`, `//` or `;` are comments. Addresses are IPv4 or IPv6, single ones, ranges, or
        networks (`1.2.3.0/24`), in all formats:

        * PeerGuardian (`.p2p`): `name:1.2.3.4-1.2.3.9`, `name:2001:db8::/32`;
        * eMule (`ipfilter.dat`): `001.002.003.004 - 001.002.003.009 , 100 , name`, blocked at a level up to 127;
        * nothing but the addresses.

        Published lists have broken lines: these are counted and skipped, the first few are kept.

        Raises:
            IpFilterError: more than `max_ranges` ranges, or lines of which none makes sense.
        """
        ranges: list[Range] = []
        skipped: list[SkippedLine] = []
        skipped_lines = lines = 0
        for number, line in enumerate(_LINE_END.split(text.removeprefix("\ufeff")), start=1):
            if is_comment(line):
                continue
            lines += 1
            try:
                found = read_line(line)
            except ValueError:
                skipped_lines += 1
                if len(skipped) < MAX_SKIPPED_SHOWN:
                    skipped.append(SkippedLine(number, line.strip()[:MAX_SHOWN_CHARACTERS]))
                continue
            if found is not None:
                ranges.append(found)
                if len(ranges) > max_ranges:
                    raise IpFilterError(f"the list has more than {max_ranges} ranges")
        if lines and skipped_lines == lines:
            raise IpFilterError(f"none of the {lines} lines names addresses ({skipped[0]})")
        made = cls()
        made._fill(ranges)
        made.skipped_lines = skipped_lines
        made.skipped = tuple(skipped)
        return made

    @classmethod
    def from_bytes(cls, data: bytes, *, max_ranges: int = 2_000_000) -> IpFilter:
        """`parse` for what is in a file: UTF-8, or UTF-16 with a byte-order mark, and gzipped or not.

        Raises:
            IpFilterError: as `parse`, or it is another kind of file.
        """
        return cls.parse(_decode(data), max_ranges=max_ranges)

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


def _decode(data: bytes) -> str:
    """The text in a file, packed or not.

    Raises:
        IpFilterError: it is another kind of file.
    """
    if data[:2] == GZIP_MAGIC:
        try:
            data = gzip.decompress(data)
        except (OSError, EOFError, zlib.error) as error:
            raise IpFilterError(f"it cannot be unpacked: {error}") from None
    if data[:4] == ZIP_MAGIC:
        raise IpFilterError("it is a ZIP archive: unpack it first")
    if data[:7] == P2B_MAGIC:
        raise IpFilterError("it is a list in PeerGuardian's binary form (P2B): get it as text")
    for mark, encoding in _BYTE_ORDER_MARKS:
        if data.startswith(mark):
            return data.decode(encoding, "replace")
    return data.decode("utf-8", "replace")


GZIP_MAGIC, ZIP_MAGIC, P2B_MAGIC = b"\x1f\x8b", b"PK\3\4", b"\xff\xff\xff\xffP2B"
MAX_SKIPPED_SHOWN = 5
MAX_SHOWN_CHARACTERS = 80
_BYTE_ORDER_MARKS = ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))
_LINE_END = re.compile(r"\r\n|\n|\r")  # not `splitlines`: names hold characters that are line ends elsewhere

"""One line of a published list of addresses, in whichever format it is. Pure.

What people publish follows no grammar: names hold colons, commas, dashes and number signs, formats are mixed, addresses
are padded with zeros. So a line is read from its addresses, and what is around them is the name.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_interface
from typing import TypeAlias

Range: TypeAlias = tuple[bytes, bytes]  # the first and the last address of one family, packed


def read_line(line: str) -> Range | None:
    """The addresses that a line blocks; None if it allows what it names.

    Raises:
        ValueError: it makes no sense.
    """
    text = line.strip(" \t\0")
    quick = _DAT.fullmatch(text) or _P2P.fullmatch(text)  # nearly all lines of nearly all lists
    if quick is not None:
        pair = bytes(map(int, quick[1].split("."))), bytes(map(int, quick[2].split(".")))  # 256 is a ValueError
        if pair[0] > pair[1]:
            raise ValueError("a range that ends before it begins")
        return pair if int(quick[3] or 0) <= MAX_BLOCKED_LEVEL else None
    for candidate in dict.fromkeys((text, text.partition(" #")[0], text.partition("#")[0])):
        for read in (_read_dat, _read_named):
            found = read(candidate.strip())
            if found is not None:
                return found if isinstance(found, tuple) else None
    raise ValueError("no addresses")


def is_comment(line: str) -> bool:
    """Whether a line has nothing to say."""
    return not line.strip("\0 \t") or line.lstrip().startswith(("#", "//", ";", "!"))


def _read_dat(text: str) -> Range | bool | None:
    """`ADDRESSES , LEVEL , NAME` (eMule): what has a level above 127 is allowed, which is True here."""
    addresses, comma, rest = text.partition(",")
    found = _range_or_network(addresses) if comma else None
    if found is None:
        return None
    level = rest.partition(",")[0].strip()
    digits = level.lstrip("0")[:9] if level.isdecimal() else ""  # more is not needed to see that it is large
    return True if digits and int(digits) > MAX_BLOCKED_LEVEL else found


def _read_named(text: str) -> Range | None:
    """`NAME:ADDRESSES` (PeerGuardian), or addresses alone.

    A name may look like a part of an IPv6 address (`cafe:2001:db8::1`): what counts begins in a part of the address
    space that is in use, if there is such a reading, and with as few letters of the name as can be.
    """
    found = {part: each for part in _suffixes(text) if (each := _range_or_network(part)) is not None}
    ranges = [part for part in found if "-" in part]  # what is behind a dash is only the end of one
    candidates = ranges or list(found)
    best = next((part for part in candidates if _is_in_use(part)), candidates[0] if candidates else None)
    return found[best] if best is not None else None


def _suffixes(text: str) -> Iterator[str]:
    """The whole text, and what is behind each of its last colons.

    An address has no more than eight colons, and a range twice as many.
    """
    yield text
    at = len(text)
    starts: list[int] = []
    while len(starts) < MAX_COLONS and (at := text.rfind(":", 0, at)) >= 0:
        starts.append(at + 1)
    for start in reversed(starts):
        yield text[start:]


def _range_or_network(text: str) -> Range | None:
    first, dash, last = text.rpartition("-")
    try:
        if dash:
            return _ordered(ip_address(_plain(first)), ip_address(_plain(last)))
        network = ip_interface(_plain(text)).network
        return _ordered(network.network_address, network.broadcast_address)
    except ValueError:
        return None


def _ordered(first: IPv4Address | IPv6Address, last: IPv4Address | IPv6Address) -> Range | None:
    if isinstance(first, IPv6Address) and isinstance(last, IPv6Address) and first.ipv4_mapped and last.ipv4_mapped:
        first, last = first.ipv4_mapped, last.ipv4_mapped
    pair = first.packed, last.packed
    return pair if len(pair[0]) == len(pair[1]) and pair[0] <= pair[1] else None


def _plain(text: str) -> str:
    """An address or a network as the standard library takes it: without padding zeros (eMule), brackets and spaces."""
    host, slash, size = text.strip().partition("/")
    host = host.strip().removeprefix("[").removesuffix("]")
    if _IPV4.fullmatch(host):
        host = ".".join(part.lstrip("0") or "0" for part in host.split("."))
    return f"{host}{slash}{size.strip()}"


def _is_in_use(text: str) -> bool:
    """Whether addresses begin where a host can have one: 2000::/3, mapped, unique local, link-local, multicast."""
    first = ip_interface(_plain(text.partition("-")[0])).packed
    is_local = first[0] in (0xFC, 0xFD, 0xFF) or (first[0] == 0xFE and first[1] >> 6 == 2)
    return len(first) == 4 or first[0] >> 5 == 1 or first[:2] == b"\0\0" or is_local


MAX_BLOCKED_LEVEL = 127
MAX_COLONS = 16
_V4 = r"[0-9]{1,4}(?:\.[0-9]{1,4}){3}"
_P2P = re.compile(rf".*:\s*({_V4})\s*-\s*({_V4})()", re.ASCII)
_DAT = re.compile(rf"({_V4})\s*-\s*({_V4})\s*,\s*([0-9]{{1,5}})\s*(?:,.*)?", re.ASCII)
_IPV4 = re.compile(_V4)

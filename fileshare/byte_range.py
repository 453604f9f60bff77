"""The `Range` header of HTTP: which bytes of a file a client asks for (RFC 9110, section 14)."""

from __future__ import annotations

import re


class UnsatisfiableRangeError(ValueError):
    """No byte that was asked for exists."""


def parse_range(header: str | None, size: int) -> range | None:
    """The bytes that a request wants; None for all of them.

    What is malformed, in another unit or asks for several ranges counts as no range at all, as the standard allows.

    Raises:
        UnsatisfiableRangeError: it begins behind the end, or wants the last 0 bytes.
    """
    found = _SINGLE.fullmatch(header.strip()) if header is not None else None
    if found is None:
        return None
    first, last = found["first"], found["last"]
    if not first and not last:
        return None
    if not first:
        if not int(last) or not size:
            raise UnsatisfiableRangeError(f"the last {last} bytes of {size} are none")
        return range(max(0, size - int(last)), size)
    if last and int(last) < int(first):
        return None
    if int(first) >= size:
        raise UnsatisfiableRangeError(f"byte {first} is behind the end of {size} bytes")
    return range(int(first), min(size, int(last) + 1) if last else size)


_SINGLE = re.compile(r"bytes=[ \t]*(?P<first>[0-9]{0,18})-(?P<last>[0-9]{0,18})[ \t]*", re.IGNORECASE | re.ASCII)

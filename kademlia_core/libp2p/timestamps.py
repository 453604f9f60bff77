"""Points in time as records have them: RFC 3339 with nanoseconds, against seconds since 1970."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from kademlia_core.libp2p.errors import RecordError

NANOSECONDS = 1_000_000_000


def parse_timestamp(text: bytes) -> int:
    """Nanoseconds since 1970.

    Raises:
        RecordError: it is no point in time of RFC 3339.
    """
    try:
        match = _FORM.fullmatch(text.decode("ascii"))
        if match is None:
            raise ValueError
        whole = datetime.fromisoformat(match[1].upper() + (match[3].upper().replace("Z", "+00:00")))
    except ValueError:  # UnicodeDecodeError is one
        raise RecordError(f"{text[:40]!r} is no point in time") from None
    seconds = int((whole - _EPOCH).total_seconds())
    return seconds * NANOSECONDS + int((match[2] or "").ljust(9, "0"))


def format_timestamp(nanoseconds: int) -> str:
    """In UTC, with nine digits behind the second, as go-libp2p and js-libp2p write it."""
    seconds, rest = divmod(nanoseconds, NANOSECONDS)
    moment = datetime.fromtimestamp(seconds, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{rest:09d}Z"


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FORM = re.compile(r"(\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?([Zz]|[+-]\d\d:\d\d)", re.ASCII)

"""Sizes, rates and times as people read them."""

from __future__ import annotations

import re
from collections.abc import Iterable


def size_text(size_bytes: float) -> str:
    """`1.5 MiB`; units are powers of 1024."""
    value, unit = float(size_bytes), "B"
    for larger in ("KiB", "MiB", "GiB", "TiB"):
        if value < 1024:
            break
        value, unit = value / 1024, larger
    return f"{value:.0f} B" if unit == "B" else f"{value:.1f} {unit}"


def rate_text(rate_bytes_per_s: float) -> str:
    return f"{size_text(rate_bytes_per_s)}/s"


def duration_text(seconds: float | None) -> str:
    """`0:42`, `1:02:03`; `-:--` when it is not known, `> 4 days` when a number would mean nothing."""
    if seconds is None:
        return "-:--"
    whole = round(seconds)
    if whole >= 100 * 3600:
        return "> 4 days"
    hours, minutes, rest = whole // 3600, whole // 60 % 60, whole % 60
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def elapsed_text(seconds: float) -> str:
    """`2.7 s`, from a minute on `1:02`."""
    return f"{seconds:.1f} s" if seconds < 60 else duration_text(seconds)


def ranges_text(numbers: Iterable[int]) -> str:
    """Ascending numbers with runs folded: `0, 5-9, 12`."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return ", ".join(str(first) if first == last else f"{first}-{last}" for first, last in runs)


def count_text(count: int, noun: str) -> str:
    """`1 peer`, `2 peers`."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def parse_rate(text: str) -> float:
    """Bytes per second: `500k` and `2M` are multiples of 1000, `1.5MiB` and `500Ki` of 1024.

    Raises:
        ValueError: it is none, or has no unit: a user who writes 500 rarely means bytes.
    """
    match = _RATE.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text!r} is no rate; write for example 500k, 2M or 1.5MiB (per second)")
    number, prefix, binary, byte = match.groups()
    if not prefix and not byte:
        raise ValueError(f"{text!r} has no unit; write {text}k for {text} thousand bytes per second, or {text}B")
    rate = float(number) * (1024.0 if binary else 1000.0) ** (" kmgt".index(prefix.lower()) if prefix else 0)
    if rate < 1:
        raise ValueError(f"{text!r} would let nothing through; leave the option out for no limit")
    return rate


def parse_size(text: str) -> int:
    """Bytes: a plain number, or with a unit such as `16K`, `1M` or `4MiB`, which are powers of 1024.

    Raises:
        ValueError: it is none.
    """
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text!r} is no size; write for example 262144, 256K or 1M")
    return int(match[1]) << 10 * (" kmg".index(match[2].lower()) if match[2] else 0)


def parse_duration(text: str) -> float:
    """Seconds: `90s`, `30m`, `12h`, `7d`.

    Raises:
        ValueError: it is none, or has no unit.
    """
    match = _DURATION.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text!r} is no time; write for example 90s, 30m, 12h or 7d")
    return float(match[1]) * {"s": 1, "m": 60, "h": 3600, "d": 86400}[match[2].lower()]


_RATE = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,9})?) ?(?:([kmgt])(i)?)?(b)?(?:/s|ps)?", re.IGNORECASE)
_SIZE = re.compile(r"([0-9]{1,12}) ?(?:([kmg])(?:i?b)?|b)?", re.IGNORECASE)
_DURATION = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,9})?) ?([smhd])", re.IGNORECASE)

"""Rates, times, shares and buffers of a line, as people of networks write them: `100mbit`, `20ms`, `1%`, `1bdp`."""

from __future__ import annotations

import re


def parse_line_rate(text: str) -> float:
    """Bytes a second of `100mbit`, `1.5gbit` or `500kbit`; units are powers of 1000, and bits.

    Raises:
        ValueError: it is none.
    """
    match = _RATE.fullmatch(text.strip())
    if match is None or float(match[1]) == 0:
        raise ValueError(f"{text!r} is no rate; try 100mbit")
    return float(match[1]) * 1000.0 ** " kmg".index((match[2] or " ").lower()) / 8


def parse_time(text: str) -> float:
    """Seconds of `100ms`, `1.5s` or `250us`.

    Raises:
        ValueError: it is none.
    """
    match = _TIME.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text!r} is no time; try 100ms")
    return float(match[1]) * {"us": 1e-6, "ms": 1e-3, "s": 1.0}[match[2].lower()]


def parse_share(text: str) -> float:
    """A part of one, of `1%` or `0.1%`; less than all.

    Raises:
        ValueError: it is none. A number without a percent sign may mean either, so it is refused.
    """
    match = _SHARE.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text!r} is no share; try 1%")
    if float(match[1]) >= 100:
        raise ValueError(f"{text!r} would let nothing through; try 1%")
    return float(match[1]) / 100


def parse_buffer(text: str, *, bytes_per_s: float, rtt_s: float) -> int:
    """Bytes of `1bdp` (what fills the line for a round trip), `64kB`, `256KiB` or `50ms` (what it sends meanwhile).

    Raises:
        ValueError: it is none.
    """
    match = _BUFFER.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text!r} is no buffer; try 1bdp, 64kB or 50ms")
    number, unit = float(match[1]), match[2].lower()
    if unit == "bdp":
        return round(number * bytes_per_s * rtt_s)
    if unit in ("us", "ms", "s"):
        return round(parse_time(f"{match[1]}{unit}") * bytes_per_s)
    factor = 1024.0 if "i" in unit else 1000.0
    return round(number * factor ** " kmg".index(unit[0] if unit != "b" else " "))


_NUMBER = r"([0-9]{1,9}(?:\.[0-9]{1,9})?)"
_RATE = re.compile(_NUMBER + r" ?([kmg])?(?:bits?(?:/s|ps)?|bps)", re.IGNORECASE)
_TIME = re.compile(_NUMBER + r" ?(us|ms|s)", re.IGNORECASE)
_SHARE = re.compile(_NUMBER + r" ?%")
_BUFFER = re.compile(_NUMBER + r" ?(bdp|us|ms|s|[kmg]i?b|b)", re.IGNORECASE)

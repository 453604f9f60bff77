"""Sizes, rates and times as people read them."""

from __future__ import annotations

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

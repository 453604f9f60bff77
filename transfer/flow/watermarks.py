"""How much may wait to be sent before a protocol is told to pause, as `asyncio.WriteTransport` has it."""

from __future__ import annotations


def write_buffer_limits(high: int | None, low: int | None) -> tuple[int, int]:
    """The two limits in bytes, low and high; one that is not given follows from the other.

    Raises:
        ValueError: not high >= low >= 0.
    """
    if high is None:
        high = DEFAULT_HIGH_BYTES if low is None else 4 * low
    if low is None:
        low = high // 4
    if not high >= low >= 0:
        raise ValueError(f"high ({high}) must not be below low ({low}), nor low below 0")
    return low, high


DEFAULT_HIGH_BYTES = 64 << 10

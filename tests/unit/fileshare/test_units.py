"""Figures as people read them."""

from __future__ import annotations

import pytest

from fileshare.cli.units import count_text, duration_text, elapsed_text, ranges_text, rate_text, size_text


@pytest.mark.parametrize(
    ("size_bytes", "text"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1.0 KiB"),
        (1536, "1.5 KiB"),
        (64 << 20, "64.0 MiB"),
        (5 << 30, "5.0 GiB"),
        (3 << 50, "3072.0 TiB"),
    ],
)
def test_sizes(size_bytes: int, text: str) -> None:
    assert size_text(size_bytes) == text


def test_rates() -> None:
    assert rate_text(2048.0) == "2.0 KiB/s"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(None, "-:--"), (0, "0:00"), (59.4, "0:59"), (59.6, "1:00"), (3600, "1:00:00"), (1e9, "> 4 days")],
)
def test_durations(seconds: float | None, text: str) -> None:
    assert duration_text(seconds) == text


def test_elapsed_times() -> None:
    assert [elapsed_text(seconds) for seconds in (0.04, 2.71, 59.9, 62.0)] == ["0.0 s", "2.7 s", "59.9 s", "1:02"]


@pytest.mark.parametrize(
    ("numbers", "text"), [([], ""), ([3], "3"), ([1, 2, 3], "1-3"), ([0, 5, 6, 7, 12], "0, 5-7, 12")]
)
def test_ranges(numbers: list[int], text: str) -> None:
    assert ranges_text(numbers) == text


def test_counts() -> None:
    assert [count_text(number, "peer") for number in (0, 1, 2)] == ["0 peers", "1 peer", "2 peers"]

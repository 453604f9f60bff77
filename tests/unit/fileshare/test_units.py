"""Figures as people read them."""

from __future__ import annotations

import pytest

from fileshare.cli.units import (
    count_text,
    duration_text,
    elapsed_text,
    parse_duration,
    parse_rate,
    ranges_text,
    rate_text,
    size_text,
)


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


@pytest.mark.parametrize(
    ("text", "rate"),
    [
        ("500k", 500_000.0),
        ("500K", 500_000.0),
        ("2M", 2e6),
        ("1.5MiB", 1.5 * (1 << 20)),
        ("1.5 MiB/s", 1.5 * (1 << 20)),
        ("512Ki", 512 * 1024.0),
        ("1GB", 1e9),
        ("300B", 300.0),
        ("8kbps", 8000.0),
    ],
)
def test_rates_that_people_type(text: str, rate: float) -> None:
    assert parse_rate(text) == rate


@pytest.mark.parametrize("text", ["", "500", "fast", "-1k", "0k", "0.5B", "1e3k", "1ik", "1kk", "k"])
def test_texts_that_are_no_rate(text: str) -> None:
    with pytest.raises(ValueError, match=r"write|leave the option out"):
        parse_rate(text)


@pytest.mark.parametrize(("text", "seconds"), [("90s", 90.0), ("1.5m", 90.0), ("12h", 43200.0), ("7D", 604800.0)])
def test_times_that_people_type(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "90", "soon", "-1s", "1w"])
def test_texts_that_are_no_time(text: str) -> None:
    with pytest.raises(ValueError, match="write for example"):
        parse_duration(text)

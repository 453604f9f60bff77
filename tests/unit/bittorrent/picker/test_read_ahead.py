"""The window of a reader: where it is, and how fast it turns out to be."""

from __future__ import annotations

from itertools import pairwise

import pytest

from bittorrent.picker.read_ahead import ReadAhead, ReadAheadConfig
from bittorrent.pieces.geometry import Geometry

GEOMETRY = Geometry(10_000, 100)
CONFIG = ReadAheadConfig(
    ahead_s=10.0, least_ahead_bytes=200, most_ahead_bytes=1000, first_rate_bytes_per_s=50, measured_s=4.0
)


def make(*, offset: int = 250, size: int = 5000, config: ReadAheadConfig = CONFIG) -> ReadAhead:
    return ReadAhead(GEOMETRY, offset=offset, size=size, config=config)


def test_the_first_piece_is_needed_now_and_the_others_when_the_reader_gets_there() -> None:
    ahead = make()
    assert ahead.piece == 2
    assert ahead.window_bytes == 500
    assert ahead.deadlines(now=7.0) == {2: 7.0, 3: 8.0, 4: 10.0, 5: 12.0, 6: 14.0, 7: 16.0}


def test_the_window_follows_the_reader() -> None:
    ahead = make()
    ahead.read(149, now=1.0)
    assert (ahead.position, ahead.piece) == (149, 3)
    ahead.read(1, now=1.0)
    assert ahead.piece == 4
    assert list(ahead.deadlines(now=1.0)) == [4, 5, 6, 7, 8]


@pytest.mark.parametrize(("step", "window"), [(10, 200), (80, 800), (400, 1000)])
def test_the_window_is_as_long_as_the_reader_is_fast(step: int, window: int) -> None:
    ahead = make(size=9000)
    for second in range(12):
        ahead.read(step, now=float(second))
    assert abs(ahead.window_bytes - window) <= 0.3 * window
    times = list(ahead.deadlines(now=12.0).values())[1:]
    expected = 100 / step  # seconds for a piece
    assert all(abs(later - earlier - expected) < 0.3 * expected for earlier, later in pairwise(times))


def test_the_window_ends_with_the_file() -> None:
    ahead = make(size=60)
    assert ahead.deadlines(now=0.0) == {2: 0.0, 3: 1.0}
    ahead.read(60, now=1.0)
    assert ahead.piece is None
    assert ahead.deadlines(now=1.0) == {}


def test_an_empty_file_needs_nothing() -> None:
    assert make(size=0).deadlines(now=0.0) == {}


def test_after_a_jump_the_rate_is_measured_anew() -> None:
    ahead = make()
    for second in range(5):
        ahead.read(400, now=float(second))
    assert ahead.window_bytes == 1000
    ahead.seek(100)
    assert (ahead.position, ahead.piece) == (100, 3)
    ahead.read(1, now=1000.0)
    assert ahead.window_bytes == 1000, "what was measured last still holds until there is something better"


@pytest.mark.parametrize("position", [-1, 5001])
def test_a_place_outside_is_refused(position: int) -> None:
    ahead = make()
    with pytest.raises(ValueError, match="outside of a file of 5000 bytes"):
        ahead.seek(position)
    assert ahead.position == 0


@pytest.mark.parametrize(
    "wrong",
    [
        {"ahead_s": 0},
        {"first_rate_bytes_per_s": 0},
        {"measured_s": 0},
        {"read_bytes": 0},
        {"least_ahead_bytes": 0},
        {"least_ahead_bytes": 2, "most_ahead_bytes": 1},
    ],
)
def test_a_config_out_of_range_is_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="must"):
        ReadAheadConfig(**wrong)

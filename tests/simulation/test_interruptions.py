"""A download that is interrupted again and again fetches hardly anything twice."""

from __future__ import annotations

from functools import partial

import pytest

from tests.simulation import interruptions
from transfer.simulation import run

# Of the content, what is fetched twice; and with what is under way when a connection ends, a few blocks each time.
GOALS = {"close": (0.0, 0.03), "remove": (0.0, 0.03), "kill": (0.02, 0.05), "power": (0.1, 0.5)}


@pytest.mark.parametrize("way", GOALS)
def test_pieces_that_take_longer_than_the_time_between_interruptions_come_to_their_end(way: str) -> None:
    """Pieces of 4 MiB at 700 kB/s, interrupted every 3 s: before, no progress at all, 90 % fetched twice."""
    scenario = partial(
        interruptions.interrupt,
        way=way,
        size=24 << 20,
        piece_length=4 << 20,
        rate_bytes_per_s=700e3,
        every_s=(2.5, 3.5),
        times=12,
    )
    outcome = run(scenario, link=interruptions.LINK, seed=1).result
    assert outcome.is_right
    most_twice, most_sent_twice = GOALS[way]
    assert 0 <= outcome.share_twice <= most_twice
    assert outcome.share_sent_twice < most_sent_twice
    assert outcome.blamed == 0
    assert outcome.left_over == []
    assert outcome.largest_kept_bytes < 2 * (4 << 20) + (1 << 16)


@pytest.mark.parametrize("way", ["close", "remove", "kill"])
def test_metadata_that_takes_longer_than_the_time_between_interruptions_comes_to_its_end(way: str) -> None:
    """Half a megabyte at 25 kB/s, interrupted every 8 s."""
    scenario = partial(interruptions.interrupt_metadata, way=way, metadata_bytes=500_000, rate_bytes_per_s=25e3)
    assert 1 < run(scenario, link=interruptions.LINK, seed=1).result <= 8

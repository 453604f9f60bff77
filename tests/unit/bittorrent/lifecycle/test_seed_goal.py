"""When enough has been given."""

from __future__ import annotations

import pytest

from bittorrent.lifecycle.seed_goal import SeedGoal
from bittorrent.stats import TorrentState, TorrentStats


def stats(*, wanted_bytes: int, uploaded_bytes: int) -> TorrentStats:
    return TorrentStats(
        state=TorrentState.SEEDING,
        info_hash=bytes(20),
        name="film",
        total_bytes=wanted_bytes,
        done_bytes=wanted_bytes,
        wanted_bytes=wanted_bytes,
        needed_bytes=0,
        verified_bytes=wanted_bytes,
        piece_count=10,
        wanted_pieces=10,
        done_pieces=10,
        checked_pieces=10,
        unfinished_bytes=0,
        downloaded_bytes=0,
        uploaded_bytes=uploaded_bytes,
        wasted_bytes=0,
        failed_pieces=0,
        download_rate_bytes_per_s=0.0,
        upload_rate_bytes_per_s=0.0,
        peers=1,
        known_peers=1,
        eta_s=None,
        sources=(),
        lookup=None,
        is_paused=False,
    )


@pytest.mark.parametrize(
    ("goal", "uploaded_bytes", "seeding_s", "expected"),
    [
        (SeedGoal(), 10**12, 1e9, False),
        (SeedGoal(ratio=1.5), 149, 1e9, False),
        (SeedGoal(ratio=1.5), 150, 0.0, True),
        (SeedGoal(seconds=60.0), 10**12, 59.9, False),
        (SeedGoal(seconds=60.0), 0, 60.0, True),
        (SeedGoal(ratio=2.0, seconds=60.0), 200, 1.0, True),
        (SeedGoal(ratio=2.0, seconds=60.0), 0, 61.0, True),
        (SeedGoal(ratio=2.0, seconds=60.0), 199, 59.0, False),
        (SeedGoal(ratio=0.0), 0, 0.0, True),
    ],
)
def test_whichever_is_reached_first(goal: SeedGoal, uploaded_bytes: int, seeding_s: float, expected: bool) -> None:
    moment = stats(wanted_bytes=100, uploaded_bytes=uploaded_bytes)
    assert goal.is_reached(moment, seeding_s=seeding_s) is expected


def test_what_earlier_sessions_sent_can_count() -> None:
    moment = stats(wanted_bytes=100, uploaded_bytes=60)
    assert not SeedGoal(ratio=1.0).is_reached(moment, seeding_s=0.0)
    assert not SeedGoal(ratio=1.0).is_reached(moment, seeding_s=0.0, uploaded_before_bytes=39)
    assert SeedGoal(ratio=1.0).is_reached(moment, seeding_s=0.0, uploaded_before_bytes=40)


@pytest.mark.parametrize("wrong", ["ratio", "seconds"])
def test_goals_that_make_no_sense(wrong: str) -> None:
    with pytest.raises(ValueError, match=wrong):
        SeedGoal(**{wrong: -1.0})

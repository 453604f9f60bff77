"""How a torrent is followed: a download that stands still says why, once."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from bittorrent.stats import TorrentState, TorrentStats
from bittorrent.swarm.explain import Explanation, SlowReason
from fileshare.cli.output import Output
from fileshare.cli.service_view import ServiceView
from fileshare.service.events import TorrentSlowed
from fileshare.service.jobs import Job
from fileshare.service.roster import Entry
from fileshare.service.slowness import Slowness


def stats(state: TorrentState = TorrentState.DOWNLOADING) -> TorrentStats:
    return TorrentStats(
        state=state,
        info_hash=bytes(20),
        name="film",
        total_bytes=100,
        done_bytes=10,
        wanted_bytes=100,
        needed_bytes=90,
        verified_bytes=10,
        piece_count=10,
        wanted_pieces=10,
        done_pieces=1,
        checked_pieces=10,
        unfinished_bytes=0,
        downloaded_bytes=10,
        uploaded_bytes=0,
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


def why(reason: SlowReason, rate_bytes_per_s: float = 0.0) -> Explanation:
    return Explanation(
        reason=reason, text=f"it is {reason.value}", rate_bytes_per_s=rate_bytes_per_s, peers={reason: 1}
    )


def test_a_download_that_stands_still_says_why_once(capsys: pytest.CaptureFixture[str]) -> None:
    now, slowness, view = 100.0, Slowness(), ServiceView(Output(as_json=True), several=False)
    entry = Entry(Job("film", now=now), bytes(20))
    for seconds, explanation in (
        (0, why(SlowReason.CHOKED)),
        (4, why(SlowReason.CHOKED)),
        (2, why(SlowReason.CHOKED)),
        (1, why(SlowReason.CHOKED)),
        (1, why(SlowReason.SNUBBED)),
        (1, why(SlowReason.REMOTE_SLOW, 1e6)),
        (3, why(SlowReason.SNUBBED)),
        (6, why(SlowReason.SNUBBED)),
    ):
        now += seconds
        if slowness.is_news(stats(), explanation, now=now):
            view.show(TorrentSlowed(job=replace(entry.snapshot(), explanation=explanation)))
    now += 60
    assert not slowness.is_news(stats(TorrentState.SEEDING), why(SlowReason.FINISHED), now=now)
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    slow = [event for event in events if event["event"] == "slow"]
    assert [event["reason"] for event in slow] == ["choked", "snubbed", "snubbed"]
    assert slow[0]["text"] == "it is choked"
    assert slow[0]["peers"] == {"choked": 1}
    assert slow[0]["info_hash"] == bytes(20).hex()

"""How a torrent is followed: a download that stands still says why, once."""

from __future__ import annotations

import json
import time
from dataclasses import replace

import pytest

from bittorrent.stats import PeerStats, TorrentState, TorrentStats
from bittorrent.swarm.explain import Explanation, SlowReason
from fileshare.cli.output import Output
from fileshare.cli.service_view import ServiceView
from fileshare.cli.transfers import TransferView
from fileshare.service.events import TorrentSlowed
from fileshare.service.jobs import Job
from fileshare.service.roster import Entry
from fileshare.service.slowness import Slowness
from transfer import Address, PathStats


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


PEER = PeerStats(
    address=Address("::1", 6881),
    client="a peer",
    is_dialled=True,
    encryption=None,
    progress=0.5,
    is_choking=False,
    am_choking=True,
    is_interested=False,
    am_interested=True,
    download_rate_bytes_per_s=1e6,
    upload_rate_bytes_per_s=0.0,
    downloaded_bytes=10,
    uploaded_bytes=0,
    requested_blocks=3,
    is_snubbed=False,
    connected_s=2.0,
    held_up_by="remote slow",
    path=PathStats(transport="tcp", controller="bbr", window_bytes=14_480, rtt_s=0.1),
)


def test_programs_hear_of_each_peer_and_of_the_path_to_it(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the first comes and the last goes; between, no more often than now and then."""
    now = 50.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    view = TransferView(Output(as_json=True))
    told = []
    for now, count in ((50, 0), (51, 1), (52, 2), (56, 2), (57, 0), (99, 0), (99.5, 1)):
        view.show(stats(), None, (PEER,) * count)
        events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        told += [(now, event) for event in events if event["event"] == "peers"]
    assert [(at, len(event["peers"])) for at, event in told] == [(51, 1), (56, 2), (57, 0), (99.5, 1)]
    first = told[0][1]
    assert first["info_hash"] == bytes(20).hex()
    assert first["peers"][0]["address"] == "[::1]:6881"
    assert first["peers"][0]["path"] == {
        "transport": "tcp",
        "controller": "bbr",
        "window_bytes": 14_480,
        "in_flight_bytes": None,
        "rtt_s": 0.1,
        "min_rtt_s": None,
        "delivery_rate_bytes_per_s": None,
        "retransmitted_bytes": None,
    }


def test_people_hear_nothing_of_single_peers(capsys: pytest.CaptureFixture[str]) -> None:
    TransferView(Output(as_json=False)).show(stats(), None, (PEER,))
    assert "a peer" not in capsys.readouterr().out

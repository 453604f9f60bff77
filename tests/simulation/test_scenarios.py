"""Whole programs in the simulation, and the promise that one seed is one run anywhere."""

from __future__ import annotations

import random

import pytest

from bittorrent.dialling.targets import PRIVATE
from tests.simulation import crashing_download, mainline_network, redirects, torrent_swarm, troubles, web
from tests.simulation.bare_network import BareNetwork
from tests.simulation.digests import check_one_seed_is_one_run
from transfer.simulation import Scenario, run

SCENARIOS = [mainline_network.small, crashing_download.small, torrent_swarm.small, web.clients_and_a_server]


def test_a_dht_survives_the_loss_of_a_third() -> None:
    outcome = run(mainline_network.small, seed=1).result
    assert outcome.found_before == outcome.keys == 20
    assert outcome.findable >= 19
    assert outcome.found == outcome.findable


@pytest.mark.parametrize("seed", range(2))
def test_a_swarm_survives_liars_a_partition_and_the_loss_of_its_seeder(seed: int) -> None:
    outcome = run(torrent_swarm.small, seed=seed).result
    assert outcome.completed == 10
    assert outcome.failed_pieces > 0, "nobody met a liar"
    assert outcome.seeder_left_at_s <= outcome.last_completed_at_s
    assert outcome.seeder_copies <= 1.25


def test_aiohttp_runs_unmodified() -> None:
    report = run(web.clients_and_a_server, seed=1)
    assert report.result == ["Wed, 01 Jan 2020 00:00:00 GMT"] * 4
    assert 10 < report.virtual_s < 15


def test_no_server_of_the_internet_leads_us_into_the_local_network() -> None:
    outcome = run(redirects.a_public_server_redirects, seed=1).result
    private = PRIVATE
    assert outcome == {
        "to-public": "from also.example",
        "to-address": private,
        "to-name": private,
        "to-mapped": private,
        "to-loopback": private,
        "by-two-steps": private,
        "relative": "from also.example",
        "scheme": "file is not HTTP",
        "raw-space": "from also.example",
        "escaped": "from also.example",
        "private itself": f"from {redirects.ROUTER}",
        "no redirect": "from router.home",
        "from both": private,
        "allowed": f"from {redirects.ROUTER}",
        "reboots": "2",
        "raw": "['/a b [1] 100% ü|x', '/a b']",
    }


def test_a_download_gets_by_with_the_trackers_that_work() -> None:
    heard = run(troubles.trackers_fail, seed=1).result
    leech = troubles.LEECH
    assert heard[troubles.BROKEN] == []
    events = [event for _, event in heard[troubles.WORKING]]
    assert events[:2] == ["started", "completed"]
    assert events[-1] == "stopped"
    assert set(events[2:-1]) <= {""}
    assert heard[troubles.LATE][0] == (leech, "started")
    assert heard[troubles.LATE][-1] == (leech, "stopped")


def test_a_full_disk_costs_nothing_but_time() -> None:
    before, after, fetched = run(troubles.disk_runs_full, seed=1).result
    assert 0 <= before < after == troubles.SIZE // troubles.PIECE
    assert fetched == troubles.SIZE


def test_a_network_of_bare_cores_finds_the_closest_node() -> None:
    network = BareNetwork(300, k=8, rng=random.Random(1), refresh=True)
    assert network.success_rate(100) >= 0.99


@pytest.mark.parametrize("seed", range(3))
def test_a_download_survives_crashes_with_torn_writes(seed: int) -> None:
    found = run(crashing_download.small, seed=seed).result
    assert found[-1] == crashing_download.SMALL_PIECES
    assert len(set(found)) > 3, "crashes that come before or after everything prove nothing"


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.__module__.rpartition(".")[2])
def test_one_seed_is_one_run_in_every_process(scenario: Scenario[object]) -> None:
    check_one_seed_is_one_run(scenario)

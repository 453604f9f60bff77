"""Honest peers are served, whoever squats: on sockets without a handshake, on connections, on upload slots."""

from __future__ import annotations

from functools import partial

import pytest

from tests.simulation import idle_peers
from tests.simulation.idle_peers import Idleness
from transfer.simulation import Link, run

LINK = Link(delay_s=0.01)


@pytest.mark.parametrize("seeding", [True, False], ids=["seed", "leech"])
@pytest.mark.parametrize("idleness", Idleness, ids=lambda idleness: idleness.name)
def test_a_newcomer_is_served_beside_peers_that_make_nothing_of_their_slots(idleness: Idleness, seeding: bool) -> None:
    """With twelve such peers it took 65 s, with forty over two minutes."""
    scenario = partial(idle_peers.newcomer, idleness=idleness, count=40, size=4 << 20, seeding=seeding)
    assert run(scenario, link=LINK, seed=1).result <= 5.0


def test_a_newcomer_is_served_beside_four_hundred_idle_peers() -> None:
    scenario = partial(
        idle_peers.newcomer,
        idleness=Idleness.SILENT,
        count=400,
        head_start_s=10.0,
        max_connections=1000,
        max_connections_per_torrent=1000,
    )
    assert run(scenario, link=LINK, seed=1).result <= 5.0


@pytest.mark.parametrize("idleness", Idleness, ids=lambda idleness: idleness.name)
def test_a_newcomer_gets_into_a_torrent_that_is_full_of_idle_peers(idleness: Idleness) -> None:
    scenario = partial(idle_peers.newcomer, idleness=idleness, count=60, size=1 << 20, max_connections_per_torrent=20)
    assert run(scenario, link=LINK, seed=1).result <= 5.0


def test_a_newcomer_gets_into_a_session_that_is_full_of_idle_peers() -> None:
    scenario = partial(idle_peers.newcomer, idleness=Idleness.SILENT, count=60, size=1 << 20, max_connections=20)
    assert run(scenario, link=LINK, seed=1).result <= 5.0


@pytest.mark.parametrize("idleness", [Idleness.SILENT, Idleness.UNREAD, Idleness.RARE], ids=lambda it: it.name)
def test_a_slow_honest_peer_keeps_its_slot_among_idle_ones(idleness: Idleness) -> None:
    scenario = partial(idle_peers.slow_one, idleness=idleness, count=40, seconds=60.0)
    unchoked, received_bytes = run(scenario, link=LINK, seed=1).result
    assert unchoked > 0.85
    assert received_bytes > 0.8 * 60 * 5e3


THREE = ["10.2.0.2", "10.2.0.3", "10.2.0.4"]
MANY = [f"10.{number // 200 + 3}.{number % 200}.7" for number in range(200)]


@pytest.mark.parametrize("comes_back", [False, True], ids=["stays", "comes back"])
@pytest.mark.parametrize("drips", [False, True], ids=["silent", "dripping"])
@pytest.mark.parametrize(
    ("hosts", "sockets"),
    [(THREE, 96), (MANY[:3], 96), (MANY, 200), (["10.2.0.2"], 96)],
    ids=["three", "three networks", "many", "one"],
)
def test_half_open_sockets_keep_nobody_out(hosts: list[str], sockets: int, drips: bool, comes_back: bool) -> None:
    """96 sockets from three addresses kept every newcomer off a seed for two minutes."""
    scenario = partial(idle_peers.half_open, hosts=hosts, sockets=sockets, drips=drips, comes_back=comes_back)
    assert run(scenario, link=LINK, seed=1).result <= 2.0


def test_peers_that_accept_and_say_nothing_do_not_hold_up_the_calls_to_others() -> None:
    """As many as may be called at a time: the next had to wait until they were given up, after ten seconds."""
    assert run(partial(idle_peers.tarpits, count=20), link=LINK, seed=1).result < 6.0

"""All that a client says over UDP comes from one port, which a NAT box maps once."""

from __future__ import annotations

from functools import partial

from tests.simulation.digests import check_one_seed_is_one_run
from tests.simulation.shared_port import BOX, behind_a_nat
from tests.simulation.tracker_tiers import US, silent_udp_from
from transfer.simulation import run


def test_trackers_nodes_and_a_third_protocol_see_one_endpoint() -> None:
    seen = run(behind_a_nat, seed=1).result
    assert seen.by_tracker == {seen.by_node} == {seen.by_toy}
    assert seen.by_node.host == BOX
    assert (seen.garbage, seen.unclaimed) == (0, 0)


def test_a_flood_for_one_leaves_the_others_alone() -> None:
    seen = run(partial(behind_a_nat, flood=500), seed=2).result
    assert seen.by_tracker == {seen.by_node}
    assert (seen.garbage, seen.unclaimed) == (0, 0)


def test_one_seed_is_one_run() -> None:
    check_one_seed_is_one_run(behind_a_nat)


def test_without_a_dht_a_session_asks_from_its_port_all_the_same() -> None:
    assert run(silent_udp_from).result == {(US, 6881)}

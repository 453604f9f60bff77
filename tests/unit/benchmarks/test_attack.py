"""Small versions of the attack experiments, with the pass lines of the large ones."""

from __future__ import annotations

import pytest

from benchmarks.attack_eclipse import DEFENCES, Captures, Defence, worst
from benchmarks.attack_liars import COLLUDE, INVENT, Outcomes, look_up_among_liars, model
from benchmarks.attacked_network import AttackedNetwork
from benchmarks.static_network import StaticNetwork
from kademlia_core import Key, LookupConfig, RoutingTableConfig

BY_NAME = {defence.name: defence for defence in DEFENCES}


@pytest.fixture(scope="module")
def wide() -> StaticNetwork:
    return StaticNetwork(10_000, table=RoutingTableConfig(bucket_size=16), seed=1)


@pytest.fixture(scope="module")
def narrow() -> StaticNetwork:
    return StaticNetwork(10_000, table=RoutingTableConfig(), seed=1)


@pytest.fixture(scope="module")
def attacked() -> AttackedNetwork:
    return AttackedNetwork(3000, k=8, seed=1)


def among_colluders(network: StaticNetwork, paths: int, share: float) -> Outcomes:
    config = LookupConfig(k=16, alpha=paths, paths=paths)
    return look_up_among_liars(network, config, share=share, mode=COLLUDE, lookups=60, seed=1)


def test_eight_paths_stand_colluders(wide: StaticNetwork) -> None:
    assert among_colluders(wide, 8, 0.3).success >= 0.98
    half = among_colluders(wide, 8, 0.5)
    assert half.success >= 0.85
    assert half.success > among_colluders(wide, 1, 0.5).success + 0.2


def test_the_model_gives_what_was_published_of_it() -> None:
    assert [round(model(share, 8, 2), 3) for share in (0.2, 0.3, 0.5)] == [1.0, 0.995, 0.9]
    assert [round(model(share, 1, 2), 3) for share in (0.2, 0.3, 0.5)] == [0.64, 0.49, 0.25]


def test_inventions_cost_little_unless_all_are_believed(narrow: StaticNetwork) -> None:
    def among_inventors(config: LookupConfig) -> Outcomes:
        return look_up_among_liars(narrow, config, share=0.1, mode=INVENT, lookups=40, seed=1, existing=False)

    default, believing = among_inventors(LookupConfig()), among_inventors(LookupConfig(max_silent_per_source=255))
    assert default.success >= 0.95
    assert default.queries_each < 26 < 40 < believing.queries_each
    assert default.percentile_s(0.5) < believing.percentile_s(0.5) / 1.5


def captured(network: AttackedNetwork, defence: Defence, *, addresses: int, displaced: float = 0.0) -> Captures:
    return worst(network, defence, sybils=8, addresses=addresses, displaced=displaced, trials=15, seed=1)


def test_undefended_eight_sybils_capture_every_search(attacked: AttackedNetwork) -> None:
    assert captured(attacked, BY_NAME["none"], addresses=1).share == 1
    assert captured(attacked, BY_NAME["none"], addresses=1, displaced=1.0).share == 1


def test_with_subnet_limits_it_takes_eight_subnets(attacked: AttackedNetwork) -> None:
    assert captured(attacked, BY_NAME["subnets"], addresses=1, displaced=1.0).share == 0
    assert captured(attacked, BY_NAME["subnets"], addresses=4).share == 0
    assert captured(attacked, BY_NAME["subnets"], addresses=8).share == 1


def test_a_radius_or_checked_ids_make_even_many_subnets_useless(attacked: AttackedNetwork) -> None:
    for name in ("subnets, radius", "subnets, BEP 42 preferred", "subnets, BEP 42 preferred, radius"):
        assert captured(attacked, BY_NAME[name], addresses=32).share <= 0.1


def test_paths_save_lookups_in_half_poisoned_tables(attacked: AttackedNetwork) -> None:
    single, paths = DEFENCES[-2:]
    assert captured(attacked, single, addresses=32, displaced=0.5).share >= 0.5
    assert captured(attacked, paths, addresses=32, displaced=0.5).share <= 0.2


def test_without_an_attack_the_network_answers_with_the_closest(attacked: AttackedNetwork) -> None:
    outcome = worst(attacked, DEFENCES[-1], sybils=0, addresses=1, displaced=0.0, trials=10, seed=1)
    assert (outcome.captured, outcome.taken) == (0, 0)
    assert outcome.places >= 10 * 8
    key = attacked.honest[1234].key
    assert attacked.nearest(key, 3)[0].key == key
    assert attacked.nearest(Key(0, 160), 2) == attacked.honest[:2]

"""A network that falls apart is whole again within five minutes of the last fault; long campaigns: `islands.py`."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from kademlia_core import Contact, Key
from kademlia_core.engine.joining import JoinState
from kademlia_core.keyvalue.core import KeyValueCore
from kademlia_core.mainline.config import MainlineConfig
from kademlia_core.mainline.core import MainlineCore
from tests.simulation.islands import Islands, place, play
from transfer.address import Address

FIRST, SECOND, THIRD = place(0), place(1), place(2)
WIDE = MainlineConfig(wide_regions=16)  # as if the network were so large that everybody knew 40


@pytest.mark.parametrize("seed", [*range(1, 13), 158])
def test_any_order_of_starts_any_loss_and_any_partition(seed: int) -> None:
    play(seed)


def grown(network: Islands, count: int, **options: Any) -> list[Address]:
    """A network of so many nodes that came in through the first, and have been quiet for five minutes."""
    addresses = [place(number) for number in range(count)]
    network.start(FIRST, (), **options)
    for address in addresses[1:]:
        network.run_until(network.now + 1.0)
        network.start(address, (FIRST,), **options)
    network.run_until(network.now + 300.0)
    assert network.is_connected()
    return addresses


def sizes(network: Islands) -> list[int]:
    return [len(list(core.table.live())) for core in network.cores.values()]


@pytest.mark.parametrize("make", [MainlineCore, KeyValueCore])
def test_one_lost_datagram_and_one_caller_isolate_nobody(make: type) -> None:
    """The caller's answer made the node content, and those who came in through either shared its island."""
    network = Islands(1, make)
    network.start(FIRST, ())
    network.run_until(1.0)
    network.loss_rate = 1.0
    network.start(SECOND, (FIRST,))
    network.run_until(3.0)
    network.loss_rate = 0.0
    network.side = {FIRST: 1}  # the router is away, and somebody calls
    network.start(THIRD, (SECOND,))
    network.cores[THIRD].engine.add_node(SECOND, now=network.now)
    network.drive(THIRD)
    network.run_until(60.0)
    assert network.cores[SECOND].engine.join_state is JoinState.JOINED
    network.side.clear()
    network.run_until(360.0)
    assert sizes(network) == [2, 2, 2]


@pytest.mark.parametrize("split_s", [900.0, 3600.0, 8 * 3600.0])
def test_without_the_bootstrap_node_the_lost_are_the_way_back(split_s: float) -> None:
    network = Islands(2)
    addresses = grown(network, 10)
    network.stop(FIRST)
    network.side = {address: number % 2 for number, address in enumerate(addresses)}
    network.run_until(network.now + split_s)
    network.side.clear()
    network.run_until(network.now + 300.0)
    assert network.is_connected()
    assert min(sizes(network)) >= 8


def test_a_larger_network_is_whole_again_by_its_lost_nodes() -> None:
    """Each knows so many that it does not ask its bootstrap node for an hour."""
    network = Islands(3)
    addresses = grown(network, 60, config=WIDE)
    assert all(core.engine._joining._entrances.is_wide for core in network.cores.values())
    network.side = {address: number % 2 for number, address in enumerate(addresses)}
    network.run_until(network.now + 3600.0)
    network.side.clear()
    network.run_until(network.now + 300.0)
    assert network.is_connected()
    assert network.wrong_lookups(20) == 0


def test_all_bootstrap_nodes_down_at_first_and_nodes_that_name_each_other() -> None:
    network = Islands(4)
    for address, bootstrap in ((SECOND, (FIRST,)), (THIRD, (FIRST,))):
        network.start(address, bootstrap)
    network.run_until(7200.0)
    assert [core.engine.join_state for core in network.cores.values()] == [JoinState.FAILED] * 2
    network.start(FIRST, (SECOND,))
    network.run_until(7200.0 + 300.0)
    assert sizes(network) == [2, 2, 2]


def test_two_islands_with_a_bootstrap_node_each_find_together() -> None:
    network = Islands(5)
    places = [place(number) for number in range(10)]
    network.side = {address: number % 2 for number, address in enumerate(places)}
    for number, address in enumerate(places):
        network.start(address, (FIRST, SECOND) if number > 1 else ())
    network.run_until(3600.0)
    assert sizes(network) == [4] * 10
    network.side.clear()
    network.run_until(3900.0)
    assert sizes(network) == [9] * 10


def test_islands_that_no_bootstrap_address_joins_are_joined_by_a_single_hint() -> None:
    network = Islands(6)
    places = [place(number) for number in range(10)]
    for number, address in enumerate(places):
        network.start(address, (places[number % 2],) if number > 1 else ())
    network.run_until(600.0)
    assert sizes(network) == [4] * 10
    network.cores[places[4]].engine.add_node(places[7], now=network.now)
    network.drive(places[4])
    network.run_until(900.0)
    assert sizes(network) == [9] * 10


def test_read_only_nodes_find_back_too() -> None:
    """Nobody calls them (BEP 43)."""
    network = Islands(7)
    addresses = grown(network, 5)
    shy = place(9)
    network.start(shy, (FIRST,), config=MainlineConfig(is_read_only=True))
    network.run_until(network.now + 60.0)
    assert len(list(network.cores[shy].table.live())) == 5
    network.side = {shy: 1}
    network.run_until(network.now + 3600.0)
    network.side.clear()
    network.run_until(network.now + 300.0)
    assert set(sizes(network)) == {4, 5}
    assert len(list(network.cores[shy].table.live())) == len(addresses)


def test_stale_acquaintances_and_a_friend_do_not_keep_a_node_from_the_bootstrap_address() -> None:
    """A state file of months ago of which one node is left, itself alone."""
    network = Islands(8)
    grown(network, 5)
    friend, back = place(20), place(21)
    network.start(friend, ())
    gone = tuple(Contact(Key.random(160, Random(number)), place(100 + number)) for number in range(50))
    network.restore(back, (FIRST,), (*gone, Contact(network.cores[friend].node_id, friend)))
    core = network.cores[back]
    network.run_until(network.now + 300.0)
    assert len(list(core.table.live())) == 6
    assert len(list(network.cores[friend].table.live())) == 6


def test_a_small_quiet_network_says_little() -> None:
    """An hour of ten nodes: upkeep, and 20 to 25 questions of each to the bootstrap node."""
    network = Islands(10)
    addresses = grown(network, 10)
    network.sent.clear()
    network.asked.clear()
    network.run_until(network.now + 3600.0)
    assert 9 * 18 <= network.asked[FIRST] <= 9 * 27
    # For each of nine others a ping and an answer in a quarter of an hour, and the questions above and their answers.
    assert max(network.sent[address] for address in addresses[1:]) < 300
    assert network.sent[FIRST] < 600


def test_a_node_that_knows_the_network_leaves_public_routers_in_peace() -> None:
    network = Islands(11)
    addresses = grown(network, 40, config=WIDE)
    network.asked.clear()
    network.run_until(network.now + 2 * 3600.0)
    assert network.asked[FIRST] <= 2 / 0.8 * len(addresses)


def test_a_table_that_has_become_narrow_is_reason_to_ask_again_soon() -> None:
    network = Islands(14)
    addresses = grown(network, 40, config=WIDE)
    survivor = addresses[20]
    assert network.cores[survivor].engine._joining._entrances.is_wide
    for address in addresses[1:]:
        if address != survivor:
            network.stop(address)
    network.asked.clear()
    network.run_until(network.now + 2 * 3600.0)
    assert network.asked[FIRST] >= 20  # it takes some twenty minutes to find out that so many are gone


def test_routers_that_never_answer_are_asked_ever_more_rarely() -> None:
    network = Islands(12)
    network.start(SECOND, (FIRST,))
    network.run_until(86_400.0)
    assert network.asked[FIRST] <= 86_400 / 180
    assert network.sent[SECOND] <= 2 * (network.asked[FIRST] + 1)


def test_after_sleep_a_node_asks_its_bootstrap_address_at_once() -> None:
    """A laptop in another place: the clock has jumped, and all that it knew are gone."""
    network = Islands(13)
    addresses = grown(network, 10)
    core = network.cores[addresses[5]]
    for address in addresses[1:]:
        if address != addresses[5]:
            network.stop(address)
    network.asked.clear()
    network.now += 8 * 3600.0
    core.handle_timer(now=network.now)
    network.drive(addresses[5])
    network.run_until(network.now)
    assert network.asked[FIRST] == 1
    network.run_until(network.now + 1.0)
    assert core.engine.join_state is JoinState.JOINED

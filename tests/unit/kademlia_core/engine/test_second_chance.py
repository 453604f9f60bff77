"""What a single node holds is found though the first answer of that node is lost."""

from __future__ import annotations

import pytest

from kademlia_core import Key, LookupConfig
from kademlia_core.engine.events import Found, LookupFinished
from kademlia_core.mainline import krpc
from kademlia_core.mainline.config import MainlineConfig
from kademlia_core.mainline.messages import GetPeers, Query, Response
from kademlia_core.mainline.peer_lookup import Announcement
from tests.unit.kademlia_core.virtual_network import VirtualNetwork, joined
from transfer.address import Address

INFO_HASH = Key.from_bytes(b"i" * 20)


class LossyNetwork(VirtualNetwork):
    """Loses the first `answers_to_lose` answers of `holder` to `get_peers`, and counts the questions."""

    def __init__(self) -> None:
        super().__init__()
        self.holder: Address | None = None
        self.answers_to_lose = 0
        self.questions = 0

    def _deliver(self, data: bytes, source: Address, destination: Address) -> None:
        message = krpc.decode(data)
        self.questions += isinstance(message, Query) and isinstance(message.request, GetPeers)
        if source == self.holder and isinstance(message, Response) and message.token and self.answers_to_lose:
            self.answers_to_lose -= 1
            return
        super()._deliver(data, source, destination)


@pytest.mark.parametrize("paths", [1, 2])
@pytest.mark.parametrize(("lost", "is_found"), [(0, True), (1, True), (2, False)])
def test_the_silent_are_asked_twice_before_nothing_is_found(paths: int, lost: int, is_found: bool) -> None:
    network = LossyNetwork()
    config = MainlineConfig(lookup=LookupConfig(paths=paths))
    addresses = joined(network, 30, config)
    core = network.command(addresses[3])
    search = core.find_peers(INFO_HASH, announcement=Announcement(INFO_HASH, 7000), now=network.now)
    network.run(10.0)
    network.events[addresses[3]].clear()
    holders = [contact.address for contact in search.accepted()]
    for address in holders[1:]:
        del network.cores[address]
    network.holder, network.answers_to_lose = holders[0], lost
    asking = next(
        address for address in addresses if address in network.cores and address not in (addresses[3], holders[0])
    )
    network.command(asking).find_peers(INFO_HASH, now=network.now)
    network.run(10.0)
    found = [event for event in network.events[asking] if isinstance(event, Found)]
    assert bool(found) is is_found
    assert any(isinstance(event, LookupFinished) for event in network.events[asking])


def test_who_finds_something_asks_nobody_twice() -> None:
    network = LossyNetwork()
    addresses = joined(network, 30)
    core = network.command(addresses[3])
    search = core.find_peers(INFO_HASH, announcement=Announcement(INFO_HASH, 7000), now=network.now)
    network.run(10.0)
    for contact in search.accepted()[1:4]:
        del network.cores[contact.address]
    network.questions = 0
    asking = next(address for address in addresses if address in network.cores and address != addresses[3])
    search = network.command(asking).find_peers(INFO_HASH, now=network.now)
    network.run(10.0)
    assert network.questions == search.stats.queries


class MeasuredNetwork(LossyNetwork):
    """Adds up the bytes of the questions of one node, and of the answers that reach it."""

    def __init__(self) -> None:
        super().__init__()
        self.asking: Address | None = None
        self.sent_bytes = self.received_bytes = 0

    def _deliver(self, data: bytes, source: Address, destination: Address) -> None:
        message, lost = krpc.decode(data), self.answers_to_lose
        super()._deliver(data, source, destination)
        if source == self.asking and isinstance(message, Query) and isinstance(message.request, GetPeers):
            self.sent_bytes += len(data)
        if destination == self.asking and isinstance(message, Response) and message.token:
            self.received_bytes += len(data) if lost == self.answers_to_lose else 0


@pytest.mark.parametrize("lost", [0, 1, 2])
def test_second_questions_and_their_answers_count_as_traffic(lost: int) -> None:
    network = MeasuredNetwork()
    addresses = joined(network, 12)
    closest = network.command(addresses[3]).engine.find_node(INFO_HASH, now=network.now)
    network.run(5.0)
    network.asking = addresses[7]
    network.holder = next(one.address for one in closest.result() if one.address != network.asking)
    network.answers_to_lose = lost
    search = network.command(network.asking).find_peers(INFO_HASH, now=network.now)
    network.run(20.0)
    assert search.is_finished
    assert network.answers_to_lose == 0
    assert (search.stats.sent_bytes, search.stats.received_bytes) == (network.sent_bytes, network.received_bytes)

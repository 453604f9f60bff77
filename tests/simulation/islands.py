"""A network that faults take apart: nodes start in any order, datagrams are lost, partitions come and go.

The cores are the real ones, mainline or keys and values, on a virtual clock without event loop, so that hours of
many networks cost seconds. What a shell does is done here: bootstrap addresses are handed over when they are wanted.

`python -m tests.simulation.islands FIRST LAST` plays seeds.
"""

from __future__ import annotations

import heapq
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import count
from random import Random
from typing import Any

from kademlia_core.contact import Contact
from kademlia_core.engine.events import JoinWanted
from kademlia_core.key import Key
from kademlia_core.keyvalue.core import KeyValueCore
from kademlia_core.mainline.core import MainlineCore
from transfer.address import Address

DELAY_S = 0.05
WHOLE_AFTER_S = 300.0


class Islands:
    """Nodes, each at an address of its own, and what becomes of their datagrams.

    Args:
        make: makes a core, given its rng and the time.
    """

    def __init__(self, seed: int, make: Callable[..., Any] = MainlineCore) -> None:
        self.rng = Random(seed)
        self.now = 0.0
        self.cores: dict[Address, Any] = {}
        self.side: dict[Address, int] = {}  # datagrams reach only those of the same side
        self.loss_rate = 0.0
        self.sent: Counter[Address] = Counter()  # by each
        self.asked: Counter[Address] = Counter()  # of each, by bootstrap questions
        self._make = make
        self._bootstrap: dict[Address, tuple[Address, ...]] = {}
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = count()
        self._timers: dict[Address, float] = {}

    def at(self, time: float, action: Callable[[], None]) -> None:
        heapq.heappush(self._events, (time, next(self._numbers), action))

    def start(self, address: Address, bootstrap: tuple[Address, ...], **options: Any) -> None:
        """A node comes, or comes back without knowing anything."""
        self._new(address, bootstrap, options).engine.join(bootstrap, alone=not bootstrap, now=self.now)
        self.drive(address)

    def restore(
        self, address: Address, bootstrap: tuple[Address, ...], contacts: tuple[Contact, ...], **options: Any
    ) -> None:
        """A node comes back that knew `contacts`."""
        self._new(address, bootstrap, options).engine.restore(contacts, now=self.now)
        self.drive(address)

    def stop(self, address: Address) -> None:
        del self.cores[address]

    def run_until(self, time: float) -> None:
        while self._events and self._events[0][0] <= time:
            self.now, _, action = heapq.heappop(self._events)
            action()
        self.now = time

    def drive(self, address: Address) -> None:
        """Carries out what a core wants. Call it after each command."""
        core = self.cores.get(address)
        if core is None:
            return
        for data, target in core.datagrams_to_send():
            self.sent[address] += 1
            self._send(data, address, target)
        while (event := core.next_event()) is not None:
            if isinstance(event, JoinWanted):
                self.at(self.now, lambda: self._join(address, core))
        due = core.next_timer()
        if self._timers.get(address, due + 1) > due or self._timers[address] <= self.now:
            self._timers[address] = due
            self.at(max(due, self.now), lambda: self._tick(address, core))

    def is_connected(self) -> bool:
        """Whether everybody can be reached from everybody by the tables."""
        return all(len(self._reachable(start)) == len(self.cores) for start in self.cores)

    def wrong_lookups(self, lookups: int) -> int:
        """How many of so many lookups do not find the node that is closest to a random key."""
        wrong = 0
        for _ in range(lookups):
            origin = self.rng.choice(sorted(self.cores))
            core = self.cores[origin]
            target = Key.random(160, self.rng)
            search = core.engine.find_node(target, now=self.now)
            self.drive(origin)
            self.run_until(self.now + 20.0)
            others = [other.node_id for address, other in self.cores.items() if address != origin]
            closest = min(others, key=lambda key: key ^ target)
            wrong += [contact.key for contact in search.result()[:1]] != [closest]
        return wrong

    def _new(self, address: Address, bootstrap: tuple[Address, ...], options: dict[str, Any]) -> Any:
        core = self.cores[address] = self._make(rng=Random(self.rng.getrandbits(64)), now=self.now, **options)
        self._bootstrap[address] = bootstrap
        self._timers.pop(address, None)
        return core

    def _reachable(self, start: Address) -> set[Address]:
        seen, waiting = {start}, [start]
        while waiting:
            for contact in self.cores[waiting.pop()].table.live():
                if contact.address in self.cores and contact.address not in seen:
                    seen.add(contact.address)
                    waiting.append(contact.address)
        return seen

    def _join(self, address: Address, core: Any) -> None:
        if self._lives(address, core):
            core.engine.join(self._bootstrap[address], alone=not self._bootstrap[address], now=self.now)
            self.asked.update(self._bootstrap[address])
            self.drive(address)

    def _lives(self, address: Address, core: Any) -> bool:
        return self.cores.get(address) is core

    def _tick(self, address: Address, core: Any) -> None:
        if self._lives(address, core) and self._timers[address] <= self.now:
            core.handle_timer(now=self.now)
            self.drive(address)

    def _send(self, data: bytes, source: Address, target: Address) -> None:
        if self.side.get(source, 0) == self.side.get(target, 0) and self.rng.random() >= self.loss_rate:
            self.at(self.now + DELAY_S * self.rng.uniform(0.5, 1.5), lambda: self._deliver(data, source, target))

    def _deliver(self, data: bytes, source: Address, target: Address) -> None:
        core = self.cores.get(target)
        if core is not None:
            core.receive_datagram(data, source, now=self.now)
            self.drive(target)


def place(number: int) -> Address:
    """Each node in a part of the internet of its own."""
    return Address(f"{20 + number % 90}.{number}.7.9", 6881)


def play(seed: int) -> Islands:
    """One network with the faults that the seed draws; five minutes after the last of them it must be whole."""
    rng = Random(seed)
    network = Islands(seed, KeyValueCore if seed % 2 else MainlineCore)
    addresses = [place(number) for number in range(rng.choice([2, 3, 5, 10, 10, 16, 30]))]
    entrances = tuple(addresses[: rng.choice([1, 1, 2, 3])])
    # The entrances know each other, or themselves, or one of them begins alone.
    kinds: list[tuple[Address, ...]] = [entrances, entrances if len(entrances) > 1 else ()]
    own = rng.choice(kinds)
    network.loss_rate = rng.choice([0.0, 0.5, 0.9, 1.0])
    network.at(30.0, lambda: setattr(network, "loss_rate", 0.0))
    last_fault = 30.0
    for address in rng.sample(addresses, len(addresses)):
        starts_at = rng.uniform(0.0, rng.choice([1.0, 30.0, 120.0]))
        last_fault = max(last_fault, starts_at)
        bootstrap = own if address in entrances else entrances
        network.at(starts_at, lambda address=address, bootstrap=bootstrap: network.start(address, bootstrap))  # type: ignore[misc]
    # Strangers who call whom they know from elsewhere: the one caller that used to keep a node on its island.
    for _ in range(rng.randrange(4)):
        caller, called = rng.choice(addresses), rng.choice(addresses)
        network.at(rng.uniform(1.0, 30.0), lambda caller=caller, called=called: hint(network, caller, called))  # type: ignore[misc]
    check(network, last_fault, addresses, seed)
    began_at = network.now
    split(network, rng, addresses)
    network.run_until(began_at + rng.choice([60.0, 600.0, 3600.0, 3600.0]))
    if rng.random() < 0.5 and own:
        again = rng.choice(addresses)  # a node that comes back within the partition, and knows nobody
        network.start(again, own if again in entrances else entrances)
        network.run_until(network.now + 60.0)
    network.side.clear()
    check(network, network.now, addresses, seed)
    return network


def hint(network: Islands, caller: Address, called: Address) -> None:
    if caller in network.cores and caller != called:
        network.cores[caller].engine.add_node(called, now=network.now)
        network.drive(caller)


def split(network: Islands, rng: Random, addresses: Sequence[Address]) -> None:
    sides = rng.choice([2, 2, 3])
    network.side = {address: rng.randrange(sides) for address in addresses}


def check(network: Islands, last_fault: float, addresses: Sequence[Address], seed: int) -> None:
    network.run_until(last_fault + WHOLE_AFTER_S)
    sizes = sorted(len(core.table) for core in network.cores.values())
    assert len(network.cores) == len(addresses)
    assert network.is_connected(), f"seed {seed}: islands, tables {sizes}"
    if len(addresses) <= 9:
        knows = [set(core.table.live()) for core in network.cores.values()]
        assert min(map(len, knows)) == len(addresses) - 1, f"seed {seed}: tables {sizes}"
    wrong = network.wrong_lookups(5)
    assert not wrong, f"seed {seed}: {wrong} of 5 lookups miss the closest, tables {sizes}"
    for core in network.cores.values():
        core.check_invariants()


if __name__ == "__main__":
    failed = 0
    for number in range(int(sys.argv[1]), int(sys.argv[2]) + 1):
        try:
            play(number)
        except AssertionError as error:
            failed += 1
            print(error, flush=True)
    print(f"{failed} of {int(sys.argv[2]) - int(sys.argv[1]) + 1} networks did not become whole")

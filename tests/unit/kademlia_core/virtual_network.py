"""Mainline cores on a virtual clock and wire: the machines are the real ones."""

from __future__ import annotations

from random import Random
from typing import Any

from kademlia_core.engine.events import Event, JoinWanted
from kademlia_core.mainline.config import MainlineConfig
from kademlia_core.mainline.core import MainlineCore
from transfer.address import Address

DELAY_S = 0.05


class VirtualNetwork:
    """Delivers datagrams after `DELAY_S` in the order of sending, to whoever is at the address.

    The next `losses` datagrams are lost. `outsiders` collects what is sent to
    addresses without a core, so that a test can play a node by hand.
    """

    def __init__(self) -> None:
        self.now = 0.0
        self.cores: dict[Address, Any] = {}
        self.events: dict[Address, list[Event]] = {}
        self.outsiders: list[tuple[bytes, Address, Address]] = []
        self.losses = 0
        self._in_flight: list[tuple[float, bytes, Address, Address]] = []

    def add(self, number: int, *, config: MainlineConfig | None = None) -> Address:
        """A new mainline core at 10.0.x.y:6881."""
        return self.add_core(number, MainlineCore(rng=Random(number), now=self.now, config=config))

    def add_core(self, number: int, core: Any) -> Address:
        """The same for a core of any dialect."""
        address = Address(f"10.0.{number // 250}.{number % 250 + 1}", 6881)
        self.cores[address] = core
        self.events[address] = []
        return address

    def join(self, address: Address, *bootstrap: Address) -> None:
        self.cores[address].engine.join(bootstrap, alone=not bootstrap, now=self.now)
        self._collect(address)

    def send(self, data: bytes, source: Address, destination: Address) -> None:
        """A datagram from an outsider, or one that claims to be from somebody."""
        self._in_flight.append((self.now + DELAY_S, data, source, destination))

    def command(self, address: Address) -> MainlineCore:
        """The core at `address`, for a command; what it sends goes out at the next `run`."""
        core: MainlineCore = self.cores[address]
        return core

    def run(self, duration_s: float) -> None:
        """Lets so much virtual time pass."""
        end = self.now + duration_s
        while True:
            for address in list(self.cores):
                self._collect(address)
            timers = [(core.next_timer(), address) for address, core in self.cores.items()]
            next_timer = min(timers, default=(end + 1, Address("", 0)))
            arrival = self._in_flight[0][0] if self._in_flight else end + 1
            if min(arrival, next_timer[0]) > end:
                self.now = end
                return
            if arrival <= next_timer[0]:
                self.now, data, source, destination = self._in_flight.pop(0)
                self._deliver(data, source, destination)
            else:
                self.now = max(self.now, next_timer[0])
                self.cores[next_timer[1]].handle_timer(now=self.now)

    def _deliver(self, data: bytes, source: Address, destination: Address) -> None:
        if self.losses:
            self.losses -= 1
            return
        core = self.cores.get(destination)
        if core is None:
            self.outsiders.append((data, source, destination))
        else:
            core.receive_datagram(data, source, now=self.now)

    def _collect(self, address: Address) -> None:
        core = self.cores[address]
        self._in_flight += [(self.now + DELAY_S, data, address, to) for data, to in core.datagrams_to_send()]
        while (event := core.next_event()) is not None:
            self.events[address].append(event)

    def take_join_wanted(self, address: Address) -> bool:
        """Whether the core has asked for bootstrap addresses since the last call."""
        wanted = any(isinstance(event, JoinWanted) for event in self.events[address])
        self.events[address] = [event for event in self.events[address] if not isinstance(event, JoinWanted)]
        return wanted


def joined(network: VirtualNetwork, count: int, config: MainlineConfig | None = None) -> list[Address]:
    """A network of `count` nodes that all came in through the first."""
    addresses = [network.add(number, config=config) for number in range(count)]
    network.join(addresses[0])
    for address in addresses[1:]:
        network.join(address, addresses[0])
        network.run(2.0)
    return addresses

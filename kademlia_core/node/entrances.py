"""The bootstrap addresses: asked when the node comes, and again for as long as it lives."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kademlia_core.node.messages import FindNode
from transfer.subnet import region_of

if TYPE_CHECKING:
    from collections.abc import Iterable
    from random import Random

    from kademlia_core.contact import Contact
    from kademlia_core.node.config import NodeConfig
    from kademlia_core.node.searches import Network
    from kademlia_core.node.transactions import Asker
    from kademlia_core.routing_table import RoutingTable
    from transfer.address import Address


class Entrances:
    """Asks bootstrap addresses in rounds, and says when the next round is due.

    The rule. A table is *wide* when its nodes are in `wide_regions` parts of the network, so that the node cannot be on
    an island which one lost datagram or a partition has made; otherwise it is *narrow*. While it is narrow, all
    addresses are asked again: after `join_retry_s`, doubled each time up to `join_retry_max_s`, as long as none of them
    answers, and every `join_retry_max_s` once one has, because the others may be on another island. While it is
    wide, one address of each batch is asked every `wide_retry_s`, so that public routers are left in peace.

    Whoever composes this asks it for a round with `begin`, hands on what becomes of the queries, and calls `schedule`
    when `is_asking` has become false.
    """

    def __init__(self, table: RoutingTable, *, network: Network, asker: Asker, config: NodeConfig, rng: Random) -> None:
        self._table = table
        self._network = network
        self._asker = asker
        self._config = config
        self._rng = rng
        self._awaited: dict[Address, int] = {}  # to how often it has been asked in this round
        self._awaits_more = False
        self._is_polite = False
        self._has_answered = False
        self._retry_s = config.join_retry_s
        self.due_at: float | None = None

    @property
    def is_asking(self) -> bool:
        """Whether a round is under way: an answer, or an address to be asked, is awaited."""
        return self._awaits_more or bool(self._awaited)

    @property
    def is_wide(self) -> bool:
        wanted = self._config.wide_regions
        return len(self._table) >= wanted and count_regions(self._table.live(), limit=wanted) >= wanted

    def begin(self, addresses: tuple[Address, ...], *, awaits_more: bool, is_polite: bool, now: float) -> None:
        """Begins a round, in place of the one under way.

        Args:
            awaits_more: further addresses are on their way to `add`.
            is_polite: ask no more of them than must be.
        """
        self.due_at = None
        self._awaited = {}
        self._has_answered = False
        self._is_polite = is_polite and self.is_wide
        self.add(addresses, awaits_more=awaits_more, now=now)

    def add(self, addresses: tuple[Address, ...], *, awaits_more: bool, now: float) -> None:
        """More addresses for the round."""
        self._awaits_more = awaits_more
        if addresses and self._is_polite:
            addresses = (self._rng.choice(addresses),)
        for address in addresses:
            self._ask(address, 0, now)

    def on_answer(self, address: Address) -> None:
        if self._awaited.pop(address, None) is not None:
            self._has_answered = True
            self._retry_s = self._config.join_retry_s

    def on_failure(self, address: Address, *, now: float) -> bool:
        """Returns whether the query was one of this round."""
        attempts = self._awaited.pop(address, None)
        if attempts is None:
            return False
        if attempts < self._config.join_attempts:
            self._ask(address, attempts, now)
        return True

    def schedule(self, *, is_joined: bool, now: float) -> None:
        """A round is over: when the next one is due."""
        config = self._config
        if is_joined and self.is_wide:
            delay_s = config.wide_retry_s
        elif is_joined and self._has_answered:
            delay_s = config.join_retry_max_s
        else:
            delay_s = self._retry_s
            self._retry_s = min(2 * self._retry_s, config.join_retry_max_s)
        if is_joined:  # nodes that came at the same time shall not go on asking at the same time
            delay_s *= self._rng.uniform(0.8, 1.0)
        self.due_at = now + delay_s

    def hurry(self, delay_s: float, *, now: float) -> None:
        """Something has changed: the next round is due within `delay_s`. A round under way goes on."""
        self._retry_s = self._config.join_retry_s
        if self.due_at is not None:
            self.due_at = min(self.due_at, now + delay_s)

    def _ask(self, address: Address, attempts: int, now: float) -> None:
        if self._network.ask(address, FindNode(self._table.own_key), self._asker, now=now):
            self._awaited[address] = attempts + 1


def count_regions(contacts: Iterable[Contact], *, limit: int) -> int:
    """In how many parts of the network contacts are, counted up to `limit`: IPv4 /16 and IPv6 /32; where addresses are
    private, each contact is a part by itself.
    """
    regions: set[bytes | Address] = set()
    for contact in contacts:
        regions.add(region_of(contact.address.host) or contact.address)
        if len(regions) >= limit:
            break
    return len(regions)

"""One k-bucket: the nodes of one stretch of the key space, those in reserve, and the clock that judges them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from kademlia_core.subnet import subnet_of

if TYPE_CHECKING:
    from kademlia_core.config import RoutingTableConfig
    from kademlia_core.contact import Contact
    from kademlia_core.key import Key


class NodeState(Enum):
    """BEP 5's three states."""

    GOOD = "good"
    QUESTIONABLE = "questionable"
    BAD = "bad"


class Entry:
    """A node that has answered us at least once, and when it last showed life."""

    __slots__ = ("contact", "failures", "seen_at", "subnet")

    def __init__(self, contact: Contact, now: float) -> None:
        self.contact = contact
        self.subnet = subnet_of(contact.address.host)
        self.seen_at = now
        self.failures = 0

    def answered(self, now: float) -> None:
        self.seen_at = now
        self.failures = 0

    def queried_us(self, now: float) -> None:
        """Counts as life for BEP 5, since the node has answered before; it does not excuse unanswered queries."""
        self.seen_at = now

    def state(self, now: float, config: RoutingTableConfig) -> NodeState:
        if self.failures >= config.bad_after_failures:
            return NodeState.BAD
        if self.failures or now - self.seen_at >= config.good_for_s:
            return NodeState.QUESTIONABLE
        return NodeState.GOOD


@dataclass(slots=True, eq=False)
class Bucket:
    """Entries by key in order of arrival, replacements likewise (the newest is promoted first).

    `changed_at` is BEP 5's "last changed": an answer from, or a change of, one of the entries.
    """

    entries: dict[Key, Entry]
    replacements: dict[Key, Entry]
    changed_at: float

    def find(self, key: Key) -> Entry | None:
        return self.entries.get(key) or self.replacements.get(key)

    def questionable(self, now: float, config: RoutingTableConfig) -> Entry | None:
        """The questionable entry that has been silent longest."""
        unsure = [entry for entry in self.entries.values() if entry.state(now, config) is NodeState.QUESTIONABLE]
        return min(unsure, key=lambda entry: entry.seen_at, default=None)

    def bad(self, config: RoutingTableConfig) -> Entry | None:
        """The bad entry with the most failures."""
        worst = max(self.entries.values(), key=lambda entry: entry.failures, default=None)
        return worst if worst is not None and worst.failures >= config.bad_after_failures else None

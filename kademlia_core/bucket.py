"""One k-bucket: the nodes of one stretch of the key space, those in reserve, and the clock that judges them."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Hashable

    from kademlia_core.config import RoutingTableConfig
    from kademlia_core.contact import Contact


class NodeState(Enum):
    """BEP 5's three states."""

    GOOD = "good"
    QUESTIONABLE = "questionable"
    BAD = "bad"


class Entry:
    """A node that has answered us at least once, and when it last showed life."""

    __slots__ = ("bucket", "contact", "failures", "group", "is_verified", "seen_at", "value")

    bucket: Bucket

    def __init__(self, contact: Contact, group: Hashable | None, is_verified: bool, *, now: float) -> None:
        self.contact = contact
        self.value = contact.key.value
        self.group = group
        self.is_verified = is_verified
        self.seen_at = now
        self.failures = 0

    def state(self, config: RoutingTableConfig, *, now: float) -> NodeState:
        if self.failures >= config.bad_after_failures:
            return NodeState.BAD
        if self.failures or now - self.seen_at >= config.good_for_s:
            return NodeState.QUESTIONABLE
        return NodeState.GOOD


class Bucket:
    """Entries by the value of their key in order of arrival, replacements likewise.

    `changed_at` is BEP 5's "last changed": an answer from, or a change of, one of the entries.

    The entries that left no query unanswered are kept a second time, in cells of about `cell_size` each, by the bits
    that follow those which all keys of the bucket share: so a bucket of 128 costs a search no more than one of 8.

    Invariants: each entry is either among the failing or, if it has no failures, in the cell of its key.
    """

    __slots__ = (
        "_cell_shift",
        "_cells",
        "_compact",
        "_failing",
        "_is_verified",
        "_live",
        "capacity",
        "changed_at",
        "entries",
        "replacements",
    )

    def __init__(self, *, capacity: int, changed_at: float) -> None:
        self.capacity = capacity
        self.changed_at = changed_at
        self.entries: dict[int, Entry] = {}
        self.replacements: dict[int, Entry] = {}
        self._cells: list[dict[int, Contact]] = [{}]
        self._cell_shift = 0
        self._failing: dict[int, Entry] = {}
        # These are made when asked for, and kept until something changes.
        self._live: tuple[Contact, ...] | None = None
        self._compact: bytes | None = None
        self._is_verified: bool | None = None

    def enlarge(self, capacity: int, *, cell_size: int, free_bits: int) -> None:
        """Grows to `capacity`, now that all keys of the bucket agree in all but the last `free_bits` bits."""
        self.capacity = capacity
        cell_bits = min(free_bits, max(0, (capacity // cell_size).bit_length() - 1))
        self._cells = [{} for _ in range(1 << cell_bits)]
        self._cell_shift = free_bits - cell_bits
        self._forget()
        for value, entry in self.entries.items():
            if not entry.failures:
                self._cell_of(value)[value] = entry.contact

    @property
    def is_full(self) -> bool:
        return len(self.entries) >= self.capacity

    def add(self, entry: Entry) -> None:
        entry.bucket = self
        self._forget()
        self.entries[entry.value] = entry
        if entry.failures:
            self._failing[entry.value] = entry
        else:
            self._cell_of(entry.value)[entry.value] = entry.contact

    def remove(self, entry: Entry) -> None:
        del self.entries[entry.value]
        self._forget()
        if entry.failures:
            del self._failing[entry.value]
        else:
            del self._cell_of(entry.value)[entry.value]

    def reserve(self, entry: Entry) -> None:
        entry.bucket = self
        self.replacements[entry.value] = entry

    def find(self, value: int) -> Entry | None:
        return self.entries.get(value) or self.replacements.get(value)

    def answered(self, entry: Entry, *, now: float) -> bool:
        """Returns whether the node has a place here, not only in the reserve."""
        entry.seen_at = now
        is_placed = entry.value in self.entries
        if is_placed:
            self.changed_at = now
            if entry.failures:
                self._forget()
                del self._failing[entry.value]
                self._cell_of(entry.value)[entry.value] = entry.contact
        entry.failures = 0
        return is_placed

    def failed(self, entry: Entry) -> None:
        """A query stayed unanswered."""
        if not entry.failures and entry.value in self.entries:
            self._forget()
            del self._cell_of(entry.value)[entry.value]
            self._failing[entry.value] = entry
        entry.failures += 1

    def all_live(self, count: int) -> tuple[Contact, ...] | None:
        """The contacts that left no query unanswered, if there are exactly `count`: then no target matters."""
        if len(self.entries) - len(self._failing) != count:
            return None
        if self._live is None:
            self._live = tuple(contact for cell in self._cells for contact in cell.values())
        return self._live

    def all_live_compact(self, count: int) -> bytes | None:
        """The compact forms of `all_live`, one after the other."""
        live = self.all_live(count)
        if live is not None and self._compact is None:
            self._compact = b"".join([contact.compact() for contact in live])
        return self._compact if live is not None else None

    def closest(self, target: int, count: int, max_failures: int) -> list[Contact]:
        """The contacts with at most `max_failures` whose keys are closest to the value `target`, closest first."""
        cells = self._cells
        home = target >> self._cell_shift & len(cells) - 1
        found = _closest(cells[home], target, count)
        step = 1
        while len(found) < count and step < len(cells):  # XOR orders cells by their numbers as it does keys
            found += _closest(cells[home ^ step], target, count - len(found))
            step += 1
        if max_failures and self._failing:
            found += [entry.contact for entry in self._failing.values() if entry.failures <= max_failures]
            found = sorted(found, key=lambda contact: contact.key.value ^ target)[:count]
        return found

    def questionable(self, config: RoutingTableConfig, *, now: float) -> Entry | None:
        """The questionable entry that has been silent longest."""
        unsure = [entry for entry in self.entries.values() if entry.state(config, now=now) is NodeState.QUESTIONABLE]
        return min(unsure, key=lambda entry: entry.seen_at, default=None)

    def bad(self, config: RoutingTableConfig) -> Entry | None:
        """The bad entry with the most failures; among equals the one whose failures began first."""
        if not self._failing:
            return None
        worst = max(self._failing.values(), key=lambda entry: entry.failures)
        return worst if worst.failures >= config.bad_after_failures else None

    @property
    def is_verified(self) -> bool:
        """Whether all entries are."""
        if self._is_verified is None:
            self._is_verified = all(entry.is_verified for entry in self.entries.values())
        return self._is_verified

    def unverified(self, config: RoutingTableConfig, *, now: float) -> list[Entry]:
        """The entries that give way to a verified node: questionable ones first, then those that came last.

        Among good nodes the oldest stay, since a node long there will probably stay longest (the Kademlia paper,
        section 2.2).
        """
        newest_first = [entry for entry in reversed(self.entries.values()) if not entry.is_verified]
        return sorted(newest_first, key=lambda entry: entry.state(config, now=now) is NodeState.GOOD)

    def next_replacement(self) -> Entry:
        """The newest one in reserve, a verified one if there is any."""
        newest_first = list(reversed(self.replacements.values()))
        return next((entry for entry in newest_first if entry.is_verified), newest_first[0])

    def last_replacement(self) -> Entry:
        """The entry that the reserve can best do without: the oldest, an unverified one if there is any."""
        oldest_first = list(self.replacements.values())
        return next((entry for entry in oldest_first if not entry.is_verified), oldest_first[0])

    def check_invariants(self) -> None:
        """Asserts what the class promises."""
        assert len(self.entries) <= self.capacity
        assert all(entry.bucket is self for entry in (*self.entries.values(), *self.replacements.values()))
        assert all(value == entry.contact.key.value for value, entry in self.entries.items())
        assert all(value == entry.contact.key.value for value, entry in self.replacements.items())
        assert self._failing == {value: entry for value, entry in self.entries.items() if entry.failures}
        assert sum(map(len, self._cells)) + len(self._failing) == len(self.entries)
        for value, entry in self.entries.items():
            assert entry.failures or self._cell_of(value)[value] is entry.contact
        live = {entry.contact for entry in self.entries.values() if not entry.failures}
        assert self._live is None or set(self._live) == live
        assert self._is_verified in (None, all(entry.is_verified for entry in self.entries.values()))
        assert self._compact is None or self._compact == b"".join(contact.compact() for contact in self._live or ())

    def _forget(self) -> None:
        self._live = self._compact = self._is_verified = None

    def _cell_of(self, value: int) -> dict[int, Contact]:
        return self._cells[value >> self._cell_shift & len(self._cells) - 1]


def _closest(contacts: dict[int, Contact], target: int, count: int) -> list[Contact]:
    """Sorting distances and finding their contacts again is quicker than sorting contacts by a key function."""
    return [contacts[distance ^ target] for distance in sorted([value ^ target for value in contacts])[:count]]

"""The contacts a lookup knows, in order of distance, and which of them are in the running for the result."""

from __future__ import annotations

from bisect import insort
from enum import IntEnum
from operator import attrgetter
from typing import TYPE_CHECKING

from kademlia_core.endpoint import group_of as default_group_of

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Iterator

    from kademlia_core.config import LookupConfig
    from kademlia_core.contact import Contact
    from kademlia_core.endpoint import Endpoint
    from kademlia_core.key import Key


class State(IntEnum):
    """Where a candidate stands; the higher, the less is to be expected of it."""

    ANSWERED = 0
    WAITING = 1
    UNQUERIED = 2
    SLOW = 3  # silent for the short time-out: others are asked in its stead, but the lookup still waits
    OVERDUE = 4  # silent for longer than the lookup has patience, yet an answer would be welcome
    FAILED = 5


class Source:
    """A contact that named others, by what became of those."""

    __slots__ = ("answered", "silent")

    def __init__(self) -> None:
        self.answered = self.silent = 0


class Candidate:
    """A contact and what became of it in this lookup.

    `sources` are the contacts that named it before it was queried; none for a contact known from the start.
    """

    # fmt: off
    __slots__ = (
        "contact", "depth", "distance", "group", "is_borrowed", "is_silent", "is_trusted",
        "sent_at", "sources", "state",
    )
    # fmt: on

    def __init__(self, contact: Contact, distance: int, depth: int, group: Hashable | None, is_trusted: bool) -> None:
        self.contact = contact
        self.distance = distance
        self.depth = depth
        self.group = group
        self.is_trusted = is_trusted
        self.sources: list[Source] = []
        self.sent_at = 0.0
        self.state = State.UNQUERIED
        self.is_silent = False
        self.is_borrowed = False  # another path of the same lookup asks it

    def is_doubtful(self, most_silent: int) -> bool:
        """Whether all that named it have named too many silent ones, so that it may be an invention like those."""
        return bool(self.sources) and all(source.silent - source.answered > most_silent for source in self.sources)

    def fell_silent(self) -> None:
        """It outlasted the short time-out, or failed."""
        if not self.is_silent:
            self.is_silent = True
            for source in self.sources:
                source.silent += 1

    def spoke(self) -> None:
        """It answered, if late."""
        for source in self.sources:
            source.silent -= self.is_silent
            source.answered += 1
        self.is_silent = False


class CandidateList:
    """Candidates in order of distance to `target`.

    Invariants: each contact occurs once; no endpoint occurs under more than `max_keys_per_address` keys; at most
    `max_unqueried` candidates have not been queried. Beyond that doubtful ones are forgotten first, then the farthest.
    """

    def __init__(
        self,
        target: Key,
        *,
        config: LookupConfig,
        own_key: Key | None,
        is_trusted: Callable[[Contact], bool] | None,
        group_of: Callable[[Endpoint], Hashable | None] | None,
        radius: int,
    ) -> None:
        self.unqueried = 0
        self._target = target
        self._config = config
        self._own_key = own_key
        self._is_trusted = is_trusted
        self._group_of = group_of or default_group_of
        self._radius = radius
        self._ordered: list[Candidate] = []
        self._by_contact: dict[Contact, Candidate] = {}
        self._keys_at: dict[Endpoint, int] = {}

    def __iter__(self) -> Iterator[Candidate]:
        return iter(self._ordered)

    def __len__(self) -> int:
        return len(self._ordered)

    def __contains__(self, contact: Contact) -> bool:
        return contact in self._by_contact

    def find(self, contact: Contact) -> Candidate | None:
        return self._by_contact.get(contact)

    def add(self, contact: Contact, depth: int, source: Source | None = None) -> None:
        """A contact that `source` named, or known from the start. One that may not be queried is passed over."""
        known = self._by_contact.get(contact)
        if known is not None:
            is_open = known.state is State.UNQUERIED and bool(known.sources)
            if source is not None and is_open and known.sources[-1] is not source:  # twice in one answer counts once
                known.sources.append(source)
            return
        key, endpoint = contact.key, contact.endpoint
        if key.bits != self._target.bits or key == self._own_key:
            return
        if self._keys_at.get(endpoint, 0) >= self._config.max_keys_per_address:
            return
        distance = key ^ self._target
        if self.unqueried >= self._config.max_unqueried and not self._forget_farther_than(distance):
            return
        is_trusted = self._is_trusted is None or self._is_trusted(contact)
        candidate = Candidate(contact, distance, depth, self._group_of(endpoint), is_trusted)
        if source is not None:
            candidate.sources.append(source)
        insort(self._ordered, candidate, key=BY_DISTANCE)
        self._by_contact[contact] = candidate
        self._keys_at[endpoint] = self._keys_at.get(endpoint, 0) + 1  # forgetting one may have changed it
        self.unqueried += 1

    def front(self, worst: State) -> Iterator[Candidate]:
        """The candidates in the running for the result, out of those whose state is no worse than `worst`."""
        return front(self._ordered, worst, config=self._config, radius=self._radius)

    @property
    def has_prospects(self) -> bool:
        """Whether a contact in the running might still answer, not counting overdue and doubtful ones."""
        most_silent = self._config.max_silent_per_source
        return any(
            candidate.state is not State.ANSWERED
            and not (candidate.state is State.UNQUERIED and candidate.is_doubtful(most_silent))
            for candidate in self.front(State.SLOW)
        )

    def check_invariants(self) -> None:
        """Asserts what the class promises."""
        distances = [candidate.distance for candidate in self]
        assert distances == sorted(distances)
        assert len(self._ordered) == len(self._by_contact)
        assert all(candidate is self._by_contact[candidate.contact] for candidate in self)
        assert sum(candidate.state is State.UNQUERIED for candidate in self) == self.unqueried
        assert self.unqueried <= self._config.max_unqueried
        assert sum(self._keys_at.values()) == len(self._ordered)
        assert all(0 < count <= self._config.max_keys_per_address for count in self._keys_at.values())

    def _forget_farther_than(self, distance: int) -> bool:
        """Makes room by forgetting one that is not queried yet: a doubtful one, or the farthest if it is farther."""
        most_silent = self._config.max_silent_per_source
        for index, other in enumerate(self._ordered):
            if other.state is State.UNQUERIED and other.is_doubtful(most_silent):
                self._forget(index)
                return True
        for index in range(len(self._ordered) - 1, -1, -1):
            other = self._ordered[index]
            if other.distance <= distance:
                return False
            if other.state is State.UNQUERIED:
                self._forget(index)
                return True
        return False

    def _forget(self, index: int) -> None:
        contact = self._ordered.pop(index).contact
        del self._by_contact[contact]
        self._keys_at[contact.endpoint] -= 1
        if not self._keys_at[contact.endpoint]:
            del self._keys_at[contact.endpoint]
        self.unqueried -= 1


def front(ordered: Iterable[Candidate], worst: State, *, config: LookupConfig, radius: int) -> Iterator[Candidate]:
    """The leading candidates, closest first: `k` of them, then up to `max_extra` closer than `radius`.

    Others farther away come before contacts of a group that has `max_per_subnet` in the front, before the untrusted
    once there are `max_untrusted`, and before those named only by sources of too many silent ones. When there are no
    others, those that gave way follow last.
    """
    spare: list[Candidate] = []
    groups: dict[Hashable, int] = {}
    count, untrusted = 0, 0
    unqueried = State.UNQUERIED  # once: to look up a member of an Enum takes longer than the rest of a turn below
    k, most, most_untrusted, most_in_group = (
        config.k,
        config.k + config.max_extra,
        config.max_untrusted,
        config.max_per_subnet,
    )
    for candidate in ordered:
        if candidate.state > worst:
            continue
        if count >= k and (candidate.distance >= radius or count >= most):
            return
        if candidate.state is unqueried and candidate.is_doubtful(config.max_silent_per_source):
            spare.append(candidate)
            continue
        if not candidate.is_trusted and untrusted >= most_untrusted:
            spare.append(candidate)
            continue
        group = candidate.group
        if group is not None:
            there = groups.get(group, 0)
            if there >= most_in_group:
                spare.append(candidate)
                continue
            groups[group] = there + 1
        untrusted += not candidate.is_trusted
        count += 1
        yield candidate
    yield from spare[: max(k - count, 0)]


BY_DISTANCE = attrgetter("distance")

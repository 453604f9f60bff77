"""The iterative lookup as a machine without I/O: who to ask next, and when the closest nodes are known.

A sliding window, not rounds: an answer at once frees its place among the `alpha` queries that may be awaited, and a
contact that is silent for the short time-out stops counting, though its answer is still welcome. The driver sends what
`queries_to_send` names, and reports each answer or the final failure of each query.
"""

from __future__ import annotations

from bisect import insort
from dataclasses import dataclass
from enum import Enum
from itertools import islice
from operator import attrgetter
from typing import TYPE_CHECKING

from kademlia_core.config import LookupConfig

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kademlia_core.contact import Contact
    from kademlia_core.key import Key
    from transfer.address import Address


@dataclass(frozen=True, slots=True, kw_only=True)
class LookupStats:
    """What a lookup has cost so far.

    `hops` is the discovery depth of the closest contact that answered: 1 for one known at the start, n + 1 for one
    learnt from a contact of depth n, 0 while nobody answered. `slow` counts queries that outlasted the short time-out.
    """

    hops: int = 0
    queries: int = 0
    responses: int = 0
    failures: int = 0
    slow: int = 0


class LookupCore:
    """Finds the `k` contacts closest to `target` that answer.

    It ends when the k closest known contacts that have not failed have all answered, when nobody is left to ask, or
    when `max_queries` have been spent and are settled; from then on every input is ignored.

    Invariants: candidates are in order of distance; each contact is queried at most once; at most `alpha` queries are
    awaited; at most `max_unqueried` candidates are kept that were not queried.
    """

    def __init__(
        self,
        target: Key,
        contacts: Iterable[Contact],
        *,
        config: LookupConfig | None = None,
        own_key: Key | None = None,
    ) -> None:
        """`contacts` are where to start; `own_key` is never queried."""
        self.target = target
        self.config = config or LookupConfig()
        self._own_key = own_key
        self._candidates: list[_Candidate] = []
        self._by_contact: dict[Contact, _Candidate] = {}
        self._keys_at: dict[Address, int] = {}
        self._waiting: dict[Contact, _Candidate] = {}  # in the order of sending, so the first is the next to be slow
        self._unqueried = self._slow = 0
        self._queries = self._responses = self._failures = self._slow_total = 0
        self._finished = False
        self.add_candidates(contacts)

    def add_candidates(self, contacts: Iterable[Contact]) -> None:
        """More contacts to start from, known by other means."""
        for contact in contacts:
            if contact not in self._by_contact:
                self._add(contact, depth=1)

    def on_response(self, contact: Contact, closer: Iterable[Contact], now: float) -> None:
        """A queried contact answered and named `closer` ones. Late and repeated answers are harmless."""
        candidate = self._by_contact.get(contact)
        if self._finished or candidate is None or candidate.state in (_State.UNQUERIED, _State.ANSWERED):
            return
        self._leave_flight(candidate)
        if candidate.state is _State.FAILED:
            self._failures -= 1
        candidate.state = _State.ANSWERED
        self._responses += 1
        for other in islice(closer, self.config.max_contacts_per_response):
            if other not in self._by_contact:  # most are known already: a call saved
                self._add(other, depth=candidate.depth + 1)
        self._settle()

    def on_failure(self, contact: Contact, now: float) -> None:
        """A queried contact will not answer: refused, wrong key, or the long time-out."""
        candidate = self._by_contact.get(contact)
        if self._finished or candidate is None or candidate.state not in (_State.WAITING, _State.SLOW):
            return
        self._leave_flight(candidate)
        candidate.state = _State.FAILED
        self._failures += 1
        self._settle()

    def handle_timer(self, now: float) -> None:
        """Marks as slow whoever has been awaited for the short time-out; `queries_to_send` may then name more."""
        for candidate in list(self._waiting.values()):
            if now < candidate.sent_at + self.config.short_timeout_s:
                break
            del self._waiting[candidate.contact]
            candidate.state = _State.SLOW
            self._slow += 1
            self._slow_total += 1

    def next_timer(self) -> float | None:
        """When the contact awaited longest becomes slow."""
        if self._finished:
            return None
        for candidate in self._waiting.values():
            return candidate.sent_at + self.config.short_timeout_s
        return None

    def queries_to_send(self, now: float) -> list[Contact]:
        """The contacts to query now, closest first; each is named once and counts as queried from here on."""
        self.handle_timer(now)
        sending: list[Contact] = []
        room = min(self.config.alpha - len(self._waiting), self.config.max_queries - self._queries)
        if self._finished or room <= 0:
            self._settle()
            return sending
        ahead = 0  # candidates in the running for the k closest; slow ones do not hold up those behind them
        for candidate in self._candidates:
            if candidate.state is _State.FAILED or candidate.state is _State.SLOW:
                continue
            if ahead >= self.config.k or len(sending) >= room:
                break
            ahead += 1
            if candidate.state is _State.UNQUERIED:
                candidate.state = _State.WAITING
                candidate.sent_at = now
                self._waiting[candidate.contact] = candidate
                self._unqueried -= 1
                sending.append(candidate.contact)
        self._queries += len(sending)
        self._settle()
        return sending

    @property
    def is_finished(self) -> bool:
        return self._finished

    @property
    def awaits_only_slow(self) -> bool:
        """Whether all that would have come quickly has come: somebody answered, and only slow contacts are awaited."""
        return bool(self._responses) and not self._waiting

    def result(self) -> list[Contact]:
        """Up to `k` contacts that answered, closest first."""
        answered = (candidate.contact for candidate in self._candidates if candidate.state is _State.ANSWERED)
        return [contact for contact, _ in zip(answered, range(self.config.k), strict=False)]

    @property
    def stats(self) -> LookupStats:
        closest = next((candidate for candidate in self._candidates if candidate.state is _State.ANSWERED), None)
        return LookupStats(
            hops=closest.depth if closest is not None else 0,
            queries=self._queries,
            responses=self._responses,
            failures=self._failures,
            slow=self._slow_total,
        )

    def check_invariants(self) -> None:
        """Asserts what the class promises."""
        states = [candidate.state for candidate in self._candidates]
        distances = [candidate.distance for candidate in self._candidates]
        assert distances == sorted(distances)
        assert len(self._candidates) == len(self._by_contact)
        assert states.count(_State.WAITING) == len(self._waiting) <= self.config.alpha
        assert states.count(_State.UNQUERIED) == self._unqueried <= self.config.max_unqueried
        assert states.count(_State.SLOW) == self._slow
        assert len(states) - self._unqueried == self._queries <= self.config.max_queries
        assert max(self._keys_at.values(), default=0) <= self.config.max_keys_per_address

    def _add(self, contact: Contact, depth: int) -> None:
        key, address = contact.key, contact.address
        if self._finished or key.bits != self.target.bits or key == self._own_key:
            return
        keys_there = self._keys_at.get(address, 0)
        if keys_there >= self.config.max_keys_per_address:
            return
        candidate = _Candidate(contact, key ^ self.target, depth)
        if self._unqueried >= self.config.max_unqueried and not self._forget_farther_than(candidate):
            return
        insort(self._candidates, candidate, key=_DISTANCE)
        self._by_contact[contact] = candidate
        self._keys_at[address] = keys_there + 1
        self._unqueried += 1

    def _forget_farther_than(self, candidate: _Candidate) -> bool:
        """Makes room by forgetting the farthest candidate not queried yet, if it is farther than the new one."""
        for index in range(len(self._candidates) - 1, -1, -1):
            other = self._candidates[index]
            if other.distance <= candidate.distance:
                return False
            if other.state is _State.UNQUERIED:
                del self._candidates[index]
                del self._by_contact[other.contact]
                self._keys_at[other.contact.address] -= 1
                self._unqueried -= 1
                return True
        return False

    def _leave_flight(self, candidate: _Candidate) -> None:
        if candidate.state is _State.WAITING:
            del self._waiting[candidate.contact]
        elif candidate.state is _State.SLOW:
            self._slow -= 1

    def _settle(self) -> None:
        in_flight = bool(self._waiting or self._slow)
        if not in_flight and (not self._unqueried or self._queries >= self.config.max_queries):
            self._finished = True
            return
        remaining = self.config.k
        for candidate in self._candidates:
            if candidate.state is _State.FAILED:
                continue
            if candidate.state is not _State.ANSWERED:
                return
            remaining -= 1
            if not remaining:
                self._finished = True
                return


class _State(Enum):
    UNQUERIED = "unqueried"
    WAITING = "waiting"
    SLOW = "slow"
    ANSWERED = "answered"
    FAILED = "failed"


class _Candidate:
    __slots__ = ("contact", "depth", "distance", "sent_at", "state")

    def __init__(self, contact: Contact, distance: int, depth: int) -> None:
        self.contact = contact
        self.distance = distance
        self.depth = depth
        self.sent_at = 0.0
        self.state = _State.UNQUERIED


_DISTANCE = attrgetter("distance")

"""A lookup over disjoint paths: no contact serves two of them, so that a liar on one cannot mislead the others.

Source: Baumgart and Mies, "S/Kademlia: A Practicable Approach Towards Secure Key-Based Routing", 2007, section 4.4.
"""

from __future__ import annotations

from dataclasses import replace
from heapq import merge
from typing import TYPE_CHECKING

from kademlia_core.candidates import BY_DISTANCE, Candidate, State, front
from kademlia_core.config import LookupConfig
from kademlia_core.lookup import LookupCore
from kademlia_core.lookup_stats import LookupStats, merged_stats

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Iterator

    from kademlia_core.contact import Contact
    from kademlia_core.endpoint import Endpoint
    from kademlia_core.key import Key


class DisjointLookup:
    """`config.paths` lookups for one target, driven like a single `LookupCore`.

    Each contact is queried once, by the path that names it first, and only that path follows the contacts in its
    answer. The others learn whether it is alive, since their own ends depend on it. It ends when all paths have ended,
    or when k contacts have answered and no path has prospects: only overdue contacts, and doubtful ones that its liars
    named. The result are the closest of all that answered.

    `alpha` and `max_queries` are shared out among the paths, at least one query at a time to each.

    Invariants: those of `LookupCore` for each path; each contact is queried by one path; no address is queried under
    more than `max_keys_per_address` keys.
    """

    def __init__(
        self,
        target: Key,
        contacts: Iterable[Contact],
        *,
        config: LookupConfig | None = None,
        own_key: Key | None = None,
        is_trusted: Callable[[Contact], bool] | None = None,
        group_of: Callable[[Endpoint], Hashable | None] | None = None,
        radius: int = 0,
    ) -> None:
        """A lookup that has not begun. The arguments are those of `LookupCore`; `contacts` are dealt out in order."""
        self.target = target
        self.config = config or LookupConfig()
        paths = self.config.paths
        path_config = replace(
            self.config, paths=1, alpha=-(-self.config.alpha // paths), max_queries=self.config.max_queries // paths
        )
        self._radius = radius
        self._paths = [
            LookupCore(
                target, (), config=path_config, own_key=own_key, is_trusted=is_trusted, group_of=group_of, radius=radius
            )
            for _ in range(paths)
        ]
        self._rtts_s: list[float] = []
        for path in self._paths:
            path.share_rtts(self._rtts_s)
        self._dealt: set[Contact] = set()
        self._asked: dict[Contact, _Asked] = {}
        self._keys_at: dict[Endpoint, int] = {}
        self._responses = 0
        self._finished = False
        self._began_at: float | None = None
        self._last_at = 0.0
        self.add_candidates(contacts)

    def add_candidates(self, contacts: Iterable[Contact]) -> None:
        """More contacts to start from, known by other means; dealt out among the paths."""
        for contact in contacts:
            open_paths = [path for path in self._paths if not path.is_finished]
            if contact not in self._dealt and len(self._dealt) < self.config.max_unqueried and open_paths:
                path = open_paths[len(self._dealt) % len(open_paths)]
                self._dealt.add(contact)
                path.add_candidates((contact,))

    def on_response(self, contact: Contact, closer: Iterable[Contact], *, now: float) -> None:
        """A queried contact answered and named `closer` ones. Late and repeated answers are harmless."""
        asked = self._asked.get(contact)
        if asked is None or asked.state is State.ANSWERED or self._finished:
            return
        asked.state = State.ANSWERED
        self._responses += 1
        for path in self._paths:
            path.on_response(contact, closer if path is asked.path else (), now=now)
        self._settle(now=now)

    def on_failure(self, contact: Contact, *, now: float) -> None:
        """A queried contact will not answer: refused, wrong key, or the long time-out."""
        asked = self._asked.get(contact)
        if asked is None or asked.state is not State.WAITING or self._finished:
            return
        asked.state = State.FAILED
        for path in self._paths:
            path.on_failure(contact, now=now)
        self._settle(now=now)

    def add_traffic(self, *, sent_bytes: int = 0, received_bytes: int = 0) -> None:
        """Bytes on the wire that the statistics shall count."""
        self._paths[0].add_traffic(sent_bytes=sent_bytes, received_bytes=received_bytes)

    def handle_timer(self, *, now: float) -> None:
        """Marks contacts as slow and as overdue; `queries_to_send` may then name more, or the lookup have ended."""
        if not self._finished:
            for path in self._paths:
                path.handle_timer(now=now)
            self._settle(now=now)

    def next_timer(self) -> float | None:
        """When the contact awaited longest becomes slow, or a slow one overdue."""
        if self._finished:
            return None
        return min((timer for path in self._paths if (timer := path.next_timer()) is not None), default=None)

    def queries_to_send(self, *, now: float) -> list[Contact]:
        """The contacts to query now, path by path; each is named once and counts as queried from here on."""
        sending: list[Contact] = []
        if self._finished:
            return sending
        asks_doubtful = self._responses < self.config.k and not any(path.has_prospects for path in self._paths)
        for path in self._paths:
            while named := path.queries_to_send(now=now, asks_doubtful=asks_doubtful):
                fresh = [contact for contact in named if self._is_for(path, contact, now=now)]
                sending += fresh
                if len(fresh) == len(named):
                    break  # its window is full; otherwise it may name more
        if sending and self._began_at is None:
            self._began_at = now
        self._settle(now=now)
        return sending

    @property
    def is_finished(self) -> bool:
        return self._finished

    @property
    def awaits_only_slow(self) -> bool:
        """Whether all that would have come quickly has come: a contact answered, and only slow contacts are awaited."""
        return bool(self._responses) and not any(path.is_waiting for path in self._paths)

    def result(self) -> list[Contact]:
        """The contacts that answered and are in the running: up to `k`, and with a `radius` up to `max_extra` more."""
        leading = front(self._answered(), State.ANSWERED, config=self.config, radius=self._radius)
        return [candidate.contact for candidate in leading]

    def silent(self) -> list[Contact]:
        """As `LookupCore.silent`, of all paths together."""
        answered = {candidate.contact for candidate in self._answered()}
        silent = {contact for path in self._paths for contact in path.silent()} - answered
        return sorted(silent, key=lambda contact: contact.key ^ self.target)

    @property
    def stats(self) -> LookupStats:
        return merged_stats(
            (path.stats for path in self._paths),
            hops=next((candidate.depth for candidate in self._answered()), 0),
            rtts_s=tuple(self._rtts_s),
            duration_s=0.0 if self._began_at is None else self._last_at - self._began_at,
        )

    def check_invariants(self) -> None:
        """Asserts what the class promises."""
        for path in self._paths:
            path.check_invariants()
        owned = [
            candidate.contact
            for path in self._paths
            for candidate in path.candidates
            if not candidate.is_borrowed and candidate.state is not State.UNQUERIED
        ]
        assert len(owned) == len(self._asked)
        assert set(owned) == set(self._asked)
        assert sum(self._keys_at.values()) == len(self._asked)
        assert max(self._keys_at.values(), default=0) <= self.config.max_keys_per_address
        assert len(self._rtts_s) <= self._responses
        assert self.stats.queries == len(self._asked) <= self.config.max_queries

    def _settle(self, *, now: float) -> None:
        self._last_at = now
        if all(path.is_finished for path in self._paths):
            self._finished = True
        elif self._responses >= self.config.k:
            self._finished = not any(path.has_prospects for path in self._paths)

    def _is_for(self, path: LookupCore, contact: Contact, *, now: float) -> bool:
        """Whether `path` shall query the contact it has named; if not, it is told what is known of it."""
        asked = self._asked.get(contact)
        if asked is None:
            keys_there = self._keys_at.get(contact.endpoint, 0)
            if keys_there < self.config.max_keys_per_address:
                self._keys_at[contact.endpoint] = keys_there + 1
                self._asked[contact] = _Asked(path, now)
                return True
            path.borrow(contact, sent_at=now)
            path.on_failure(contact, now=now)
            return False
        path.borrow(contact, sent_at=asked.sent_at)
        if asked.state is State.ANSWERED:
            path.on_response(contact, (), now=now)
        elif asked.state is State.FAILED:
            path.on_failure(contact, now=now)
        return False

    def _answered(self) -> Iterator[Candidate]:
        """The candidates that have answered, in order of distance, each once: as the path knows it that asked."""
        by_contact: dict[Contact, Candidate] = {}
        for candidate in merge(*(path.candidates for path in self._paths), key=BY_DISTANCE):
            if candidate.state is State.ANSWERED and not (candidate.is_borrowed and candidate.contact in by_contact):
                by_contact[candidate.contact] = candidate  # the asking path may have ended before the answer came
        return iter(by_contact.values())


class _Asked:
    """A contact that was queried, and the path that did it."""

    __slots__ = ("path", "sent_at", "state")

    def __init__(self, path: LookupCore, sent_at: float) -> None:
        self.path = path
        self.sent_at = sent_at
        self.state = State.WAITING

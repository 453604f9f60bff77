"""The iterative lookup as a machine without I/O: which contact to ask next, and when the closest nodes are known.

A sliding window, not rounds: an answer at once frees its place among the `alpha` queries that may be awaited, and a
contact that is silent for the short time-out stops counting, though its answer is still welcome. The driver sends what
`queries_to_send` names, and reports each answer or the final failure of each query.

Deviations from the Kademlia paper, which waits for all: a contact silent for `patience_s` is waited for no more once k
others have answered; and both time-outs follow the round trips seen in this lookup, where these are short. With a third
of the contacts dead a lookup so ends after 1.5 s instead of 6.2 (median), and misses 1.7 % more of the k closest
(`benchmarks/lookup_patience.py`).
"""

from __future__ import annotations

from bisect import insort
from itertools import islice
from typing import TYPE_CHECKING

from kademlia_core.candidates import Candidate, CandidateList, Source, State
from kademlia_core.config import LookupConfig
from kademlia_core.lookup_stats import LookupStats

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable

    from kademlia_core.contact import Contact
    from kademlia_core.endpoint import Endpoint
    from kademlia_core.key import Key


class LookupCore:
    """Finds the `k` contacts closest to `target` that answer, and with a `radius` all those within it.

    It ends when all candidates in the running for the result have answered, when no contact is left to ask, or when
    `max_queries` have been spent and are settled; from then on every input but traffic is ignored. Which are in the
    running, `front` in `kademlia_core.candidates` says: the closest, but not too many from one subnet, nor too many
    that `is_trusted` turns down.

    Invariants: those of `CandidateList`; each contact is queried at most once; at most `alpha` queries are awaited,
    and `AGGRESSIVE_WINDOWS` times as many in aggressive mode.
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
        """A lookup that has not begun.

        Args:
            contacts: where to start.
            own_key: is never queried.
            is_trusted: asked once for each contact; those turned down get `untrusted_share` of the result at most.
            group_of: says of an endpoint whose it is, for `max_per_subnet`; by default, the subnet of an address.
            radius: contacts closer to `target` than this count even beyond the k closest. One that is
                expected to hold a few honest contacts keeps Sybils that crowd around `target` from hiding them.
        """
        self.target = target
        self.config = config or LookupConfig()
        self.candidates = CandidateList(
            target, config=self.config, own_key=own_key, is_trusted=is_trusted, group_of=group_of, radius=radius
        )
        self._max_awaited = self.config.alpha * (AGGRESSIVE_WINDOWS if self.config.aggressive else 1)
        self._waiting: dict[Contact, Candidate] = {}  # in the order of sending, so the first is the next to be slow
        self._slow: dict[Contact, Candidate] = {}
        self._unsettled = 0  # in flight: waiting, slow or overdue
        self._queries = self._responses = self._failures = self._slow_total = 0
        self._sent_bytes = self._received_bytes = 0
        self._rtts_s: list[float] = []
        self._began_at: float | None = None
        self._last_at = 0.0
        self._changed = True  # since `queries_to_send` was last called; if not, only the doubtful are left to name
        self._has_prospects: bool | None = None  # None: not known since the last change
        self._finished = False
        self.add_candidates(contacts)

    def add_candidates(self, contacts: Iterable[Contact]) -> None:
        """More contacts to start from, known by other means."""
        if not self._finished:
            self._touch()
            for contact in contacts:
                self.candidates.add(contact, 1)

    def on_response(self, contact: Contact, closer: Iterable[Contact], *, now: float) -> None:
        """A queried contact answered and named `closer` ones. Late and repeated answers are harmless."""
        candidate = self.candidates.find(contact)
        if self._finished or candidate is None or candidate.state in NOT_AWAITED:
            return
        if candidate.state is State.FAILED:
            self._failures -= not candidate.is_borrowed
        else:
            self._leave_flight(candidate)
        candidate.state = State.ANSWERED
        candidate.spoke()
        if not candidate.is_borrowed:
            self._responses += 1
            insort(self._rtts_s, max(now - candidate.sent_at, 0.0))
        self._touch()
        source = Source()
        for other in islice(closer, self.config.max_contacts_per_response):
            self.candidates.add(other, candidate.depth + 1, source)
        self._settle(now=now)

    def on_failure(self, contact: Contact, *, now: float) -> None:
        """A queried contact will not answer: refused, wrong key, or the long time-out."""
        candidate = self.candidates.find(contact)
        if self._finished or candidate is None or candidate.state not in IN_FLIGHT:
            return
        self._leave_flight(candidate)
        candidate.state = State.FAILED
        candidate.fell_silent()
        self._touch()
        self._failures += not candidate.is_borrowed
        self._settle(now=now)

    def borrow(self, contact: Contact, *, sent_at: float) -> None:
        """A contact just named by `queries_to_send` was asked at `sent_at` by another path of the same lookup.

        It takes no place in the window and counts in no statistics; its answer or failure must be reported here too.
        """
        candidate = self._waiting.pop(contact, None)
        if candidate is not None:
            candidate.is_borrowed = True
            candidate.sent_at = sent_at
            candidate.state = State.SLOW
            self._slow[contact] = candidate
            self._queries -= 1
            self._touch()

    def share_rtts(self, rtts_s: list[float]) -> None:
        """Round trips are put into this sorted list, and time-outs adapted to it: the paths of a lookup share one."""
        self._rtts_s = rtts_s

    def add_traffic(self, *, sent_bytes: int = 0, received_bytes: int = 0) -> None:
        """Bytes on the wire that the statistics shall count."""
        self._sent_bytes += sent_bytes
        self._received_bytes += received_bytes

    def handle_timer(self, *, now: float) -> None:
        """Marks contacts as slow and as overdue; `queries_to_send` may then name more, or the lookup have ended."""
        if self._finished or not (self._waiting or self._slow):
            return
        short_timeout_s, patience_s = self._timeouts_s()
        for candidate in list(self._waiting.values()):
            if now < candidate.sent_at + short_timeout_s:
                break
            del self._waiting[candidate.contact]
            candidate.state = State.SLOW
            candidate.fell_silent()
            self._touch()
            self._slow[candidate.contact] = candidate
            self._slow_total += 1
        overdue = [candidate for candidate in self._slow.values() if now >= candidate.sent_at + patience_s]
        for candidate in overdue:
            del self._slow[candidate.contact]
            candidate.state = State.OVERDUE
        if overdue:
            self._touch()
            self._settle(now=now)

    def next_timer(self) -> float | None:
        """When the contact awaited longest becomes slow, or a slow one overdue."""
        if self._finished or not (self._waiting or self._slow):
            return None
        short_timeout_s, patience_s = self._timeouts_s()
        due = [candidate.sent_at + patience_s for candidate in self._slow.values()]
        for candidate in self._waiting.values():
            due.append(candidate.sent_at + short_timeout_s)
            break
        return min(due, default=None)

    def queries_to_send(self, *, asks_doubtful: bool = True, now: float) -> list[Contact]:
        """The contacts to query now, closest first; each is named once and counts as queried from here on.

        Args:
            asks_doubtful: whether those that only sources of many silent ones named may have their turn, when there
                are no others.
        """
        self.handle_timer(now=now)
        sending: list[Contact] = []
        if not (self._changed or asks_doubtful):
            return sending
        self._changed = False
        room = min(self._max_awaited - len(self._waiting), self.config.max_queries - self._queries)
        if not self._finished and room > 0:
            awaited = 0 if self.config.aggressive else len(self._waiting)
            for candidate in self.candidates.front(State.UNQUERIED):
                if candidate.state is State.UNQUERIED:
                    if not asks_doubtful and candidate.is_doubtful(self.config.max_silent_per_source):
                        continue
                    self._ask(candidate, now=now)
                    sending.append(candidate.contact)
                    awaited += 1
                elif candidate.state is State.WAITING:
                    awaited += self.config.aggressive
                if awaited >= self.config.alpha or len(sending) >= room:
                    break
        if sending:
            self._has_prospects = True
        else:
            self._settle(now=now)
        return sending

    @property
    def is_finished(self) -> bool:
        return self._finished

    @property
    def has_prospects(self) -> bool:
        """Whether it goes on and a contact in the running might answer yet, but for the overdue and the doubtful."""
        if self._has_prospects is None:
            self._has_prospects = self.candidates.has_prospects
        return self._has_prospects and not self._finished

    @property
    def is_waiting(self) -> bool:
        """Whether a query is on its way that is not slow yet."""
        return bool(self._waiting)

    @property
    def awaits_only_slow(self) -> bool:
        """Whether all that would have come quickly has come: a contact answered, and only slow contacts are awaited."""
        return bool(self._responses) and not self._waiting

    def result(self) -> list[Contact]:
        """The contacts that answered and are in the running: up to `k`, and with a `radius` up to `max_extra` more."""
        return [candidate.contact for candidate in self.candidates.front(State.ANSWERED)]

    def silent(self) -> list[Contact]:
        """The contacts that were asked and have not answered, closest first.

        Only those that are closer than the last of the `k` closest that have answered.
        """
        silent: list[Contact] = []
        answered = 0
        for candidate in self.candidates:
            if candidate.state is State.ANSWERED:
                answered += 1
                if answered >= self.config.k:
                    break
            elif candidate.state is not State.UNQUERIED:
                silent.append(candidate.contact)
        return silent

    @property
    def stats(self) -> LookupStats:
        return LookupStats(
            hops=next((candidate.depth for candidate in self.candidates if candidate.state is State.ANSWERED), 0),
            queries=self._queries,
            responses=self._responses,
            failures=self._failures,
            slow=self._slow_total,
            sent_bytes=self._sent_bytes,
            received_bytes=self._received_bytes,
            rtts_s=tuple(self._rtts_s),
            duration_s=0.0 if self._began_at is None else self._last_at - self._began_at,
        )

    def check_invariants(self) -> None:
        """Asserts what the class promises."""
        self.candidates.check_invariants()
        states = [candidate.state for candidate in self.candidates]
        borrowed = sum(candidate.is_borrowed for candidate in self.candidates)
        assert states.count(State.WAITING) == len(self._waiting) <= self._max_awaited
        assert states.count(State.SLOW) == len(self._slow)
        assert sum(map(states.count, IN_FLIGHT)) == self._unsettled
        assert len(states) - self.candidates.unqueried == self._queries + borrowed
        assert self._responses + self._failures <= self._queries <= self.config.max_queries
        assert self._rtts_s == sorted(self._rtts_s)

    def _touch(self) -> None:
        self._changed = True
        self._has_prospects = None

    def _ask(self, candidate: Candidate, *, now: float) -> None:
        candidate.state = State.WAITING
        candidate.sent_at = now
        self._waiting[candidate.contact] = candidate
        self.candidates.unqueried -= 1
        self._unsettled += 1
        self._queries += 1
        if self._began_at is None:
            self._began_at = now

    def _timeouts_s(self) -> tuple[float, float]:
        """Silence after which a contact is slow, and overdue: the configured ones, or less where answers come fast."""
        config, answers = self.config, len(self._rtts_s)
        if not config.adaptive or answers < ANSWERS_TO_ADAPT:
            return config.short_timeout_s, config.patience_s
        rtt_s = self._rtts_s[answers // 2]
        return (
            min(config.short_timeout_s, max(SLOW_RTTS * rtt_s, MIN_SHORT_TIMEOUT_S)),
            min(config.patience_s, max(OVERDUE_RTTS * rtt_s, MIN_PATIENCE_S)),
        )

    def _leave_flight(self, candidate: Candidate) -> None:
        self._unsettled -= 1
        if candidate.state is State.WAITING:
            del self._waiting[candidate.contact]
        elif candidate.state is State.SLOW:
            del self._slow[candidate.contact]

    def _settle(self, *, now: float) -> None:
        if self._finished:
            return
        self._last_at = now
        if not self._unsettled and (not self.candidates.unqueried or self._queries >= self.config.max_queries):
            self._finished = True
            return
        answered = 0
        for candidate in self.candidates.front(State.SLOW):
            if candidate.state is not State.ANSWERED:
                return
            answered += 1
        self._finished = answered >= self.config.k


IN_FLIGHT = (State.WAITING, State.SLOW, State.OVERDUE)
NOT_AWAITED = (State.UNQUERIED, State.ANSWERED)
AGGRESSIVE_WINDOWS = 3
ANSWERS_TO_ADAPT = 3
SLOW_RTTS, OVERDUE_RTTS = (
    3,
    8,
)  # multiples of the median: of log-normal round trips (sigma 0.6) 3 % and 0.03 % are longer
MIN_SHORT_TIMEOUT_S, MIN_PATIENCE_S = 0.25, 0.75

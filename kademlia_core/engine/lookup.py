"""Lookups that carry one request to ever closer nodes, what they gather, and what they leave behind."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from kademlia_core.any_lookup import new_lookup

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kademlia_core.config import LookupConfig
    from kademlia_core.contact import Contact
    from kademlia_core.endpoint import Endpoint, EndpointPolicy
    from kademlia_core.engine.query_port import PendingQuery, QueryPort
    from kademlia_core.engine.requests import Answer, QueryError, Request
    from kademlia_core.key import Key
    from kademlia_core.lookup_stats import LookupStats


class Harvest(Protocol):
    """What a lookup gathers on its way to the closest nodes."""

    def on_response(self, contact: Contact, answer: Answer) -> tuple[object, ...]:
        """An answer to the lookup's request; returns what is news to the owner of the lookup."""
        ...

    @property
    def is_complete(self) -> bool:
        """Whether the lookup may end before the closest nodes are known."""
        ...


class Placement(Protocol):
    """What is left with the closest nodes when they are known."""

    def requests_for(self, contacts: Iterable[tuple[Contact, bytes | None]]) -> list[tuple[Contact, Request]]:
        """Which nodes to tell what. `contacts` are the closest that answered, in order, each with the token it gave."""
        ...


class LookupOwner(Protocol):
    """The object that started a lookup."""

    def on_found(self, lookup: EngineLookup, found: tuple[object, ...]) -> None: ...

    def on_lookup_finished(self, lookup: EngineLookup, *, now: float) -> None: ...


class EngineLookup:
    """One iterative lookup in a network, with the request of a dialect: a `LookupCore` says which to ask next.

    `harvest` reads each answer, and its news go to the owner as they arrive. A lookup that has found nothing asks the
    silent among the closest once more before it ends: one lost answer would hide what a single node holds. When the
    closest nodes are known, `placement` says what to leave with them; the lookup is finished when all of them have
    answered or failed.
    """

    def __init__(
        self,
        request: Request,
        target: Key,
        contacts: Iterable[Contact],
        *,
        network: QueryPort,
        endpoints: EndpointPolicy,
        owner: LookupOwner,
        config: LookupConfig,
        own_key: Key,
        harvest: Harvest | None = None,
        placement: Placement | None = None,
        has_found: bool = False,
    ) -> None:
        """`has_found` says that the node itself has had some of what it looks for."""
        self.request = request
        self.target = target
        self._lookup = new_lookup(
            target,
            contacts,
            config=config,
            own_key=own_key,
            is_trusted=endpoints.is_trusted,
            group_of=endpoints.group_of,
        )
        self._network = network
        self._owner = owner
        self._harvest = harvest
        self._placement = placement
        self._second_timeout_s = config.short_timeout_s
        self._second_chance: _SecondChance | None = None
        self._has_found = has_found
        self._heard: set[Contact] = set()  # these three are bounded by the lookup's max_queries
        self._refusing: set[Contact] = set()
        self._tokens: dict[Contact, bytes] = {}
        self._placing = 0
        self._is_placing = False
        self._accepted: set[Contact] = set()
        self._refused: dict[Contact, QueryError] = {}
        self.is_finished = False

    def start(self, *, now: float) -> None:
        """Sends the first queries; with no node to ask the lookup is finished at once."""
        self._advance(now=now)

    def add_candidates(self, contacts: Iterable[Contact], *, now: float) -> None:
        """More contacts to ask, known by other means."""
        self._lookup.add_candidates(contacts)
        self._advance(now=now)

    def on_response(self, query: PendingQuery, answer: Answer, *, now: float) -> None:
        contact = query.contact
        if self.is_finished or contact is None:
            return
        if query.request is not self.request:
            self._accepted.add(contact)
            self._placing -= 1
        else:
            self._read(contact, answer)
            self._lookup.add_traffic(received_bytes=query.answer_bytes)
            closer = self._network.contacts_in(answer, contact.endpoint, now=now)
            self._lookup.on_response(contact, closer, now=now)
        self._advance(now=now)

    def on_failure(self, query: PendingQuery, *, error: QueryError | None = None, now: float) -> None:
        contact = query.contact
        if self.is_finished or contact is None:
            return
        if query.request is not self.request:
            if error is not None:
                self._refused[contact] = error
            self._placing -= 1
        else:
            if error is not None:
                self._refusing.add(contact)
            self._lookup.on_failure(contact, now=now)
        self._advance(now=now)

    def on_second_answer(self, contact: Contact, answer: Answer, *, answer_bytes: int, now: float) -> None:
        """One of the silent has answered after all."""
        if not self.is_finished and not self._is_placing:
            self._read(contact, answer)
            self._lookup.add_traffic(received_bytes=answer_bytes)
        self._advance(now=now)

    def on_second_silence(self, *, now: float) -> None:
        """One of the silent stays so."""
        self._advance(now=now)

    def place(self, placement: Placement, *, now: float) -> None:
        """Leaves something more with the closest nodes of a lookup that is over, which is finished once again after.

        The tokens that the nodes gave are used again; they hold for a few minutes.
        """
        self._placement = placement
        self._accepted.clear()
        self._refused.clear()
        self._placing = 0
        self.is_finished = False
        self._place(now=now)
        self._advance(now=now)

    def handle_timer(self, *, now: float) -> None:
        self._advance(now=now)

    def next_timer(self) -> float | None:
        if self.is_finished or self._is_placing:
            return None
        return self._second_chance.deadline if self._second_chance is not None else self._lookup.next_timer()

    def cancel(self) -> None:
        """Ends the lookup without a word to its owner; answers still on their way are ignored."""
        self.is_finished = True

    @property
    def awaits_only_slow(self) -> bool:
        return self._lookup.awaits_only_slow

    @property
    def stats(self) -> LookupStats:
        return self._lookup.stats

    def result(self) -> list[Contact]:
        """The closest nodes that answered, closest first."""
        return self._lookup.result()

    def accepted(self) -> tuple[Contact, ...]:
        """The nodes that took what was placed with them, closest first."""
        return tuple(sorted(self._accepted, key=lambda contact: contact.key ^ self.target))

    def refusals(self) -> tuple[tuple[Contact, QueryError], ...]:
        """The nodes that refused what was placed with them, and why."""
        return tuple(self._refused.items())

    def _advance(self, *, now: float) -> None:
        if self.is_finished:
            return
        while not self._is_placing:
            if self._harvest is not None and self._harvest.is_complete:
                self._place(now=now)
                break
            if self._second_chance is not None:
                if self._second_chance.is_open(now=now) and not self._has_found:
                    return
                self._place(now=now)
                break
            contacts = self._lookup.queries_to_send(now=now)
            refused = [contact for contact in contacts if not self._ask(contact, self.request, now=now)]
            for contact in refused:
                self._lookup.on_failure(contact, now=now)
            if self._lookup.is_finished:
                if self._give_second_chance(now=now):
                    return
                self._place(now=now)
            elif not refused:
                return
        if not self._placing:
            self.is_finished = True
            self._owner.on_lookup_finished(self, now=now)

    def _read(self, contact: Contact, answer: Answer) -> None:
        if contact in self._heard:  # both of its answers have come
            return
        self._heard.add(contact)
        if answer.token is not None:
            self._tokens[contact] = answer.token
        if self._harvest is not None:
            found = self._harvest.on_response(contact, answer)
            if found:
                self._has_found = True
                self._owner.on_found(self, found)

    def _give_second_chance(self, *, now: float) -> bool:
        """Whether any contact is asked once more."""
        if self._harvest is None or self._has_found:
            return False
        silent = [contact for contact in self._lookup.silent() if contact not in self._refusing][:MAX_SECOND_CHANCES]
        self._second_chance = _SecondChance(self, deadline=now + self._second_timeout_s)
        for contact in silent:
            sent_bytes = self._second_chance.ask(contact, network=self._network, now=now)
            self._lookup.add_traffic(sent_bytes=sent_bytes)
        return self._second_chance.is_open(now=now)

    def _place(self, *, now: float) -> None:
        self._is_placing = True
        if self._placement is None:
            return
        closest = [(contact, self._tokens.get(contact)) for contact in self._lookup.result()]
        for contact, request in self._placement.requests_for(closest):
            self._placing += self._ask(contact, request, now=now)

    def _ask(self, contact: Contact, request: Request, *, now: float) -> bool:
        query = self._network.ask(contact.endpoint, request, self, contact=contact, now=now)
        if query is not None and request is self.request:
            self._lookup.add_traffic(sent_bytes=query.sent_bytes)
        return query is not None


class _SecondChance:
    """The request of a lookup once more, to nodes whose answers may have been lost.

    The routing table hears of answers, and not of silence: one lookup shall not count twice against a node.
    """

    def __init__(self, lookup: EngineLookup, *, deadline: float) -> None:
        self.deadline = deadline
        self._lookup = lookup
        self._awaited: dict[Endpoint, Contact] = {}

    def ask(self, contact: Contact, *, network: QueryPort, now: float) -> int:
        """Returns the size of the query, 0 when it was not sent."""
        if contact.endpoint in self._awaited:
            return 0
        query = network.ask(contact.endpoint, self._lookup.request, self, now=now)
        if query is None:
            return 0
        self._awaited[contact.endpoint] = contact
        return query.sent_bytes

    def is_open(self, *, now: float) -> bool:
        return bool(self._awaited) and now < self.deadline

    def on_response(self, query: PendingQuery, answer: Answer, *, now: float) -> None:
        contact = self._awaited.pop(query.endpoint, None)
        if contact is not None and contact.key == answer.sender:
            self._lookup.on_second_answer(contact, answer, answer_bytes=query.answer_bytes, now=now)
        else:
            self._lookup.on_second_silence(now=now)

    def on_failure(self, query: PendingQuery, *, error: QueryError | None = None, now: float) -> None:
        self._awaited.pop(query.endpoint, None)
        self._lookup.on_second_silence(now=now)


MAX_SECOND_CHANCES = 8

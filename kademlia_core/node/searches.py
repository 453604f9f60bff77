"""Searches: a lookup that carries one request to ever closer nodes, what it gathers, and what it leaves behind."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from kademlia_core.any_lookup import new_lookup

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kademlia_core.contact import Contact
    from kademlia_core.key import Key
    from kademlia_core.lookup_stats import LookupStats
    from kademlia_core.node.config import NodeConfig
    from kademlia_core.node.dialect import Harvest, Placement
    from kademlia_core.node.messages import ErrorReply, Request, Response
    from kademlia_core.node.transactions import Asker, Transaction
    from transfer.address import Address


class Network(Protocol):
    """What a machine that asks needs from the node it belongs to."""

    def ask(
        self, address: Address, request: Request, asker: Asker, *, contact: Contact | None = None, now: float
    ) -> int:
        """Sends a query; returns its size in bytes, 0 when too many are on their way and none was sent."""
        ...

    def is_trusted(self, contact: Contact) -> bool:
        """Whether the key of a contact suits its address."""
        ...

    def contacts_in(self, response: Response, teller: Address, *, now: float) -> tuple[Contact, ...]:
        """The contacts of a response from `teller` that this node can reach: of its address family, and no addresses of
        this house or machine told from afar.
        """
        ...


class SearchOwner(Protocol):
    """Whoever started a search."""

    def on_found(self, search: Search, found: tuple[object, ...]) -> None: ...

    def on_search_finished(self, search: Search, *, now: float) -> None: ...


class Search:
    """One iterative lookup on the wire with the request of a dialect.

    `harvest` reads each answer, and its news go to the owner as they arrive. A search that has found nothing asks the
    silent among the closest once more before it ends: one lost datagram would hide what a single node holds. When the
    lookup has ended, `placement` says what to leave with the closest nodes; the search is finished when all of them
    have answered or failed.
    """

    def __init__(
        self,
        request: Request,
        target: Key,
        contacts: Iterable[Contact],
        *,
        network: Network,
        owner: SearchOwner,
        config: NodeConfig,
        own_key: Key,
        harvest: Harvest | None = None,
        placement: Placement | None = None,
        has_found: bool = False,
    ) -> None:
        """`has_found` says that the node itself has had some of what it looks for."""
        self.request = request
        self.target = target
        self._lookup = new_lookup(
            target, contacts, config=config.lookup, own_key=own_key, is_trusted=network.is_trusted
        )
        self._network = network
        self._owner = owner
        self._harvest = harvest
        self._placement = placement
        self._second_timeout_s = config.lookup.short_timeout_s
        self._second_chance: _SecondChance | None = None
        self._has_found = has_found
        self._heard: set[Contact] = set()  # these three are bounded by the lookup's max_queries
        self._refusing: set[Contact] = set()
        self._tokens: dict[Contact, bytes] = {}
        self._placing = 0
        self._is_placing = False
        self._accepted: set[Contact] = set()
        self._refused: dict[Contact, ErrorReply] = {}
        self.is_finished = False

    def start(self, *, now: float) -> None:
        """Sends the first queries; with nobody to ask the search is finished at once."""
        self._advance(now)

    def add_candidates(self, contacts: Iterable[Contact], *, now: float) -> None:
        """More contacts to ask, known by other means."""
        self._lookup.add_candidates(contacts)
        self._advance(now)

    def on_response(self, transaction: Transaction, response: Response, *, now: float) -> None:
        contact = transaction.contact
        if self.is_finished or contact is None:
            return
        if transaction.request is not self.request:
            self._accepted.add(contact)
            self._placing -= 1
        else:
            self._read(contact, response)
            self._lookup.add_traffic(received_bytes=transaction.answer_bytes)
            closer = self._network.contacts_in(response, contact.address, now=now)
            self._lookup.on_response(contact, closer, now)
        self._advance(now)

    def on_failure(self, transaction: Transaction, *, error: ErrorReply | None = None, now: float) -> None:
        contact = transaction.contact
        if self.is_finished or contact is None:
            return
        if transaction.request is not self.request:
            if error is not None:
                self._refused[contact] = error
            self._placing -= 1
        else:
            if error is not None:
                self._refusing.add(contact)
            self._lookup.on_failure(contact, now)
        self._advance(now)

    def on_second_answer(self, contact: Contact, response: Response, *, answer_bytes: int, now: float) -> None:
        """One of the silent has answered after all."""
        if not self.is_finished and not self._is_placing:
            self._read(contact, response)
            self._lookup.add_traffic(received_bytes=answer_bytes)
        self._advance(now)

    def on_second_silence(self, *, now: float) -> None:
        """One of the silent stays so."""
        self._advance(now)

    def place(self, placement: Placement, *, now: float) -> None:
        """Leaves something more with the closest nodes of a search that is over, which is finished once again after.

        The tokens that the nodes gave are used again; they hold for a few minutes.
        """
        self._placement = placement
        self._accepted.clear()
        self._refused.clear()
        self._placing = 0
        self.is_finished = False
        self._place(now)
        self._advance(now)

    def handle_timer(self, *, now: float) -> None:
        self._advance(now)

    def next_timer(self) -> float | None:
        if self.is_finished or self._is_placing:
            return None
        return self._second_chance.deadline if self._second_chance is not None else self._lookup.next_timer()

    def cancel(self) -> None:
        """Ends the search without a word to its owner; answers still on their way are ignored."""
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

    def refusals(self) -> tuple[tuple[Contact, ErrorReply], ...]:
        """The nodes that refused what was placed with them, and why."""
        return tuple(self._refused.items())

    def _advance(self, now: float) -> None:
        if self.is_finished:
            return
        while not self._is_placing:
            if self._harvest is not None and self._harvest.is_complete:
                self._place(now)
                break
            if self._second_chance is not None:
                if self._second_chance.is_open(now=now) and not self._has_found:
                    return
                self._place(now)
                break
            contacts = self._lookup.queries_to_send(now)
            refused = [contact for contact in contacts if not self._ask(contact, self.request, now)]
            for contact in refused:
                self._lookup.on_failure(contact, now)
            if self._lookup.is_finished:
                if self._give_second_chance(now):
                    return
                self._place(now)
            elif not refused:
                return
        if not self._placing:
            self.is_finished = True
            self._owner.on_search_finished(self, now=now)

    def _read(self, contact: Contact, response: Response) -> None:
        if contact in self._heard:  # both of its answers have come
            return
        self._heard.add(contact)
        if response.token is not None:
            self._tokens[contact] = response.token
        if self._harvest is not None:
            found = self._harvest.on_response(contact, response)
            if found:
                self._has_found = True
                self._owner.on_found(self, found)

    def _give_second_chance(self, now: float) -> bool:
        """Whether anybody is asked once more."""
        if self._harvest is None or self._has_found:
            return False
        silent = [contact for contact in self._lookup.silent() if contact not in self._refusing][:MAX_SECOND_CHANCES]
        self._second_chance = _SecondChance(self, deadline=now + self._second_timeout_s)
        for contact in silent:
            sent_bytes = self._second_chance.ask(contact, network=self._network, now=now)
            self._lookup.add_traffic(sent_bytes=sent_bytes)
        return self._second_chance.is_open(now=now)

    def _place(self, now: float) -> None:
        self._is_placing = True
        if self._placement is None:
            return
        closest = [(contact, self._tokens.get(contact)) for contact in self._lookup.result()]
        for contact, request in self._placement.requests_for(closest):
            self._placing += self._ask(contact, request, now)

    def _ask(self, contact: Contact, request: Request, now: float) -> bool:
        size_bytes = self._network.ask(contact.address, request, self, contact=contact, now=now)
        if request is self.request:
            self._lookup.add_traffic(sent_bytes=size_bytes)
        return size_bytes > 0


class _SecondChance:
    """The request of a search once more, to nodes whose answers may have been lost.

    The routing table hears of answers, and not of silence: one lookup shall not count twice against a node.
    """

    def __init__(self, search: Search, *, deadline: float) -> None:
        self.deadline = deadline
        self._search = search
        self._awaited: dict[Address, Contact] = {}

    def ask(self, contact: Contact, *, network: Network, now: float) -> int:
        """Returns the size of the query, 0 when it was not sent."""
        if contact.address in self._awaited:
            return 0
        size_bytes = network.ask(contact.address, self._search.request, self, now=now)
        if size_bytes:
            self._awaited[contact.address] = contact
        return size_bytes

    def is_open(self, *, now: float) -> bool:
        return bool(self._awaited) and now < self.deadline

    def on_response(self, transaction: Transaction, response: Response, *, now: float) -> None:
        contact = self._awaited.pop(transaction.address, None)
        if contact is not None and contact.key == response.sender:
            self._search.on_second_answer(contact, response, answer_bytes=transaction.answer_bytes, now=now)
        else:
            self._search.on_second_silence(now=now)

    def on_failure(self, transaction: Transaction, *, error: ErrorReply | None = None, now: float) -> None:
        self._awaited.pop(transaction.address, None)
        self._search.on_second_silence(now=now)


MAX_SECOND_CHANCES = 8

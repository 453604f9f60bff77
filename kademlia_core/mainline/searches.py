"""Lookups on the mainline: a `LookupCore` whose queries are `find_node` or `get_peers`, and the announce behind it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from kademlia_core.lookup import LookupCore, LookupStats
from kademlia_core.mainline.messages import AnnouncePeer, FindNode, GetPeers
from transfer.address import is_usable_peer

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kademlia_core.contact import Contact
    from kademlia_core.key import Key
    from kademlia_core.mainline.config import MainlineConfig
    from kademlia_core.mainline.messages import Request, Response
    from kademlia_core.mainline.transactions import Asker, Transaction
    from transfer.address import Address


class Network(Protocol):
    """What a machine that asks needs from the node it belongs to."""

    def ask(
        self, address: Address, request: Request, asker: Asker, *, contact: Contact | None = None, now: float
    ) -> bool:
        """Sends a query; False, and no call of the asker later, when too many queries are on their way."""
        ...

    def contacts_in(self, response: Response) -> tuple[Contact, ...]:
        """The contacts of a response that this node can reach: of its address family."""
        ...


class SearchOwner(Protocol):
    """Whoever started a search."""

    def on_peers(self, search: Search, peers: tuple[Address, ...]) -> None: ...

    def on_search_finished(self, search: Search, *, now: float) -> None: ...


@dataclass(frozen=True, slots=True)
class Announcement:
    """What to tell the closest nodes at the end of a search for peers."""

    port: int
    implied_port: bool = False


@dataclass(frozen=True, slots=True)
class AnnounceReport:
    """How an announce went.

    `accepted_by` are the nodes that keep it now, closest first; `peers` whom the lookup met on its way.
    """

    accepted_by: tuple[Contact, ...]
    peers: tuple[Address, ...]
    lookup: LookupStats


class Search:
    """One iterative lookup on the wire: for the nodes near `target`, or for the peers of it as an info-hash.

    Peers are reported to the owner once each, as they arrive. With an `announcement`, the closest nodes that gave a
    token are told about it when the lookup has ended; the search is finished when all of them have answered or failed.
    """

    def __init__(
        self,
        request: FindNode | GetPeers,
        contacts: Iterable[Contact],
        *,
        network: Network,
        owner: SearchOwner,
        config: MainlineConfig,
        own_key: Key,
        announcement: Announcement | None = None,
    ) -> None:
        self.request = request
        self.target = request.target if isinstance(request, FindNode) else request.info_hash
        self._lookup = LookupCore(self.target, contacts, config=config.lookup, own_key=own_key)
        self._network = network
        self._owner = owner
        self._max_peers = config.max_peers_per_search
        self._announcement = announcement
        self._tokens: dict[Contact, bytes] = {}  # bounded by the lookup's max_queries
        self._peers: dict[Address, None] = {}
        self._announcing = 0
        self._is_announcing = False
        self._accepted: set[Contact] = set()
        self.is_finished = False

    def start(self, *, now: float) -> None:
        """Sends the first queries; with nobody to ask the search is finished at once."""
        self._advance(now)

    def add_candidates(self, contacts: Iterable[Contact], *, now: float) -> None:
        """More contacts to ask, known by other means."""
        self._lookup.add_candidates(contacts)
        self._advance(now)

    def add_peers(self, peers: Iterable[Address]) -> None:
        """Peers to report, from the wire or from this node's own store."""
        fresh: list[Address] = []
        for peer in peers:
            if len(self._peers) >= self._max_peers:
                break
            if peer not in self._peers and is_usable_peer(peer):
                self._peers[peer] = None
                fresh.append(peer)
        if fresh:
            self._owner.on_peers(self, tuple(fresh))

    def on_response(self, transaction: Transaction, response: Response, *, now: float) -> None:
        contact = transaction.contact
        if self.is_finished or contact is None:
            return
        if isinstance(transaction.request, AnnouncePeer):
            self._accepted.add(contact)
            self._announcing -= 1
        else:
            if response.token is not None:
                self._tokens[contact] = response.token
            if response.peers and isinstance(self.request, GetPeers):
                self.add_peers(response.peers)
            self._lookup.on_response(contact, self._network.contacts_in(response), now)
        self._advance(now)

    def on_failure(self, transaction: Transaction, *, now: float) -> None:
        contact = transaction.contact
        if self.is_finished or contact is None:
            return
        if isinstance(transaction.request, AnnouncePeer):
            self._announcing -= 1
        else:
            self._lookup.on_failure(contact, now)
        self._advance(now)

    def handle_timer(self, *, now: float) -> None:
        self._advance(now)

    def next_timer(self) -> float | None:
        return None if self.is_finished else self._lookup.next_timer()

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

    def report(self) -> AnnounceReport:
        """How the announce has gone so far."""
        accepted = tuple(contact for contact in self._lookup.result() if contact in self._accepted)
        return AnnounceReport(accepted, tuple(self._peers), self._lookup.stats)

    def _advance(self, now: float) -> None:
        if self.is_finished:
            return
        while not self._is_announcing:
            contacts = self._lookup.queries_to_send(now)
            refused = [contact for contact in contacts if not self._ask(contact, self.request, now)]
            for contact in refused:
                self._lookup.on_failure(contact, now)
            if self._lookup.is_finished:
                self._announce(now)
            elif not refused:
                return
        if not self._announcing:
            self.is_finished = True
            self._owner.on_search_finished(self, now=now)

    def _announce(self, now: float) -> None:
        self._is_announcing = True
        if self._announcement is None or not isinstance(self.request, GetPeers):
            return
        port, implied_port = self._announcement.port, self._announcement.implied_port
        for contact in self._lookup.result():
            token = self._tokens.get(contact)
            if token is not None:
                request = AnnouncePeer(self.request.info_hash, port, token, implied_port)
                self._announcing += self._ask(contact, request, now)

    def _ask(self, contact: Contact, request: Request, now: float) -> bool:
        return self._network.ask(contact.address, request, self, contact=contact, now=now)

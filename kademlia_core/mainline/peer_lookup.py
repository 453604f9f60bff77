"""Looking for the peers of an info-hash, and announcing oneself as one (BEP 5)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from kademlia_core.key import Key
from kademlia_core.mainline.messages import AnnouncePeer, Response
from transfer.address import is_plausible_from, is_usable_peer

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kademlia_core.contact import Contact
    from kademlia_core.engine.requests import Answer, Request
    from transfer.address import Address


class PeerHarvest:
    """The peers that answers name: each once, only usable ones, at most `max_peers`.

    Addresses of this house or machine count only from nodes that are there, too: others would have us connect to
    services of our own network. `allow_private` lifts that.
    """

    is_complete = False

    def __init__(self, max_peers: int, *, allow_private: bool = False) -> None:
        self._max_peers = max_peers
        self._allow_private = allow_private
        self._peers: dict[Address, None] = {}

    def on_response(self, contact: Contact, answer: Answer) -> tuple[Address, ...]:
        if not isinstance(answer, Response) or not answer.peers:
            return ()
        return self.add(
            peer for peer in answer.peers if self._allow_private or is_plausible_from(peer, contact.address)
        )

    def add(self, peers: Iterable[Address]) -> tuple[Address, ...]:
        """Peers from the wire or from this node's own store; returns those not met before."""
        fresh: list[Address] = []
        for peer in peers:
            if len(self._peers) >= self._max_peers:
                break
            if peer not in self._peers and is_usable_peer(peer):
                self._peers[peer] = None
                fresh.append(peer)
        return tuple(fresh)


@dataclass(frozen=True, slots=True)
class Announcement:
    """What to tell the closest nodes at the end of a lookup of peers: a `Placement`."""

    info_hash: Key
    port: int
    implied_port: bool = False
    is_seed: bool = False

    def requests_for(self, contacts: Iterable[tuple[Contact, bytes | None]]) -> list[tuple[Contact, Request]]:
        """Only nodes that gave a token want to be told."""
        return [
            (contact, AnnouncePeer(self.info_hash, self.port, token, self.implied_port, self.is_seed))
            for contact, token in contacts
            if token is not None
        ]

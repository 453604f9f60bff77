"""What lookups gather on their way to the closest peers: values, providers, the addresses of one peer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kademlia_core.libp2p.errors import RecordError
from kademlia_core.libp2p.messages import PeerInfo, Record
from kademlia_core.libp2p.peer import Peer
from kademlia_core.libp2p.requests import KadAnswer, PutValue

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kademlia_core.contact import Contact
    from kademlia_core.engine.requests import Answer, Request
    from kademlia_core.libp2p.peer import PeerPolicy
    from kademlia_core.libp2p.validators import Validators
    from transfer.identity.peer_id import PeerId
    from transfer.multiaddr.multiaddr import Multiaddr


class ValueHarvest:
    """The best value under a key, and which peers had which. News are values better than those before.

    Peers that answered with something that is not right for the key count as having nothing.
    """

    def __init__(
        self,
        key: bytes,
        *,
        validators: Validators,
        quorum: int,
        max_value_bytes: int,
        own: bytes | None,
        wall_s: float,
    ) -> None:
        """A search at the time `wall_s`, in seconds since 1970; `own` is what this node keeps itself."""
        self.key = key
        self.best = own
        self._validators = validators
        self._quorum = quorum
        self._max_value_bytes = max_value_bytes
        self._wall_s = wall_s
        self._holders: dict[Contact, bytes] = {}  # bounded by the lookup's max_queries
        self._valid: set[bytes] = {own} if own is not None else set()

    def on_response(self, contact: Contact, answer: Answer) -> tuple[bytes, ...]:
        record = answer.message.record if isinstance(answer, KadAnswer) else None
        if record is None or record.key != self.key or not self._is_valid(record.value):
            return ()
        value = record.value
        self._holders[contact] = value
        if self.best is not None and not self._validators.is_better(self.key, value, self.best):
            return ()
        is_news = value != self.best
        self.best = value
        return (value,) if is_news else ()

    @property
    def is_complete(self) -> bool:
        if not self._quorum or self.best is None:
            return False
        return sum(value == self.best for value in self._holders.values()) >= self._quorum

    def holders(self) -> list[Contact]:
        """The peers that answered with the best value."""
        return [contact for contact, value in self._holders.items() if value == self.best]

    def outdated(self) -> list[Contact]:
        """The peers that answered with a value that is not the best."""
        return [contact for contact, value in self._holders.items() if value != self.best]

    def _is_valid(self, value: bytes) -> bool:
        if value in self._valid:
            return True
        if len(value) > self._max_value_bytes:
            return False
        try:
            self._validators.validate(self.key, value, wall_s=self._wall_s)
        except RecordError:
            return False
        self._valid.add(value)
        return True


class ProviderHarvest:
    """The providers of a content, each reported once, and again if an answer knows more addresses of it."""

    def __init__(self, *, policy: PeerPolicy, most: int) -> None:
        self._policy = policy
        self._most = most
        self.providers: dict[PeerId, tuple[Multiaddr, ...]] = {}

    def on_response(self, contact: Contact, answer: Answer) -> tuple[PeerInfo, ...]:
        if not isinstance(answer, KadAnswer):
            return ()
        news: list[PeerInfo] = []
        for info in answer.message.providers:
            known = self.providers.get(info.peer_id)
            if known is None and self.is_complete:
                break
            addresses = self._policy.usable(info.addresses, teller=_teller(contact))
            more = tuple(address for address in addresses if address not in (known or ()))
            if known is None or (more and len(known) < MAX_ADDRESSES):
                self.providers[info.peer_id] = ((known or ()) + more)[:MAX_ADDRESSES]
                news.append(PeerInfo(info.peer_id, self.providers[info.peer_id]))
        return tuple(news)

    @property
    def is_complete(self) -> bool:
        return len(self.providers) >= self._most


class PeerHarvest:
    """The addresses of one peer. A lookup ends early when the peer itself has answered."""

    def __init__(self, target: PeerId, *, policy: PeerPolicy, known: tuple[Multiaddr, ...] = ()) -> None:
        self._target = target
        self._policy = policy
        self.addresses: dict[Multiaddr, None] = dict.fromkeys(known)
        self.is_complete = False

    def on_response(self, contact: Contact, answer: Answer) -> tuple[Multiaddr, ...]:
        news: dict[Multiaddr, None] = {}
        peer = contact.endpoint
        if isinstance(peer, Peer) and peer.peer_id == self._target:
            self.is_complete = True
            news.update(dict.fromkeys(peer.addresses))
        if isinstance(answer, KadAnswer):
            for info in answer.message.closer:
                if info.peer_id == self._target:
                    news.update(dict.fromkeys(self._policy.usable(info.addresses, teller=_teller(contact))))
        room = MAX_ADDRESSES - len(self.addresses)
        fresh = [address for address in news if address not in self.addresses][: max(room, 0)]
        self.addresses.update(dict.fromkeys(fresh))
        return tuple(fresh)


class SamePlacement:
    """One request for each of the closest peers."""

    def __init__(self, request: Request) -> None:
        self._request = request

    def requests_for(self, contacts: Iterable[tuple[Contact, bytes | None]]) -> list[tuple[Contact, Request]]:
        return [(contact, self._request) for contact, _ in contacts]


class Correction:
    """The best value of a search, for those of the closest peers that have another or none.

    When the search has ended early, who is closest is not known: then only those that gave an outdated one are told.
    """

    def __init__(self, harvest: ValueHarvest) -> None:
        self._harvest = harvest

    def requests_for(self, contacts: Iterable[tuple[Contact, bytes | None]]) -> list[tuple[Contact, Request]]:
        best = self._harvest.best
        if best is None:
            return []
        request = PutValue(Record(self._harvest.key, best))
        if self._harvest.is_complete:
            return [(contact, request) for contact in self._harvest.outdated()[:MAX_CORRECTIONS]]
        holders = set(self._harvest.holders())
        return [(contact, request) for contact, _ in contacts if contact not in holders]


def _teller(contact: Contact) -> Multiaddr | None:
    """The address that an answer came from; the one that was dialled while that is not known."""
    peer = contact.endpoint
    assert isinstance(peer, Peer)
    return peer.observed or next(iter(peer.addresses), None)


MAX_ADDRESSES = 32
MAX_CORRECTIONS = 20

"""How the engine's questions travel: as messages over streams, to peers that it knows by their key."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

from kademlia_core.contact import Contact
from kademlia_core.engine.requests import FindNode, Ping
from kademlia_core.libp2p.asking import PendingRequests, StreamRequest
from kademlia_core.libp2p.keyspace import key_of, preimage_near
from kademlia_core.libp2p.messages import Message, MessageType, encode
from kademlia_core.libp2p.peer import Peer
from kademlia_core.libp2p.requests import KadAnswer, message_of
from transfer.host.peer_record import PeerRecord
from transfer.identity.errors import IdentityError

if TYPE_CHECKING:
    from random import Random

    from kademlia_core.endpoint import Endpoint
    from kademlia_core.engine.query_port import Asker
    from kademlia_core.engine.requests import Answer, Request
    from kademlia_core.key import Key
    from kademlia_core.libp2p.config import Libp2pConfig
    from kademlia_core.libp2p.messages import PeerInfo
    from kademlia_core.libp2p.peer import PeerPolicy
    from transfer.multiaddr.multiaddr import Multiaddr

MAX_TARGETS = 512  # of ranges whose preimage is remembered: one for each lookup that may run
MAX_PER_PLACE = 2  # contacts of one answer at one address, so that nobody aims this node at a victim


class KadNetwork:
    """The `QueryPort` of an engine over streams.

    The engine's `FindNode` names a point of the key space, which is sent as bytes that hash close to it. Its `Ping` is
    the question for the peer's own id, which is what go-libp2p asks too: the protocol's PING is not answered by
    rust-libp2p.
    """

    def __init__(self, own_key: Key, *, policy: PeerPolicy, config: Libp2pConfig, rng: Random) -> None:
        self.pending = PendingRequests(timeout_s=config.query_timeout_s, limit=config.max_pending_requests)
        self._own_key = own_key
        self._policy = policy
        self._config = config
        self._rng = rng
        self._preimages: OrderedDict[Key, bytes] = OrderedDict()

    def remember(self, data: bytes) -> Key:
        """Of a key that will be looked for: its bytes are sent as they are."""
        key = key_of(data)
        self._preimages[key] = data
        self._preimages.move_to_end(key)
        if len(self._preimages) > MAX_TARGETS:
            self._preimages.popitem(last=False)
        return key

    def ask(
        self, endpoint: Endpoint, request: Request, asker: Asker, *, contact: Contact | None = None, now: float
    ) -> StreamRequest | None:
        assert isinstance(endpoint, Peer)
        if not self.pending.has_room or endpoint.peer_id == self._policy.own_id:
            return None
        message = self._message(request, endpoint)
        asked = StreamRequest(endpoint, request, asker, contact, kind=message.type, data=encode(message))
        self.pending.add(asked, now=now)
        return asked

    def contacts_in(self, answer: Answer, teller: Endpoint, *, now: float) -> tuple[Contact, ...]:
        """The servers that an answer names, with the addresses that this network may use."""
        if not isinstance(answer, KadAnswer) or not isinstance(teller, Peer):
            return ()
        told_from = teller.observed or next(iter(teller.addresses), None)
        contacts: list[Contact] = []
        at_place: dict[Multiaddr, int] = {}
        for info in answer.message.closer[: self._config.lookup.max_contacts_per_response]:
            peer = Peer(info.peer_id, self._policy.usable(_signed_first(info), teller=told_from))
            if not self._policy.is_usable(peer) or not self._policy.is_server_here(peer):
                continue
            place = peer.addresses[0]
            at_place[place] = at_place.get(place, 0) + 1
            if at_place[place] <= MAX_PER_PLACE:
                contacts.append(peer.contact)
        return tuple(contacts)

    def _message(self, request: Request, peer: Peer) -> Message:
        match request:
            case Ping():
                return Message(MessageType.FIND_NODE, peer.peer_id.multihash)
            case FindNode(target):
                return Message(MessageType.FIND_NODE, self._preimage(target))
        return message_of(request)

    def _preimage(self, target: Key) -> bytes:
        data = self._preimages.get(target)
        if data is None:
            bits = target.shared_prefix_length(self._own_key) + 1  # all that a refresh of a bucket needs
            data = self._preimages[target] = preimage_near(target, bits, self._rng)
            if len(self._preimages) > MAX_TARGETS:
                self._preimages.popitem(last=False)
        return data


def _signed_first(info: PeerInfo) -> tuple[Multiaddr, ...]:
    """Addresses that the peer itself has signed, as py-libp2p hands them on, and then those that are hearsay.

    A record that is not the peer's is passed over, and what the teller says is taken as from any other.
    """
    if not info.signed_record:
        return info.addresses
    try:
        record = PeerRecord.open(info.signed_record)
    except IdentityError:
        return info.addresses
    if record.peer_id != info.peer_id:
        return info.addresses
    return tuple(dict.fromkeys((*record.addresses, *info.addresses)))

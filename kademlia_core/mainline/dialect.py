"""The mainline as a dialect: KRPC on the wire, and what a node says to each query from its stores."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kademlia_core.mainline import canonical, krpc
from kademlia_core.mainline.config import KEY_BITS
from kademlia_core.mainline.exchange import Exchange
from kademlia_core.mainline.item_answers import ItemAnswers
from kademlia_core.mainline.item_store import ItemStore
from kademlia_core.mainline.messages import (
    ERROR_METHOD_UNKNOWN,
    AnnouncePeer,
    ErrorReply,
    FindNode,
    GetItem,
    GetPeers,
    Message,
    Ping,
    PutItem,
    Query,
    Response,
    SampleInfoHashes,
    UnknownRequest,
)
from kademlia_core.mainline.node_id import is_valid_for, node_id_for
from kademlia_core.mainline.peer_answers import PeerAnswers
from kademlia_core.mainline.peer_store import PeerStore
from kademlia_core.mainline.quick_answers import QuickAnswers
from kademlia_core.mainline.sampling import InfoHashSampler

if TYPE_CHECKING:
    from random import Random

    from kademlia_core.contact import Contact
    from kademlia_core.key import Key
    from kademlia_core.mainline.config import MainlineConfig
    from kademlia_core.node import messages
    from kademlia_core.node.dialect import NodeView
    from transfer.address import Address


class MainlineDialect:
    """BEP 5 and its extensions. Answers come from the routing table and the stores."""

    key_bits = KEY_BITS
    max_answer_contacts = 8  # BEP 5's k: also with larger buckets an answer stays within one datagram

    def __init__(self, config: MainlineConfig, *, own_key: Key, rng: Random, now: float) -> None:
        self.peers = PeerStore(config.peer_store, rng=rng)
        self.items = ItemStore(config.item_store, own_key, now=now)
        self._peer_answers = PeerAnswers(self.peers)
        self._item_answers = ItemAnswers(self.items)
        self._quick_answers = QuickAnswers(self.peers, config.version)
        self._sampler = InfoHashSampler(self.peers, config.sampling)
        self._version = config.version

    def decode(self, data: bytes) -> Message:
        """Raises:
        KrpcError: no valid message.
        """
        return canonical.read_query(data) or krpc.decode(data)

    def encode(self, message: messages.Message) -> bytes:
        return canonical.write(message) or krpc.encode(message)

    def answer(self, query: Query, source: Address, view: NodeView, *, now: float) -> Response | ErrorReply:
        exchange = Exchange(query, source, view, self._version)
        request = query.request
        match request:
            case Ping():
                return exchange.respond()
            case FindNode():
                return exchange.respond(exchange.nodes_near(request.target))
            case GetPeers():
                return self._peer_answers.get_peers(exchange, request, now=now)
            case AnnouncePeer():
                return self._peer_answers.announce(exchange, request, now=now)
            case GetItem():
                return self._item_answers.get(exchange, request, now=now)
            case PutItem():
                return self._item_answers.put(exchange, request, now=now)
            case SampleInfoHashes():
                return self._sample(exchange, request, now=now)
            case UnknownRequest() if request.target is not None:
                return exchange.respond(exchange.nodes_near(request.target))
        return exchange.refuse(ERROR_METHOD_UNKNOWN, "Method Unknown")

    def quick_answer(self, data: bytes, source: Address, view: NodeView, *, now: float) -> tuple[Key, bytes] | None:
        return self._quick_answers.answer(data, source, view, now=now)

    def node_id_for(self, host: str, rng: Random) -> Key | None:
        """BEP 42's key for an address."""
        return node_id_for(host, rng)

    def is_trusted(self, contact: Contact) -> bool:
        """BEP 42: the key proves that its holder has the address, at least."""
        return is_valid_for(contact.key, contact.address.host)

    def moved(self, own_key: Key) -> None:
        """Peers are kept whatever our key is; of items, others are far away now."""
        self.items.move(own_key)

    def expire(self, *, now: float) -> None:
        self.peers.expire(now=now)
        self.items.expire(now=now)

    def check_invariants(self) -> None:
        """Asserts what the stores promise."""
        self.peers.check_invariants()
        self.items.check_invariants()

    def _sample(self, exchange: Exchange, request: SampleInfoHashes, *, now: float) -> Response:
        nodes = exchange.nodes_near(request.target)
        room_bytes = exchange.room_bytes(nodes) - SAMPLE_NAMES_BYTES
        return exchange.respond(nodes, sample=self._sampler.sample(room_bytes=room_bytes, now=now))


SAMPLE_NAMES_BYTES = len(b"8:intervali21600e3:numi4294967295e7:samples1000:")

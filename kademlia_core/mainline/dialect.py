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
from transfer.external_address import ExternalAddress

if TYPE_CHECKING:
    from random import Random

    from kademlia_core.contact import Contact
    from kademlia_core.datagram.dialect import NodeView
    from kademlia_core.datagram.messages import MessageError
    from kademlia_core.key import Key
    from kademlia_core.mainline.config import MainlineConfig
    from kademlia_core.mainline.messages import Request
    from transfer.address import Address


class MainlineDialect:
    """BEP 5 and its extensions. Answers come from the routing table and the stores."""

    key_bits = KEY_BITS
    max_answer_contacts = 8  # BEP 5's k: also with larger buckets an answer stays within one datagram

    def __init__(
        self,
        config: MainlineConfig,
        *,
        own_key: Key,
        rng: Random,
        now: float,
        is_ipv6: bool = False,
        keeps_id: bool = False,
    ) -> None:
        """`keeps_id` says that `own_key` stays even if the network would have another one at this address."""
        self.peers = PeerStore(config.peer_store, rng=rng)
        self.items = ItemStore(config.item_store, own_key, now=now)
        self.external = ExternalAddress(config.external_address, is_ipv6=is_ipv6)
        self._keeps_id = keeps_id
        self._rng = rng
        self._peer_answers = PeerAnswers(self.peers)
        self._item_answers = ItemAnswers(self.items)
        self._quick_answers = QuickAnswers(self.peers, config.version)
        self._sampler = InfoHashSampler(self.peers, config.sampling)
        self._version = config.version
        self._is_read_only = config.is_read_only

    def decode(self, data: bytes) -> Message:
        """The message that a datagram holds.

        Raises:
            KrpcError: no valid message.
        """
        read = canonical.read_query if data[:12] == canonical.HEAD else canonical.read_response
        return read(data) or krpc.decode(data)

    def encode(self, message: Message) -> bytes:
        return canonical.write(message) or krpc.encode(message)

    def query(self, transaction_id: bytes, request: Request, view: NodeView) -> Query:
        return Query(transaction_id, view.node_id, request, self._is_read_only, self._version, view.families.spoken)

    def is_contact(self, query: Query) -> bool:
        return not query.is_read_only

    def answer(self, query: Query, source: Address, view: NodeView, *, now: float) -> Response | ErrorReply | None:
        if self._is_read_only:
            return None
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
        if self._is_read_only or data[:12] != canonical.HEAD:
            return None
        return self._quick_answers.answer(data, source, view, now=now)

    def refuse(self, error: MessageError) -> ErrorReply | None:
        if self._is_read_only or error.transaction_id is None:
            return None
        return ErrorReply(error.transaction_id, error.code, error.reason, self._version)

    def contacts_in(self, response: Response, teller: Address, view: NodeView, *, now: float) -> tuple[Contact, ...]:
        return view.families.usable(response.nodes, response.nodes6, teller, now=now)

    def receive_response(self, response: Response, source: Address, view: NodeView, *, now: float) -> Key | None:
        """Once the network agrees on where we are, our key has to suit that place (BEP 42)."""
        seen_at = response.external_address
        if seen_at is None or not self.external.on_vote(source, seen_at, now=now):
            return None
        host = self.external.agreed
        if host is None or self._keeps_id or is_valid_for(view.node_id, host):
            return None
        own_key = node_id_for(host, self._rng)
        self.items.move(own_key)  # peers are kept whatever our key is; of items, others are far away now
        return own_key

    def is_trusted(self, contact: Contact) -> bool:
        """BEP 42: the key proves that its holder has the address, at least."""
        return is_valid_for(contact.key, contact.address.host)

    def expire(self, *, now: float) -> None:
        self.peers.expire(now=now)
        self.items.expire(now=now)

    def check_invariants(self) -> None:
        """Asserts what the stores promise."""
        self.peers.check_invariants()
        self.items.check_invariants()
        self.external.check_invariants()

    def _sample(self, exchange: Exchange, request: SampleInfoHashes, *, now: float) -> Response:
        nodes = exchange.nodes_near(request.target)
        room_bytes = exchange.room_bytes(nodes) - SAMPLE_NAMES_BYTES
        return exchange.respond(nodes, sample=self._sampler.sample(room_bytes=room_bytes, now=now))


SAMPLE_NAMES_BYTES = len(b"8:intervali21600e3:numi4294967295e7:samples1000:")

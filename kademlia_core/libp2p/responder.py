"""The server side: what a node answers, as deployed peers do it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from kademlia_core.libp2p.errors import RecordError, RequestRefusedError
from kademlia_core.libp2p.keyspace import key_of
from kademlia_core.libp2p.messages import Message, MessageType, PeerInfo, encode
from kademlia_core.libp2p.peer import Peer, source_of
from transfer.identity.errors import IdentityError
from transfer.identity.peer_id import PeerId

if TYPE_CHECKING:
    from kademlia_core.libp2p.config import Libp2pConfig
    from kademlia_core.libp2p.peer import PeerPolicy
    from kademlia_core.libp2p.peer_book import PeerBook
    from kademlia_core.libp2p.provider_store import ProviderStore
    from kademlia_core.libp2p.value_store import ValueStore
    from kademlia_core.routing_table import RoutingTable

MAX_PROVIDER_KEY_BYTES = 80  # of go-libp2p


class Responder:
    """Answers requests from a table and two stores.

    What go-libp2p and js-libp2p answer with a reset stream is refused here. Deviations: answers are cut to what
    rust-libp2p reads; a record whose key is not the message's is refused, as go does and js does not.
    """

    def __init__(
        self,
        table: RoutingTable,
        *,
        policy: PeerPolicy,
        book: PeerBook,
        values: ValueStore,
        providers: ProviderStore,
        config: Libp2pConfig,
    ) -> None:
        self._table = table
        self._policy = policy
        self._book = book
        self._values = values
        self._providers = providers
        self._config = config

    def answer(self, message: Message, asker: Peer, *, wall_s: float, now: float) -> bytes | None:
        """The bytes of the answer to a request of `asker`; None for one that is not answered.

        Raises:
            RequestRefusedError: it makes no sense, or what it wants kept is not.
        """
        if message.type is MessageType.PING:
            return encode(Message(MessageType.PING))
        if not message.key:
            raise RequestRefusedError("a request without a key")
        match message.type:
            case MessageType.FIND_NODE:
                return self._encoded(Message(MessageType.FIND_NODE, closer=self._for_node(message.key, asker)))
            case MessageType.GET_VALUE:
                record = self._values.get(message.key, wall_s=wall_s, now=now)
                return self._encoded(replace(self._near(message, asker), record=record))
            case MessageType.PUT_VALUE:
                return encode(self._put(message, asker, wall_s=wall_s, now=now))
            case MessageType.GET_PROVIDERS:
                self._check_provider_key(message.key)
                return self._encoded(replace(self._near(message, asker), providers=self._known(message.key, now=now)))
        self._check_provider_key(message.key)
        self._add_provider(message, asker, now=now)
        return None

    def _near(self, message: Message, asker: Peer) -> Message:
        return Message(message.type, message.key, closer=self._closest(message.key, asker))

    def _closest(self, key: bytes, asker: Peer) -> tuple[PeerInfo, ...]:
        """The peers of the table closest to a key, without the one that asks, which knows itself."""
        count = self._config.routing_table.bucket_size
        contacts = self._table.closest(key_of(key), count + 1)
        peers = [contact.endpoint for contact in contacts if contact.endpoint != asker]
        return tuple(self._told(peer, asker) for peer in peers[:count] if isinstance(peer, Peer))

    def _for_node(self, key: bytes, asker: Peer) -> tuple[PeerInfo, ...]:
        """The peer that is asked for first, if it is known, be it no server; then the closest.

        go-libp2p asks a new server for that server's own id, and admits it when somebody is named.
        """
        closest = self._closest(key, asker)
        try:
            target = PeerId(key)
        except IdentityError:
            return closest
        addresses = self._policy.usable(self._book.addresses_of(target), teller=asker.observed)
        if target != self._policy.own_id and not addresses:
            return closest
        others = tuple(info for info in closest if info.peer_id != target)
        return (PeerInfo(target, addresses), *others)

    def _told(self, peer: Peer, asker: Peer) -> PeerInfo:
        """With the addresses that are of use where the asker is."""
        addresses = self._book.addresses_of(peer.peer_id) or peer.addresses
        return PeerInfo(peer.peer_id, self._policy.usable(addresses, teller=asker.observed))

    def _known(self, key: bytes, *, now: float) -> tuple[PeerInfo, ...]:
        """The providers of a key; of one without addresses those that are known otherwise."""
        return tuple(
            info if info.addresses else PeerInfo(info.peer_id, self._book.addresses_of(info.peer_id))
            for info in self._providers.get(key, now=now)
        )

    def _put(self, message: Message, asker: Peer, *, wall_s: float, now: float) -> Message:
        record = message.record
        if record is None or record.key != message.key:
            raise RequestRefusedError("a value without a record, or under another key than the message's")
        try:
            self._values.put(record, source=source_of(asker), wall_s=wall_s, now=now)
        except RecordError as error:
            raise RequestRefusedError(str(error)) from None
        return Message(MessageType.PUT_VALUE, message.key, record)

    def _add_provider(self, message: Message, asker: Peer, *, now: float) -> None:
        """Only what a peer says of itself counts. Without an address it would be of no use."""
        for info in message.providers:
            if info.peer_id == asker.peer_id:
                addresses = self._policy.usable(info.addresses, teller=asker.observed)
                addresses = addresses or self._book.addresses_of(asker.peer_id)
                if addresses:
                    self._providers.add(message.key, info.peer_id, addresses, source=source_of(asker), now=now)

    def _check_provider_key(self, key: bytes) -> None:
        if len(key) > MAX_PROVIDER_KEY_BYTES:
            raise RequestRefusedError(f"the key of a content has at most {MAX_PROVIDER_KEY_BYTES} bytes")

    def _encoded(self, message: Message) -> bytes:
        """With fewer addresses of each peer, and then fewer peers, until it is short enough for every reader."""
        most = self._config.sent_answer_bytes
        if message.record is not None:
            most += len(message.record.key) + len(message.record.value)
        data = encode(message)
        for count in (4, 2, 1):
            if len(data) <= most:
                return data
            message = replace(
                message, closer=_cut(message.closer, count), providers=_cut(message.providers, count)
            )  # fmt: skip
            data = encode(message)
        while len(data) > most and (message.closer or message.providers):
            message = replace(
                message,
                closer=message.closer[: len(message.closer) * 3 // 4],
                providers=message.providers[: len(message.providers) * 3 // 4],
            )
            data = encode(message)
        return data


def _cut(peers: tuple[PeerInfo, ...], count: int) -> tuple[PeerInfo, ...]:
    return tuple(
        replace(peer, addresses=peer.addresses[:count]) if len(peer.addresses) > count else peer for peer in peers
    )

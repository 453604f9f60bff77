"""The messages of the mainline DHT beside those that every dialect has (BEP 5, 33, 44, 51). Keys are 160 bits wide."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from kademlia_core.datagram import messages
from kademlia_core.engine.requests import FindNode, Ping, Request

if TYPE_CHECKING:
    from kademlia_core.contact import Contact
    from kademlia_core.key import Key
    from kademlia_core.mainline.items import ImmutableItem, MutableItem
    from kademlia_core.mainline.peer_store import SwarmFilters
    from kademlia_core.mainline.sampling import InfoHashSample
    from transfer.address import Address

__all__ = [
    "AnnouncePeer",
    "ErrorReply",
    "FindNode",
    "GetItem",
    "GetPeers",
    "Message",
    "Ping",
    "PutItem",
    "Query",
    "Request",
    "Response",
    "SampleInfoHashes",
    "StoredItem",
    "UnknownRequest",
]


@dataclass(frozen=True, slots=True)
class GetPeers(Request):
    """Which peers share `info_hash`, and which nodes do you know closest to it?

    `no_seeds` asks for peers that still download, `wants_filters` for Bloom filters of all of them (BEP 33).
    """

    info_hash: Key
    no_seeds: bool = False
    wants_filters: bool = False


@dataclass(frozen=True, slots=True)
class AnnouncePeer(Request):
    """The sender shares `info_hash` on `port`, or on the port it sent this from when `implied_port` is set.

    `is_seed` says that it has all of it (BEP 33).
    """

    info_hash: Key
    port: int
    token: bytes
    implied_port: bool = False
    is_seed: bool = False


@dataclass(frozen=True, slots=True)
class GetItem(Request):
    """What is stored under `target` (BEP 44)? With `seq`, only a mutable item newer than that is wanted."""

    target: Key
    seq: int | None = None


@dataclass(frozen=True, slots=True)
class PutItem(Request):
    """Store `item` (BEP 44); if `cas` is given, only in place of the version with that sequence number."""

    item: ImmutableItem | MutableItem
    token: bytes
    cas: int | None = None


@dataclass(frozen=True, slots=True)
class SampleInfoHashes(Request):
    """Which info-hashes do you store, and which nodes do you know closest to `target` (BEP 51)?"""

    target: Key


@dataclass(frozen=True, slots=True)
class UnknownRequest(Request):
    """A method that we do not know; with a `target` it is answered like `FindNode` (forward compatibility)."""

    method: bytes
    target: Key | None


@dataclass(frozen=True, slots=True)
class StoredItem:
    """What a node says it has under the target of a `GetItem`; nothing of it has been checked.

    `value` is raw bencode. It is None when only the sequence number was told, because the asker has that version.
    """

    value: bytes | None = None
    seq: int | None = None
    public_key: bytes | None = None
    signature: bytes | None = None


@dataclass(slots=True)
class Query(messages.Query):
    """A query on the mainline.

    `is_read_only` nodes (BEP 43) do not answer queries and must not enter a table. `want` names the address families
    (4, 6) of the nodes wished for in the answer; empty means the family of the datagram (BEP 32).
    """

    is_read_only: bool = False
    version: bytes = b""
    want: tuple[int, ...] = ()


@dataclass(slots=True)
class Response(messages.Response):
    """An answer on the mainline; what its method does not give is empty or None.

    `nodes` and `nodes6` are IPv4 and IPv6 contacts. `external_address` is where the responder saw the query come from
    (BEP 42). `peers` share the info-hash asked for, and `filters` count them.
    """

    nodes: tuple[Contact, ...] = ()
    nodes6: tuple[Contact, ...] = ()
    external_address: Address | None = None
    version: bytes = b""
    peers: tuple[Address, ...] = ()
    filters: SwarmFilters | None = None
    item: StoredItem | None = None
    sample: InfoHashSample | None = None

    def shortened(self) -> Response:
        """Nodes and token, with which the node that asks gets on."""
        return Response(
            self.transaction_id,
            self.sender,
            self.token,
            self.nodes,
            self.nodes6,
            self.external_address,
            self.version,
        )


@dataclass(frozen=True, slots=True)
class ErrorReply(messages.ErrorReply):
    """A refusal on the mainline."""

    version: bytes = b""


Message: TypeAlias = Query | Response | ErrorReply

# BEP 5 defines the first four, BEP 44 the others.
ERROR_GENERIC = 201
ERROR_SERVER = 202
ERROR_PROTOCOL = 203
ERROR_METHOD_UNKNOWN = 204
ERROR_VALUE_TOO_BIG = 205
ERROR_SIGNATURE = 206
ERROR_SALT_TOO_BIG = 207
ERROR_CAS_MISMATCH = 301
ERROR_SEQUENCE = 302

"""The messages of BEP 5 as values. Keys are 160 bits wide; `transaction_id` is opaque and echoed exactly."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from kademlia_core.contact import Contact
from kademlia_core.key import Key
from transfer.address import Address


@dataclass(frozen=True, slots=True)
class Ping:
    """Are you there, and who are you?"""


@dataclass(frozen=True, slots=True)
class FindNode:
    """Which nodes do you know closest to `target`?"""

    target: Key


@dataclass(frozen=True, slots=True)
class GetPeers:
    """Who shares `info_hash`, and which nodes do you know closest to it?"""

    info_hash: Key


@dataclass(frozen=True, slots=True)
class AnnouncePeer:
    """The sender shares `info_hash` on `port`, or on the port it sent this from when `implied_port` is set."""

    info_hash: Key
    port: int
    token: bytes
    implied_port: bool = False


@dataclass(frozen=True, slots=True)
class UnknownRequest:
    """A method that BEP 5 does not have; with a `target` it is answered like `FindNode` (forward compatibility)."""

    method: bytes
    target: Key | None


Request: TypeAlias = Ping | FindNode | GetPeers | AnnouncePeer | UnknownRequest


@dataclass(frozen=True, slots=True)
class Query:
    """Somebody asks. `is_read_only` nodes (BEP 43) do not answer queries and must not enter a table."""

    transaction_id: bytes
    sender: Key
    request: Request
    is_read_only: bool = False
    version: bytes = b""


@dataclass(frozen=True, slots=True)
class Response:
    """Somebody answers. What a query did not ask for is empty.

    `nodes` and `nodes6` are IPv4 and IPv6 contacts. `token` is None when the responder will not take an announce.
    `external_address` is where the responder saw the query come from.
    """

    transaction_id: bytes
    sender: Key
    nodes: tuple[Contact, ...] = ()
    nodes6: tuple[Contact, ...] = ()
    peers: tuple[Address, ...] = ()
    token: bytes | None = None
    external_address: Address | None = None
    version: bytes = b""


@dataclass(frozen=True, slots=True)
class ErrorReply:
    """Somebody refuses."""

    transaction_id: bytes
    code: int
    text: str
    version: bytes = b""


Message: TypeAlias = Query | Response | ErrorReply

ERROR_GENERIC = 201
ERROR_SERVER = 202
ERROR_PROTOCOL = 203
ERROR_METHOD_UNKNOWN = 204

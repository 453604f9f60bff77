"""The messages of the mainline DHT beside those that every dialect has (BEP 5, 33, 44, 51). Keys are 160 bits wide."""

from __future__ import annotations

from dataclasses import dataclass

from kademlia_core.key import Key
from kademlia_core.node import messages
from kademlia_core.node.messages import ErrorReply, FindNode, Message, Ping, Query, Request
from transfer.address import Address

__all__ = [
    "AnnouncePeer",
    "ErrorReply",
    "FindNode",
    "GetPeers",
    "Message",
    "Ping",
    "Query",
    "Request",
    "Response",
    "UnknownRequest",
]


@dataclass(frozen=True, slots=True)
class GetPeers(Request):
    """Who shares `info_hash`, and which nodes do you know closest to it?"""

    info_hash: Key


@dataclass(frozen=True, slots=True)
class AnnouncePeer(Request):
    """The sender shares `info_hash` on `port`, or on the port it sent this from when `implied_port` is set."""

    info_hash: Key
    port: int
    token: bytes
    implied_port: bool = False


@dataclass(frozen=True, slots=True)
class UnknownRequest(Request):
    """A method that we do not know; with a `target` it is answered like `FindNode` (forward compatibility)."""

    method: bytes
    target: Key | None


@dataclass(frozen=True, slots=True)
class Response(messages.Response):
    """An answer on the mainline; what its method does not give is empty.

    `peers` share the info-hash asked for.
    """

    peers: tuple[Address, ...] = ()


ERROR_GENERIC = 201
ERROR_SERVER = 202
ERROR_PROTOCOL = 203
ERROR_METHOD_UNKNOWN = 204

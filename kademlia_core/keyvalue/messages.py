"""The messages of a key-value network beside those that every dialect has (the Kademlia paper, section 2.3)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from kademlia_core.node import messages
from kademlia_core.node.messages import Request

if TYPE_CHECKING:
    from kademlia_core.key import Key
    from kademlia_core.keyvalue.records import Record


@dataclass(frozen=True, slots=True)
class FindValue(Request):
    """What is kept under `key`, and which nodes do you know closest to it?"""

    key: Key


@dataclass(frozen=True, slots=True)
class Store(Request):
    """Keep this. `token` is from the receiver's answer to `FindValue`: the sender's address is its own."""

    record: Record
    token: bytes


@dataclass(slots=True)
class Response(messages.Response):
    """An answer in a key-value network; `record` is there when a value was asked for and is kept."""

    record: Record | None = None


ERROR_METHOD_UNKNOWN = 204
ERROR_PROTOCOL = 203
ERROR_TOO_BIG = 205
ERROR_REFUSED = 202

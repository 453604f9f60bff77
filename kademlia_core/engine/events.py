"""What a node's engine reports to its owner."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from kademlia_core.engine.direct_query import DirectQuery
    from kademlia_core.engine.joining import JoinState
    from kademlia_core.engine.lookup import EngineLookup


@dataclass(frozen=True, slots=True)
class Found:
    """A lookup came across something new: peers, items, values, as its harvest gathers them."""

    lookup: EngineLookup
    found: tuple[object, ...]


@dataclass(frozen=True, slots=True)
class LookupFinished:
    """A lookup is over; ask it for `result()`, `accepted()` and `stats`."""

    lookup: EngineLookup


@dataclass(frozen=True, slots=True)
class JoinStateChanged:
    """The node has joined the network, failed to, or begun to try."""

    state: JoinState


@dataclass(frozen=True, slots=True)
class JoinWanted:
    """It is time to resolve the bootstrap addresses again and to call `join` with them."""


@dataclass(frozen=True, slots=True)
class QueryFinished:
    """A query that was sent on command has been answered, refused, or left unanswered."""

    query: DirectQuery


Event: TypeAlias = Found | LookupFinished | QueryFinished | JoinStateChanged | JoinWanted

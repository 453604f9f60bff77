"""What a node's engine reports to its owner."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from kademlia_core.node.joining import JoinState
    from kademlia_core.node.queries import DirectQuery
    from kademlia_core.node.searches import Search


@dataclass(frozen=True, slots=True)
class Found:
    """A search came across something new: peers, items, values, as its harvest gathers them."""

    search: Search
    found: tuple[object, ...]


@dataclass(frozen=True, slots=True)
class SearchFinished:
    """A search is over; ask it for `result()`, `accepted()` and `stats`."""

    search: Search


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


Event: TypeAlias = Found | SearchFinished | QueryFinished | JoinStateChanged | JoinWanted

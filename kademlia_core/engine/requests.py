"""What nodes ask of one another, and as much of an answer as the engine reads."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from kademlia_core.key import Key


class Request:
    """What one node asks of another. Each dialect has its own, beside `Ping` and `FindNode`."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Ping(Request):
    """Are you there, and who are you?"""


@dataclass(frozen=True, slots=True)
class FindNode(Request):
    """Which nodes do you know closest to `target`?"""

    target: Key


class Answer(Protocol):
    """An answer of a dialect. The `QueryPort` knows which contacts it names, and may have to leave some out."""

    @property
    def sender(self) -> Key:
        """The key of the node that answers."""
        ...

    @property
    def token(self) -> bytes | None:
        """What the sender wants to see again when something is placed with it; None if it wants nothing placed."""
        ...


class QueryError(Protocol):
    """The error with which a node refuses a request."""

    @property
    def code(self) -> int: ...

    @property
    def text(self) -> str: ...

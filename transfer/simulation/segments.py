"""What streams send each other, and what a channel sees of their ends."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from transfer.simulation.host import Host


class Kind(Enum):
    """What a segment does when it arrives."""

    OPEN = "open"
    DATA = "data"
    EOF = "eof"
    RESET = "reset"


class StreamEnd(Protocol):
    """The end of a stream, as a channel sees it."""

    host: Host

    def receive_segment(self, kind: Kind, data: bytes) -> None:
        """A segment has arrived."""
        ...

    def receive_room(self) -> None:
        """The channel takes more than it did."""
        ...

    def fail(self, error: OSError) -> None:
        """What this end sends does not get through any more."""
        ...


HOST_DOWN = -5

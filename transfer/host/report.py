"""What a host says when it is asked why a peer cannot be reached."""

from __future__ import annotations

from dataclasses import dataclass

from transfer.host.dial import Attempt
from transfer.host.events import ConnectionDropped
from transfer.identity.peer_id import PeerId
from transfer.limits.journal import LimitsReport


@dataclass(frozen=True, slots=True)
class DialReport:
    """One call of a peer.

    Attributes:
        at: when, in seconds of the loop's clock.
        attempts: each address, what came of it, and what to do about that.
    """

    peer_id: PeerId | None
    at: float
    attempts: tuple[Attempt, ...]

    def __str__(self) -> str:
        whom = "a peer without an id" if self.peer_id is None else str(self.peer_id)
        lines = [f"call of {whom}:", *(f"  {attempt}" for attempt in self.attempts)]
        return "\n".join(lines if self.attempts else [f"call of {whom}: no address of it is known"])


@dataclass(frozen=True, slots=True)
class HostReport:
    """The calls that were made last, which limits have refused whom, and whom the host has let go. `print` it."""

    calls: tuple[DialReport, ...]
    limits: LimitsReport
    dropped: tuple[ConnectionDropped, ...] = ()

    def __str__(self) -> str:
        calls = "\n".join(map(str, self.calls)) if self.calls else "no calls were made"
        return "\n".join([calls, *map(str, self.dropped), str(self.limits)])

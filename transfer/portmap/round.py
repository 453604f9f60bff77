"""One attempt to have all ports mapped by one gateway: which port outside, and what if it is taken."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import TypeAlias

from transfer.portmap.values import Grant, MappedProtocol, MapRequest, PortMapError, PortMapFailure


@dataclass(frozen=True, slots=True)
class Ask:
    """Ask for this mapping; then call `granted` or `refused`."""

    request: MapRequest


@dataclass(frozen=True, slots=True)
class Release:
    """Take this mapping back; then call `released`, whatever came of it."""

    grant: Grant


Step: TypeAlias = Ask | Release


class MappingRound:
    """Finds a port outside that all protocols can have.

    Others are told one port number for TCP and UDP (trackers, the DHT, peers), so both shall be mapped to the same. A
    port that is taken, or that the gateway exchanged for another one, leads to another attempt; after the last one
    different numbers are kept rather than none.

    Args:
        preferred_port: outside, of an earlier mapping, say; the first to be tried.
        lifetime_s: wished for.
        max_attempts: ports that are tried.

    Invariants:
        at most `max_attempts` times the number of protocols, asked and released
        when it is over, what it holds is `grants`: all of the protocols or none
    """

    def __init__(
        self,
        protocols: Sequence[MappedProtocol],
        *,
        internal_port: int,
        preferred_port: int,
        lifetime_s: int,
        max_attempts: int,
        rng: Random,
    ) -> None:
        self.error: PortMapError | None = None
        self.is_over = False
        self._protocols = tuple(protocols)
        self._internal_port = internal_port
        self._lifetime_s = lifetime_s
        self._attempts_left = max_attempts - 1
        self._rng = rng
        self._wanted = preferred_port
        self._held: list[Grant] = []
        self._to_release: list[Grant] = []

    @property
    def grants(self) -> tuple[Grant, ...]:
        """What is mapped now."""
        return tuple(self._held)

    def next_step(self) -> Step | None:
        """What to do next; None when it is over."""
        if self._to_release:
            return Release(self._to_release[-1])
        if self.is_over:
            return None
        return Ask(
            MapRequest(
                protocol=self._protocols[len(self._held)],
                internal_port=self._internal_port,
                external_port=self._held[0].external_port if self._held else self._wanted,
                lifetime_s=self._lifetime_s,
            )
        )

    def granted(self, grant: Grant) -> None:
        """The gateway made the mapping that `next_step` asked for, perhaps with another port outside."""
        self._held.append(grant)
        if len(self._held) < len(self._protocols):
            return
        ports = {each.external_port for each in self._held}
        if len(ports) == 1 or not self._attempts_left:
            self.is_over = True
        else:
            self._try_another()

    def refused(self, error: PortMapError) -> None:
        """The gateway did not."""
        if error.failure is PortMapFailure.CONFLICT and self._attempts_left:
            self._try_another()
            return
        self.error = error
        self.is_over = True
        self._give_back()

    def released(self) -> None:
        """The mapping that `next_step` wanted gone is gone, or nothing can be done about it."""
        self._to_release.pop()

    def _try_another(self) -> None:
        self._attempts_left -= 1
        self._give_back()
        self._wanted = self._rng.randrange(*OUTER_PORTS)

    def _give_back(self) -> None:
        self._to_release += self._held
        self._held = []


OUTER_PORTS = (10_000, 49_152)  # below those that systems use for outgoing connections (RFC 6335)

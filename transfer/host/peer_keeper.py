"""Which peers a host lets go when there are too many: a `ConnectionKeeper` of peers and their connections. Pure.

A peer may have several connections, and stays or goes as a whole. What it is worth is known as long as it is connected.
That it is protected is known until that is taken back, so that a program can protect those that it is about to call.
"""

from __future__ import annotations

import sys
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

from transfer.identity.peer_id import PeerId
from transfer.limits.keeper import ConnectionKeeper, KeeperConfig

C = TypeVar("C", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Trimmed(Generic[C]):
    """A peer that has to go.

    Attributes:
        connections: all that it has.
        reason: for people.
    """

    peer_id: PeerId
    connections: tuple[C, ...]
    reason: str


class PeerKeeper(Generic[C]):
    """Knows who is connected, and what each is worth.

    Args:
        config: None: nobody is let go.

    Invariants:
        the keeper knows exactly the peers that have connections here
        who is protected, or new, stays
    """

    def __init__(self, config: KeeperConfig | None = None) -> None:
        self._config = config or KeeperConfig(low=sys.maxsize, high=sys.maxsize)
        self._keeper: ConnectionKeeper[PeerId] = ConnectionKeeper(self._config)
        self._connections: dict[PeerId, dict[C, None]] = {}
        self._protected: dict[PeerId, dict[str, None]] = {}
        self._looks_at = float("-inf")

    # Inputs

    def connected(self, peer_id: PeerId, connection: C, *, is_inbound: bool, now: float) -> None:
        """A connection. Peers that nobody here has called go before others of the same worth."""
        of_peer = self._connections.get(peer_id)
        if of_peer is not None:
            of_peer[connection] = None
            return
        self._connections[peer_id] = {connection: None}
        self._keeper.add(peer_id, is_temporary=is_inbound, now=now)
        for name in self._protected.get(peer_id, ()):
            self._keeper.protect(peer_id, name)

    def lost(self, peer_id: PeerId, connection: C) -> None:
        """It is over. Harmless for one that was let go."""
        of_peer = self._connections.get(peer_id)
        if of_peer is not None:
            of_peer.pop(connection, None)
            if not of_peer:
                self._forget(peer_id)

    # Worth

    def tag(self, peer_id: PeerId, name: str, value: float) -> None:
        """As `ConnectionKeeper.tag`."""
        self._keeper.tag(peer_id, name, value)

    def untag(self, peer_id: PeerId, name: str) -> None:
        """As `ConnectionKeeper.untag`."""
        self._keeper.untag(peer_id, name)

    def bump(self, peer_id: PeerId, name: str, value: float, *, half_life_s: float, now: float) -> None:
        """As `ConnectionKeeper.bump`."""
        self._keeper.bump(peer_id, name, value, half_life_s=half_life_s, now=now)

    def protect(self, peer_id: PeerId, name: str) -> None:
        """It stays, for one reason, now and when it comes again."""
        self._protected.setdefault(peer_id, {})[name] = None
        self._keeper.protect(peer_id, name)

    def unprotect(self, peer_id: PeerId, name: str) -> bool:
        """The reason is gone; whether there are others."""
        self._keeper.unprotect(peer_id, name)
        reasons = self._protected.get(peer_id, {})
        reasons.pop(name, None)
        if not reasons:
            self._protected.pop(peer_id, None)
        return bool(reasons)

    # Letting go

    def trim(self, *, now: float) -> list[Trimmed[C]]:
        """Who has to go now. To be called when somebody has come, and at `next_timer`; looks once each `pause_s`."""
        config, count = self._config, len(self._keeper)
        if count <= config.high or now < self._looks_at:
            return []
        self._looks_at = now + max(config.pause_s, LEAST_PAUSE_S)
        reason = (
            f"{count} peers were connected, more than keeper.high ({config.high}), and those worth least went;"
            f" keeper.low is {config.low}"
        )
        return [Trimmed(peer_id, self._forget(peer_id), reason) for peer_id in self._keeper.trim(now=now)]

    def next_timer(self) -> float | None:
        """When to look again; None: there are not too many."""
        return self._looks_at if len(self._keeper) > self._config.high else None

    # Views

    def __len__(self) -> int:
        """Peers that are connected, and were not let go."""
        return len(self._keeper)

    def worth(self, peer_id: PeerId, *, now: float) -> float:
        """As `ConnectionKeeper.worth`."""
        return self._keeper.worth(peer_id, now=now)

    def check_invariants(self) -> None:
        """Asserts that both sides know the same peers."""
        assert all(self._connections.values())
        assert all(self._protected.values())
        assert len(self._connections) == len(self._keeper)
        for peer_id in self._connections:
            assert peer_id in self._keeper
            assert self._keeper.is_protected(peer_id) == (peer_id in self._protected)

    def _forget(self, peer_id: PeerId) -> tuple[C, ...]:
        self._keeper.remove(peer_id)
        return tuple(self._connections.pop(peer_id))


LEAST_PAUSE_S = 1.0

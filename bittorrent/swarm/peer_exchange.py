"""What one peer is told about the others, and what it may tell us (BEP 11)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from bittorrent.origin import Origin
from bittorrent.wire.pex import PexFlags, PexMessage
from transfer.address import Address, is_plausible_from, is_usable_peer
from transfer.limits.token_bucket import TokenBucket


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerExchangeConfig:
    """How much is told.

    Attributes:
        interval_s: between two messages, sent or accepted (BEP 11: a minute).
        max_told: endpoints added, and as many dropped, in a message of ours (BEP 11: 50).
        tolerance: messages that may come at once; the peer's minute is not ours.
        max_introduced: endpoints remembered of each peer to which it can introduce us (BEP 55).
        allow_private: believe peers anywhere that name others in private networks and on this machine.
    """

    interval_s: float = 60.0
    max_told: int = 50
    tolerance: int = 3
    max_introduced: int = 200
    allow_private: bool = False

    def __post_init__(self) -> None:
        if min(self.interval_s, self.max_told, self.tolerance, self.max_introduced) <= 0:
            raise ValueError("the bounds of the exchange of peers must be positive")


DEFAULT_CONFIG = PeerExchangeConfig()


class PeerExchange:
    """The account of one connection.

    Args:
        remote: where the peer is connected from: it is told only what it can reach, and believed only what it can know.

    Invariants:
        `told` is what the peer believes: everything added and not dropped since
        `introduces` are endpoints that it named, said to know hole punching, and has not dropped since: the latest ones
    """

    __slots__ = ("_config", "_heard", "_next_at", "_remote", "_told", "introduces")

    def __init__(self, remote: Address, *, now: float, config: PeerExchangeConfig = DEFAULT_CONFIG) -> None:
        self.introduces: dict[Address, None] = {}
        self._remote = remote
        self._config = config
        self._told: dict[Address, None] = {}
        self._next_at = now
        self._heard = TokenBucket(rate_per_s=1 / config.interval_s, burst=config.tolerance, now=now)

    def is_due(self, *, now: float) -> bool:
        """Whether a minute has passed since the last message."""
        return now >= self._next_at

    def message(self, connected: Mapping[Address, PexFlags], *, own: Origin, now: float) -> PexMessage | None:
        """The news since the last message; None without any.

        Args:
            connected: the peers that others could reach, now.
            own: the peer's own endpoint, which it knows.
        """
        fitting = {
            address: flags
            for address, flags in connected.items()
            if address != own and is_plausible_from(address, self._remote)
        }
        limit = self._config.max_told
        added = [(address, flags) for address, flags in fitting.items() if address not in self._told][:limit]
        dropped = [address for address in self._told if address not in fitting][:limit]
        if not added and not dropped:
            return None
        self._next_at = now + self._config.interval_s
        self._told |= dict.fromkeys(address for address, _ in added)
        for address in dropped:
            del self._told[address]
        return PexMessage(tuple(added), tuple(dropped))

    def receive(self, message: PexMessage, *, now: float) -> list[tuple[Address, PexFlags]] | None:
        """The endpoints worth knowing in a message; None when it came too soon, and is to be ignored."""
        if not self._heard.spend(now=now):
            return None
        named = [
            (address, flags)
            for address, flags in message.added
            if is_usable_peer(address) and (self._config.allow_private or is_plausible_from(address, self._remote))
        ]
        for address in (*message.dropped, *(address for address, _ in named)):
            self.introduces.pop(address, None)
        self.introduces |= dict.fromkeys(address for address, flags in named if PexFlags.HOLEPUNCH in flags)
        while len(self.introduces) > self._config.max_introduced:
            del self.introduces[next(iter(self.introduces))]
        return named

"""Searches for values, and the correction of peers that have an older value or none, behind each search."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kademlia_core.libp2p.gathering import Correction, ValueHarvest
from kademlia_core.libp2p.keyspace import key_of
from kademlia_core.libp2p.requests import GetValue

if TYPE_CHECKING:
    from kademlia_core.engine.core import EngineCore
    from kademlia_core.engine.lookup import EngineLookup
    from kademlia_core.libp2p.config import Libp2pConfig
    from kademlia_core.libp2p.validators import Validators
    from kademlia_core.libp2p.value_store import ValueStore


class ValueSearches:
    """The searches of a node that are running, and the corrections that follow them unseen."""

    def __init__(
        self, engine: EngineCore, *, validators: Validators, values: ValueStore, config: Libp2pConfig
    ) -> None:  # fmt: skip
        self._engine = engine
        self._validators = validators
        self._values = values
        self._config = config
        self._running: dict[EngineLookup, ValueHarvest] = {}
        self._correcting: dict[EngineLookup, None] = {}

    def start(self, key: bytes, *, quorum: int | None, wall_s: float, now: float) -> EngineLookup:
        """As `Libp2pCore.get_value`."""
        self._validators.check_key(key)
        kept = self._values.get(key, wall_s=wall_s, now=now)
        own = kept.value if kept is not None else None
        harvest = ValueHarvest(
            key,
            validators=self._validators,
            quorum=self._config.quorum if quorum is None else quorum,
            max_value_bytes=self._config.values.max_value_bytes,
            own=own,
            wall_s=wall_s,
        )
        found = (own,) if own is not None else ()
        lookup = self._engine.look_up(GetValue(key), key_of(key), harvest=harvest, found=found, now=now)
        self._running[lookup] = harvest
        return lookup

    def cancel(self, lookup: EngineLookup) -> bool:
        """False when the search is over and its correction runs, which goes on."""
        self._running.pop(lookup, None)
        return lookup not in self._correcting

    def on_correction_finished(self, lookup: EngineLookup) -> bool:
        """Whether what has finished was a correction, which nobody waits for."""
        return self._correcting.pop(lookup, self) is None

    def on_finished(self, lookup: EngineLookup, *, now: float) -> None:
        """Of a search: gives the best value to peers that should have it, so that the next to ask there finds it."""
        harvest = self._running.pop(lookup, None)
        if harvest is not None and harvest.best is not None and self._engine.has_room:
            self._correcting[lookup] = None
            self._engine.place(lookup, Correction(harvest), now=now)

    def check_invariants(self) -> None:
        """Asserts the bounds."""
        assert len(self._running) + len(self._correcting) <= self._config.max_lookups

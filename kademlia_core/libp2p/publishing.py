"""What a node leaves with others, values and announcements: once, and again for as long as they are kept alive."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kademlia_core.engine.requests import FindNode
from kademlia_core.libp2p.errors import RecordError
from kademlia_core.libp2p.gathering import SamePlacement
from kademlia_core.libp2p.messages import PeerInfo, Record
from kademlia_core.libp2p.republishing import PROVIDE, VALUE, Republisher, Subject
from kademlia_core.libp2p.requests import AddProvider, PutValue
from transfer.errors import LimitExceededError

if TYPE_CHECKING:
    from random import Random

    from kademlia_core.engine.core import EngineCore
    from kademlia_core.engine.lookup import EngineLookup
    from kademlia_core.libp2p.config import RepublishConfig
    from kademlia_core.libp2p.network import KadNetwork
    from kademlia_core.libp2p.peer_book import PeerBook
    from kademlia_core.libp2p.provider_store import ProviderStore
    from kademlia_core.libp2p.validators import Validators
    from kademlia_core.libp2p.value_store import ValueStore
    from transfer.identity.peer_id import PeerId


class Publisher:
    """Finds the peers closest to a key and leaves something with them, on command and when it is due again."""

    def __init__(
        self,
        engine: EngineCore,
        network: KadNetwork,
        *,
        own_id: PeerId,
        book: PeerBook,
        values: ValueStore,
        providers: ProviderStore,
        validators: Validators,
        config: RepublishConfig,
        rng: Random,
    ) -> None:
        self._engine = engine
        self._network = network
        self._own_id = own_id
        self._book = book
        self._values = values
        self._providers = providers
        self._validators = validators
        self._republisher = Republisher(config, rng=rng)
        self._running: dict[EngineLookup, Subject] = {}  # those that were due

    def put_value(self, key: bytes, value: bytes, *, keep_alive: bool, wall_s: float, now: float) -> EngineLookup:
        """Stores a value with the closest peers, and here.

        Raises:
            RecordError: the value is not right for the key, or this node keeps a better one.
            LimitExceededError: too many lookups are running, or too much is kept alive.
        """
        self._values.put(Record(key, value), source="", wall_s=wall_s, now=now)
        if keep_alive:
            self._republisher.keep((VALUE, key), value, now=now)
        return self._place(key, PutValue(Record(key, value)), now=now)

    def forget_value(self, key: bytes) -> None:
        self._republisher.forget((VALUE, key))

    def provide(self, key: bytes, *, keep_alive: bool, now: float) -> EngineLookup:
        """Announces this node as a provider to the closest peers, and notes it here.

        Raises:
            LimitExceededError: too many lookups are running, or too much is kept alive.
        """
        if keep_alive:
            self._republisher.keep((PROVIDE, key), now=now)
        return self._announce(key, now=now)

    def stop_providing(self, key: bytes) -> None:
        self._republisher.forget((PROVIDE, key))
        self._providers.remove(key, self._own_id)

    def handle_timer(self, *, wall_s: float, now: float) -> None:
        """Publishes again what is due."""
        for subject in self._republisher.take_due(now=now):
            kind, key = subject
            try:
                if kind == PROVIDE:
                    lookup = self._announce(key, now=now)
                else:
                    lookup = self._place(key, PutValue(self._current(key, wall_s=wall_s, now=now)), now=now)
            except (RecordError, LimitExceededError):
                self._republisher.on_published(subject, is_taken=False, now=now)
            else:
                self._running[lookup] = subject

    def on_finished(self, lookup: EngineLookup, *, now: float) -> bool:
        """Whether the lookup was one that was due."""
        subject = self._running.pop(lookup, None)
        if subject is not None:
            self._republisher.on_published(subject, is_taken=bool(lookup.accepted()), now=now)
        return subject is not None

    def next_timer(self) -> float | None:
        return self._republisher.next_timer()

    @property
    def provided(self) -> list[bytes]:
        return self._republisher.provided

    def __len__(self) -> int:
        return len(self._republisher)

    def check_invariants(self) -> None:
        """Asserts what the parts promise."""
        self._republisher.check_invariants()

    def _announce(self, key: bytes, *, now: float) -> EngineLookup:
        addresses = self._book.own_addresses
        self._providers.add(key, self._own_id, addresses, source="", now=now)
        return self._place(key, AddProvider(key, PeerInfo(self._own_id, addresses)), now=now)

    def _current(self, key: bytes, *, wall_s: float, now: float) -> Record:
        """The value to put again: a better one that has come since takes the place of one's own.

        Raises:
            RecordError: it is no longer right, as an IPNS record that has expired.
        """
        kept = self._values.get(key, wall_s=wall_s, now=now)
        value = self._republisher.value_of(key)
        assert value is not None
        if kept is not None and self._validators.is_better(key, kept.value, value):
            value = kept.value
        self._values.put(Record(key, value), source="", wall_s=wall_s, now=now)
        return Record(key, value)

    def _place(self, key: bytes, request: PutValue | AddProvider, *, now: float) -> EngineLookup:
        target = self._network.remember(key)
        return self._engine.look_up(FindNode(target), target, placement=SamePlacement(request), now=now)

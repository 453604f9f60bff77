"""A key-value node as a machine without I/O: the engine of a node, its commands, and the care for its records."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kademlia_core.datagram.core import NodeCore
from kademlia_core.engine.joining import JoinState
from kademlia_core.key import Key
from kademlia_core.keyvalue.config import DEFAULT_CONFIG, KEY_BITS, KeyValueConfig
from kademlia_core.keyvalue.dialect import KeyValueDialect
from kademlia_core.keyvalue.messages import FindValue, Response, Store
from kademlia_core.keyvalue.records import MemoryRecordStore, Record, RecordStore

if TYPE_CHECKING:
    from collections.abc import Iterable
    from random import Random

    from kademlia_core.contact import Contact
    from kademlia_core.engine.lookup import EngineLookup
    from kademlia_core.engine.requests import Answer, Request


class KeyValueCore(NodeCore):
    """A node of a private network for keys and values.

    It stores each of its records again every `republish_s`, unless another node did, with the nodes that are closest
    by then: values survive their keepers (the paper, section 2.5).
    """

    config: KeyValueConfig

    def __init__(
        self,
        *,
        rng: Random,
        now: float,
        node_id: Key | None = None,
        config: KeyValueConfig | None = None,
        records: RecordStore | None = None,
        is_ipv6: bool = False,
    ) -> None:
        """A node whose key is `node_id`, or else a random one.

        Raises:
            ValueError: `node_id` has not 160 bits.
        """
        config = config or DEFAULT_CONFIG
        node_id = node_id or Key.random(KEY_BITS, rng)
        self.records = records if records is not None else MemoryRecordStore(node_id, config.records)
        dialect = KeyValueDialect(config, self.records)
        super().__init__(dialect, rng=rng, now=now, node_id=node_id, config=config, is_ipv6=is_ipv6)
        self._republishing: EngineLookup | None = None
        self._republish_at = now + config.upkeep_interval_s

    def get(self, key: Key, *, now: float) -> EngineLookup:
        """Looks for the value of `key`: a `Found` for each newer record, then `LookupFinished`.

        Raises:
            LimitExceededError: too many lookups are running.
        """
        harvest = RecordHarvest(key, self.config.enough_answers)
        return self.engine.look_up(
            FindValue(key), key, harvest=harvest, found=self._own(key, harvest, now=now), now=now
        )

    def set(self, record: Record, *, now: float) -> EngineLookup:
        """Stores with the nodes closest to the key, and here; `LookupFinished` follows.

        Raises:
            LimitExceededError: too many lookups are running.
        """
        self.records.put(record, host=OWN_HOST, now=now)
        return self.engine.look_up(FindValue(record.key), record.key, placement=RecordPlacement(record), now=now)

    def handle_timer(self, *, now: float) -> None:
        super().handle_timer(now=now)
        if now < self._republish_at:
            return
        # One after the other, as fast as it takes for all of them to have their turn.
        self._republish_at = now + min(self.config.upkeep_interval_s, self.config.republish_s / (len(self.records) + 1))
        is_idle = self._republishing is None or self._republishing.is_finished
        if is_idle and self.engine.has_room and self.engine.join_state is JoinState.JOINED:
            due = self.records.next_due(since=now - self.config.republish_s, now=now)
            if due is not None and len(self.table):
                self.records.touch(due.key, now=now)
                placement = RecordPlacement(due)
                self._republishing = self.engine.look_up(FindValue(due.key), due.key, placement=placement, now=now)

    def next_timer(self) -> float:
        return min(super().next_timer(), self._republish_at)

    def _own(self, key: Key, harvest: RecordHarvest, *, now: float) -> tuple[Record, ...]:
        kept = self.records.get(key, now=now)
        return harvest.add(kept) if kept is not None else ()


class RecordHarvest:
    """The newest record that answers bring; complete when `enough` of them brought one."""

    def __init__(self, key: Key, enough: int) -> None:
        self._key = key
        self._missing = enough
        self._newest: Record | None = None

    def on_response(self, contact: Contact, answer: Answer) -> tuple[Record, ...]:
        if not isinstance(answer, Response) or answer.record is None or answer.record.key != self._key:
            return ()
        self._missing -= 1
        return self.add(answer.record)

    def add(self, record: Record) -> tuple[Record, ...]:
        if self._newest is not None and self._newest.replaces(record):
            return ()
        self._newest = record
        return (record,)

    @property
    def is_complete(self) -> bool:
        return self._missing <= 0


class RecordPlacement:
    """Leaves a record with each of the closest nodes that gave a token."""

    def __init__(self, record: Record) -> None:
        self._record = record

    def requests_for(self, contacts: Iterable[tuple[Contact, bytes | None]]) -> list[tuple[Contact, Request]]:
        return [(contact, Store(self._record, token)) for contact, token in contacts if token is not None]


OWN_HOST = ""  # stands for this node itself in its store

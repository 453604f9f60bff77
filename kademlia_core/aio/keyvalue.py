"""A node of a private network for keys and values, on asyncio."""

from __future__ import annotations

import time
from dataclasses import dataclass
from hashlib import sha1
from typing import TYPE_CHECKING

from kademlia_core.aio.node import Node
from kademlia_core.datagram.stats import NodeStats
from kademlia_core.key import Key
from kademlia_core.keyvalue import codec
from kademlia_core.keyvalue.config import DEFAULT_CONFIG, KEY_BITS, MAX_VALUE_BYTES, KeyValueConfig
from kademlia_core.keyvalue.core import KeyValueCore
from kademlia_core.keyvalue.records import Record, RecordStore

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from kademlia_core.contact import Contact
    from kademlia_core.lookup_stats import LookupStats
    from transfer.address import Address
    from transfer.aio.datagram_port import DatagramPort


@dataclass(frozen=True, slots=True)
class SetReport:
    """How storing a value went. `kept_by` are the nodes that keep it now, closest first."""

    kept_by: tuple[Contact, ...]
    lookup: LookupStats


class KeyValueNode(Node[KeyValueCore]):
    """A node of a private network that keeps values under keys: `set` on one node, `get` on any other.

    Args:
        host: where to bind, as for `MainlineNode`.
        port: see `host`.
        datagrams: see `host`.
        bootstrap: other nodes of this network; none for the first.
        config: its `network` keeps networks apart.
        records: makes the store of each address family's node from its key; in memory if not given.
        node_id: as for `MainlineNode`.
        rng: see `node_id`.
        state_file: see `node_id`.
    """

    _first_bytes = codec.FIRST_BYTES

    def __init__(
        self,
        *,
        host: str | tuple[str, ...] = "0.0.0.0",
        port: int = 0,
        datagrams: DatagramPort | tuple[DatagramPort, ...] = (),
        bootstrap: Iterable[tuple[str, int]] = (),
        node_id: Key | None = None,
        config: KeyValueConfig | None = None,
        records: Callable[[], RecordStore] | None = None,
        rng: random.Random | None = None,
        state_file: Path | str | None = None,
    ) -> None:
        self._keyvalue_config = config = config or DEFAULT_CONFIG
        self._make_records = records
        super().__init__(
            host=host,
            port=port,
            datagrams=datagrams,
            bootstrap=bootstrap,
            config=config,
            rng=rng,
            node_id=node_id,
            state_file=state_file,
        )

    async def set(self, key: str | bytes | Key, value: bytes, *, version: int | None = None) -> SetReport:
        """Stores `value` with the nodes closest to `key`. They keep it for a day; set it again to keep it longer.

        Args:
            key: text and bytes are hashed with SHA-1, a `Key` is taken as it is.
            value: at most `MAX_VALUE_BYTES` bytes.
            version: the highest replaces the others; the milliseconds of this machine's clock if not given.

        Raises:
            TypeError: `value` is not bytes.
            ValueError: the value is too long, or the version not from 0 to 2**64 - 1.
            BootstrapError, NodeClosedError: as `wait_joined`.
            LimitExceededError: too many lookups are running.
        Cancellation: ends the lookup; nodes that have been told remember it.
        """
        if not isinstance(value, bytes):
            raise TypeError(f"a value is bytes, not {type(value).__name__}; encode it first")
        if len(value) > MAX_VALUE_BYTES:
            raise ValueError(f"a value has at most {MAX_VALUE_BYTES} bytes, not {len(value)}; store a pointer to it")
        version = time.time_ns() // 1_000_000 if version is None else version
        if not 0 <= version < 1 << 64:
            raise ValueError(f"a version is from 0 to 2**64 - 1, not {version}")
        lifetime_s = int(self._keyvalue_config.records.lifetime_s)
        record = Record(key_of(key), value, version, lifetime_s)
        running = await self._networks.run(lambda core, now: core.set(record, now=now))
        kept_by = tuple(contact for lookup in running.lookups for contact in lookup.accepted())
        return SetReport(kept_by, running.statistics())

    async def get(self, key: str | bytes | Key) -> bytes | None:
        """The value under `key`, of several the newest; None when no node has one.

        Raises:
            BootstrapError, NodeClosedError: as `wait_joined`.
            LimitExceededError: too many lookups are running.
        Cancellation: ends the lookup.
        """
        target = key_of(key)
        running = await self._networks.run(lambda core, now: core.get(target, now=now))
        newest: Record | None = None
        while (record := await running.next_found()) is not None:
            if newest is None or record.replaces(newest):
                newest = record
        return newest.value if newest is not None else None

    def statistics(self) -> NodeStats:
        """The numbers of this node, summed over its networks.

        Raises:
            NodeClosedError: the node is not open.
        """
        return NodeStats.summed(driver.core.stats(now=driver.now) for driver in self._networks.open_drivers)

    def _make_core(self, local: Address, node_id: Key | None) -> KeyValueCore:
        return KeyValueCore(
            rng=self._rng,
            now=self._loop.time(),
            node_id=node_id,
            config=self._keyvalue_config,
            records=self._make_records() if self._make_records is not None else None,
            is_ipv6=local.is_ipv6,
        )

    @property
    def _key_bits(self) -> int:
        return KEY_BITS


def key_of(name: str | bytes | Key) -> Key:
    """The key that text or bytes stand for: their SHA-1 hash."""
    if isinstance(name, Key):
        return name
    return Key.from_bytes(sha1(name.encode() if isinstance(name, str) else name, usedforsecurity=False).digest())

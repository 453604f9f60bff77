"""Telling which info-hashes are stored here, and asking others no more often than they want (BEP 51)."""

from __future__ import annotations

from dataclasses import dataclass
from heapq import heappop, heappush
from typing import TYPE_CHECKING

from kademlia_core.mainline.config import KEY_BITS, MAX_REPLY_BYTES, MAX_SAMPLE_INTERVAL_S

if TYPE_CHECKING:
    from kademlia_core.key import Key
    from kademlia_core.mainline.config import SamplingConfig
    from kademlia_core.mainline.peer_store import PeerStore
    from transfer.address import Address

INFO_HASH_BYTES = KEY_BITS // 8
MAX_SAMPLES = MAX_REPLY_BYTES // INFO_HASH_BYTES


@dataclass(frozen=True, slots=True)
class InfoHashSample:
    """One answer: some info-hashes of a node, how many it stores, and for how long asking again is useless."""

    info_hashes: tuple[Key, ...]
    stored_count: int
    interval_s: int


class InfoHashSampler:
    """Draws the samples that are handed out.

    While all info-hashes fit into an answer, the answer holds all of them. Beyond that it is a random sample that stays
    the same for `interval_s`, whichever node asks and however often, so that asking in between teaches nothing.
    """

    def __init__(self, peers: PeerStore, config: SamplingConfig) -> None:
        self._peers = peers
        self._interval_s = config.interval_s
        self._drawn: list[Key] = []
        self._drawn_until = 0.0

    def sample(self, *, room_bytes: int, now: float) -> InfoHashSample:
        """The answer to give now.

        Args:
            room_bytes: what the datagram has left for info-hashes, beside its nodes and everything else. Less room
                shows a part of the same sample.
        """
        self._peers.expire(now=now)
        stored = self._peers.torrent_count
        count = max(0, min(MAX_SAMPLES, room_bytes // INFO_HASH_BYTES))
        if stored <= count:
            shown = self._peers.sample_info_hashes(count, now=now)
        else:
            if not self._drawn or now >= self._drawn_until:
                self._drawn = self._peers.sample_info_hashes(MAX_SAMPLES, now=now)
                self._drawn_until = now + self._interval_s
            shown = self._drawn[:count]
        return InfoHashSample(tuple(shown), stored, self._interval_s)


class SampleVisits:
    """Which nodes an indexer has asked and must leave alone for now.

    Forgetting a visit early would be impolite, so beyond `max_visits` it is unknown nodes that have to wait.

    Invariants: at most `max_visits` nodes are remembered, each once and none longer than `MAX_SAMPLE_INTERVAL_S`.
    """

    def __init__(self, config: SamplingConfig) -> None:
        self._max_visits = config.max_visits
        self._free_at: dict[Address, float] = {}
        self._queue: list[tuple[float, Address]] = []

    def may_ask(self, node: Address, *, now: float) -> bool:
        """Whether `node` may be asked for a sample. Cost: O(log n) for each visit that has become history."""
        self._forget(now=now)
        return node not in self._free_at and len(self._free_at) < self._max_visits

    def on_answer(self, node: Address, interval_s: int | None, *, now: float) -> None:
        """Takes note of an answer.

        Args:
            interval_s: what the node wants; values out of range are taken for the nearest in it. None for a node that
                does not know the query, which is not asked again for the longest time. Of two answers the first holds.
        """
        self._forget(now=now)
        wait_s = MAX_SAMPLE_INTERVAL_S if interval_s is None else max(0, min(MAX_SAMPLE_INTERVAL_S, interval_s))
        if wait_s == 0 or node in self._free_at or self.is_full:
            return
        self._free_at[node] = now + wait_s
        heappush(self._queue, (now + wait_s, node))

    def next_free(self, *, now: float) -> float:
        """When a node can be asked again that cannot now, if nothing else happens; infinite when there is none."""
        self._forget(now=now)
        return self._queue[0][0] if self._queue else float("inf")

    @property
    def is_full(self) -> bool:
        return len(self._free_at) >= self._max_visits

    def __len__(self) -> int:
        return len(self._free_at)

    def check_invariants(self, *, now: float) -> None:
        """Asserts what the class promises."""
        assert len(self._free_at) <= self._max_visits
        assert all(free_at <= now + MAX_SAMPLE_INTERVAL_S for free_at in self._free_at.values())
        assert sorted(self._queue) == sorted((free_at, node) for node, free_at in self._free_at.items())

    def _forget(self, *, now: float) -> None:
        while self._queue and self._queue[0][0] <= now:
            _, node = heappop(self._queue)
            del self._free_at[node]

"""Which of many keys to give up first: the one farthest from one's own."""

from __future__ import annotations

from heapq import heapify, heappop, heappush
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kademlia_core.key import Key


class FarthestFirst:
    """A set of keys that knows its farthest from `own_key`.

    Invariants: the heap holds every key of the set, and no more than as many again and `SLACK` that have left it.
    """

    def __init__(self, own_key: Key) -> None:
        self._own_key = own_key
        self._keys: dict[Key, None] = {}
        self._heap: list[tuple[int, Key]] = []  # of (-distance, key)

    def add(self, key: Key) -> None:
        if key in self._keys:
            return
        self._keys[key] = None
        heappush(self._heap, (-(key ^ self._own_key), key))
        self._tidy()

    def discard(self, key: Key) -> None:
        self._keys.pop(key, None)
        self._tidy()

    def farthest(self) -> Key | None:
        """None when the set is empty. Cost: O(log n), spread over calls."""
        while self._heap and self._heap[0][1] not in self._keys:
            heappop(self._heap)
        return self._heap[0][1] if self._heap else None

    def is_closer(self, key: Key) -> bool:
        """Whether `key` is closer to the own key than the farthest of the set."""
        farthest = self.farthest()
        return farthest is not None and (key ^ self._own_key) < (farthest ^ self._own_key)

    def __len__(self) -> int:
        return len(self._keys)

    def __iter__(self) -> Iterator[Key]:
        return iter(self._keys)

    def check_invariants(self) -> None:
        """Asserts what the class promises."""
        assert {key for _, key in self._heap} >= set(self._keys)
        assert len(self._heap) <= 2 * len(self._keys) + SLACK

    def _tidy(self) -> None:
        if len(self._heap) > 2 * len(self._keys) + SLACK:
            self._heap = [(-(each ^ self._own_key), each) for each in self._keys]
            heapify(self._heap)


SLACK = 64

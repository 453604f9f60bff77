"""One direction of the lab's bottleneck: a link, what was counted there, and what becomes of it."""

from __future__ import annotations

import random
from collections.abc import Callable

from transfer.simulation.link import DATAGRAM_HEADER_BYTES, DROPPED, LOST, Link, LinkModel, Pipe


class Line:
    """A `LinkModel` between two hosts, with counters.

    Attributes:
        offered, dropped, lost, marked: packets; what was offered and neither dropped nor lost is under way or arrived.
        leaves_us: when the last packet that was sent leaves the queue.
        again_us: when the duplicate of the last packet arrives; 0: there is none.
        is_cut: whatever is sent is lost.

    Invariants:
        a packet that is dropped found less room in the queue than its size
    """

    __slots__ = (
        "_mark_bytes",
        "_model",
        "_pipe",
        "again_us",
        "dropped",
        "is_cut",
        "leaves_us",
        "lost",
        "marked",
        "offered",
    )

    def __init__(self, link: Link, rng: random.Random, mark_bytes: int | None = None) -> None:
        self._model = LinkModel(link, rng)
        self._pipe: Pipe | None = self._model.pipe(0, 1)
        self._mark_bytes = mark_bytes
        self.is_cut = False
        self.leaves_us = self.again_us = 0
        self.offered = self.dropped = self.lost = self.marked = 0

    def send(self, size: int, now_us: int) -> int:
        """When a packet of `size` bytes, headers and all, arrives; DROPPED or LOST."""
        self.offered += 1
        arrives_us = self._model.datagram_us(0, 1, size - DATAGRAM_HEADER_BYTES, now_us)
        if arrives_us < 0:
            if arrives_us == DROPPED:
                self.dropped += 1
            else:
                self.lost += 1
        elif self.is_cut:
            self.lost += 1
            return LOST
        elif self._model.oddities:
            arrives_us, self.again_us = self._model.second_copy_us(arrives_us)
        pipe = self._pipe
        self.leaves_us = now_us if pipe is None else pipe.free_at_us
        return arrives_us

    def marks(self, now_us: int) -> bool:
        """Whether a packet that comes now is marked: to be asked before it is sent."""
        if self._mark_bytes is None or self.backlog_bytes(now_us) < self._mark_bytes:
            return False
        self.marked += 1
        return True

    def change(self, link: Link, now_us: int) -> Callable[[int], int] | None:
        """Another link from now on. Returns how packets move that have not left yet, None when they do not."""
        before = self._pipe
        self._model.change(link)
        if link.rate_bytes_per_s is None:
            self._pipe = None
            return None
        self._pipe = self._model.pipe(0, 1)
        assert self._pipe is not None
        return self._pipe.change(link.rate_bytes_per_s, link.queue_bytes, now_us) if before is self._pipe else None

    def hold(self, until_us: int, now_us: int) -> Callable[[int], int] | None:
        """Nothing leaves before `until_us`. Returns the same as `change`."""
        return self._pipe.hold(until_us, now_us) if self._pipe is not None else None

    def backlog_bytes(self, now_us: int) -> float:
        return self._pipe.backlog_bytes(now_us) if self._pipe is not None else 0.0

    def backlog_us(self, now_us: int) -> int:
        """How long a packet that comes now waits."""
        return max(0, self._pipe.free_at_us - now_us) if self._pipe is not None else 0

"""What a packet meets on its way: delay, jitter, loss, duplication, reordering, a rate with a drop-tail queue."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from transfer.simulation.channel import Channel


class LatencyModel(Protocol):
    """One-way delay between two hosts; equal arguments and an equal state of `rng` give an equal answer."""

    def delay_s(self, source: int, target: int, rng: random.Random) -> float:
        """Seconds for one packet between the hosts with these indices."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """One direction of a path between two hosts.

    Args:
        delay_s: one-way propagation delay, the same for every packet, or a model that knows the two ends.
        jitter_s: each packet takes up to so much longer, uniformly; on its own enough to reorder datagrams.
        keeps_order: no datagram arrives before one that left earlier: jitter makes it wait, as on a wireless line that
            sends again what was garbled. `reorder` reorders all the same.
        rate_bytes_per_s: of the path between two hosts; None is infinite. Access lines that all traffic of a host
            shares are `Simulation.set_access`.
        queue_bytes: packets waiting for the rate; one that does not fit any more is dropped (streams wait instead).
        loss: probability that a packet is lost on the line, whose time it has used then. Streams lose nothing and are
            late instead, unless they have a congestion controller (`Simulation.set_congestion`).
        loss_every: every so-many-th datagram between two hosts is lost, whatever `loss` says; 0: none.
        duplicate: probability that a datagram arrives twice.
        reorder: probability that a datagram is held back by `reorder_delay_s` and so overtaken.
        mtu_bytes: longer datagrams travel in fragments, and are lost with any one of them.
    """

    delay_s: float | LatencyModel = 0.01
    jitter_s: float = 0.0
    keeps_order: bool = False
    rate_bytes_per_s: float | None = None
    queue_bytes: int = 262_144
    loss: float = 0.0
    loss_every: int = 0
    duplicate: float = 0.0
    reorder: float = 0.0
    reorder_delay_s: float = 0.01
    mtu_bytes: int = 1500

    def __post_init__(self) -> None:
        if isinstance(self.delay_s, int | float) and not 0 <= self.delay_s < 3600:
            raise ValueError("delay_s must be from 0 to an hour")
        if self.jitter_s < 0 or self.reorder_delay_s < 0:
            raise ValueError("jitter_s and reorder_delay_s must not be negative")
        if self.rate_bytes_per_s is not None and self.rate_bytes_per_s <= 0:
            raise ValueError("rate_bytes_per_s must be positive, or None")
        if self.queue_bytes < self.mtu_bytes or self.mtu_bytes < 68:
            raise ValueError("mtu_bytes must be at least 68, and queue_bytes at least one packet")
        if not all(0 <= share < 1 for share in (self.loss, self.duplicate, self.reorder)):
            raise ValueError("loss, duplicate and reorder must be from 0 to below 1")
        if self.loss_every < 0 or self.loss_every == 1:
            raise ValueError("loss_every must be 0, or at least 2")


class Pipe:
    """A transmitter of limited rate with a drop-tail queue before it.

    Attributes:
        queue: stream channels that wait until there is room for them again, each with one segment a turn.
        has_turn_scheduled: whether the first of them is about to be woken.

    Invariants:
        what has left by any moment is at most the rate times the time since it began to be busy
        free_at_us decreases only when the rate grows
    """

    __slots__ = ("_held_until_us", "_queue_us", "_rest_us", "_us_per_byte", "free_at_us", "has_turn_scheduled", "queue")

    def __init__(self, rate_bytes_per_s: float, queue_bytes: int) -> None:
        if rate_bytes_per_s <= 0 or queue_bytes < 1:
            raise ValueError("rate and queue must be positive")
        self._us_per_byte = 1e6 / rate_bytes_per_s
        self._queue_us = queue_bytes * self._us_per_byte
        self._rest_us = 0.0  # of a microsecond, that the transmitter is busy beyond free_at_us
        self._held_until_us = 0
        self.free_at_us = 0
        self.queue: deque[Channel] = deque()
        self.has_turn_scheduled = False

    def send(self, size: int, now_us: int) -> int:
        """When the last byte of a packet has left, or DROPPED."""
        if now_us < self._held_until_us:
            now_us = self._held_until_us
        duration_us = size * self._us_per_byte
        start_us = self.free_at_us
        if start_us >= now_us:
            if start_us > now_us and start_us - now_us + duration_us > self._queue_us:
                return DROPPED
            duration_us += self._rest_us
        else:
            start_us = now_us
        whole_us = int(duration_us)
        self._rest_us = duration_us - whole_us
        self.free_at_us = start_us = start_us + whole_us
        return start_us

    def room_at_us(self, size: int, now_us: int) -> int:
        """When a packet of this size fits into the queue: now, or later."""
        over_us = max(self.free_at_us, now_us) - now_us + size * self._us_per_byte - self._queue_us
        return (
            now_us if over_us <= 0 or self.free_at_us <= now_us else min(now_us + round(over_us) + 1, self.free_at_us)
        )

    def backlog_bytes(self, now_us: int) -> float:
        """What has not left yet, the packet that is just leaving included with its rest."""
        return max(0, self.free_at_us - max(now_us, self._held_until_us)) / self._us_per_byte

    def change(self, rate_bytes_per_s: float, queue_bytes: int, now_us: int) -> Callable[[int], int]:
        """Another rate from now on. Returns when a packet leaves now that would have left at a time."""
        begins_us, before = max(now_us, self._held_until_us), self._us_per_byte
        self._us_per_byte = 1e6 / rate_bytes_per_s
        self._queue_us = queue_bytes * self._us_per_byte
        ratio = self._us_per_byte / before

        def moved(leaves_us: int) -> int:
            return leaves_us if leaves_us <= begins_us else begins_us + round((leaves_us - begins_us) * ratio)

        self.free_at_us = moved(self.free_at_us)
        return moved

    def hold(self, until_us: int, now_us: int) -> Callable[[int], int]:
        """Nothing leaves until then; what comes waits, as far as the queue has room. Returns the same as `change`."""
        begins_us = max(now_us, self._held_until_us)
        self._held_until_us = until_us = max(until_us, begins_us)

        def moved(leaves_us: int) -> int:
            return leaves_us if leaves_us <= begins_us else leaves_us + until_us - begins_us

        self.free_at_us = moved(self.free_at_us)
        return moved


class LinkModel:
    """A `Link` with its numbers made ready for use; pipes of pairs are made when a rate asks for them."""

    __slots__ = (
        "_arrivals_us",
        "_counts",
        "_pipes",
        "_random",
        "_rng",
        "base_us",
        "jitter_us",
        "link",
        "loss",
        "mtu_bytes",
        "oddities",
    )

    def __init__(self, link: Link, rng: random.Random) -> None:
        self._rng = rng
        self._random = rng.random
        self._pipes: dict[tuple[int, int], Pipe] = {}
        self._arrivals_us: dict[tuple[int, int], int] = {}  # of the last datagram, where order is kept
        self._counts: dict[tuple[int, int], int] = {}  # of datagrams, where every n-th is lost
        self._take(link)

    def change(self, link: Link) -> None:
        """Other numbers from now on. Pipes stay as they are: each is told by `Pipe.change`."""
        self._take(link)

    def _take(self, link: Link) -> None:
        self.link = link
        self.base_us = round(link.delay_s * 1e6) if isinstance(link.delay_s, int | float) else None
        self.jitter_us = round(link.jitter_s * 1e6)
        self.loss = link.loss
        self.mtu_bytes = link.mtu_bytes
        self.oddities = bool(link.duplicate or link.reorder)

    def datagram_us(self, source: int, target: int, size: int, now_us: int) -> int:
        """When one copy of a datagram arrives; LOST or DROPPED when it does not."""
        is_lost = bool(self.loss) and self._random() < self.loss
        if size > self.mtu_bytes and not is_lost:
            for _ in range(size // self.mtu_bytes):
                if self._random() < self.loss:
                    is_lost = True
                    break
        if self.link.loss_every and self._is_its_turn(source, target):
            is_lost = True
        leaves_us = now_us
        if self.link.rate_bytes_per_s is not None:
            leaves_us = self.pipe(source, target).send(size + DATAGRAM_HEADER_BYTES, now_us)  # type: ignore[union-attr]
            if leaves_us < 0:
                return DROPPED
        if is_lost:
            return LOST
        arrives_us = leaves_us + self.delay_us(source, target)
        if self.link.keeps_order:
            pair = (source, target)
            self._arrivals_us[pair] = arrives_us = max(arrives_us, self._arrivals_us.get(pair, 0))
        return arrives_us

    def _is_its_turn(self, source: int, target: int) -> bool:
        count = self._counts.get((source, target), 0) + 1
        self._counts[(source, target)] = 0 if count == self.link.loss_every else count
        return count == self.link.loss_every

    def delay_us(self, source: int, target: int) -> int:
        """Propagation and jitter of one packet."""
        delay_us = self.base_us
        if delay_us is None:
            delay_us = round(self.link.delay_s.delay_s(source, target, self._rng) * 1e6)  # type: ignore[union-attr]
        if self.jitter_us:
            delay_us += int(self._random() * self.jitter_us)
        return delay_us

    def second_copy_us(self, arrives_us: int) -> tuple[int, int]:
        """Applies reordering and duplication: (when the datagram arrives, when its duplicate does or 0)."""
        link = self.link
        again_us = arrives_us + 1 if link.duplicate and self._random() < link.duplicate else 0
        if link.reorder and self._random() < link.reorder:
            arrives_us += round(link.reorder_delay_s * 1e6)
        return arrives_us, again_us

    def losses(self, size: int) -> int:
        """How often a run of `size` stream bytes has to be sent again until every packet of it has got through."""
        if not self.loss:
            return 0
        all_pass = (1 - self.loss) ** max(1, -(-size // self.mtu_bytes))
        count = 0
        while count < MAX_LOSSES and self._random() >= all_pass:
            count += 1
            all_pass = 1 - self.loss  # what is sent again is mostly one packet
        return count

    def pipe(self, source: int, target: int) -> Pipe | None:
        """The transmitter between two hosts, None when the link has no rate."""
        rate = self.link.rate_bytes_per_s
        if rate is None:
            return None
        pipe = self._pipes.get((source, target))
        if pipe is None:
            pipe = self._pipes[(source, target)] = Pipe(rate, self.link.queue_bytes)
        return pipe


LOST = -1
DROPPED = -2
DATAGRAM_HEADER_BYTES = 28  # IPv4 20 (RFC 791) + UDP 8 (RFC 768)
MAX_LOSSES = 15

"""How many requests to keep with one peer: enough that its answers never stop, few enough that they come soon."""

from __future__ import annotations

from dataclasses import dataclass

from bittorrent.pieces.block import BLOCK_SIZE


@dataclass(frozen=True, slots=True, kw_only=True)
class PipelineConfig:
    """Bounds of `RequestPipeline`.

    Attributes:
        first: requests at the start, while the peer delivers, and at any time (libtorrent's
            `max_out_request_queue`; what is known of so many still fits into the caches of a processor).
        least: see `first`.
        most: see `first`.
        queue_time_s: how much time's worth of blocks is kept requested (libtorrent's `request_queue_time`).
        growth: while the rate still grows by this factor in a second, the number grows with every block.
        snub_timeout_s: silence after which a peer with open requests counts as snubbing us.
    """

    first: int = 16
    least: int = 4
    most: int = 500
    queue_time_s: float = 3.0
    growth: float = 1.1
    snub_timeout_s: float = 30.0

    def __post_init__(self) -> None:
        if not 1 <= self.least <= self.first <= self.most:
            raise ValueError("1 <= least <= first <= most must hold")
        if min(self.queue_time_s, self.snub_timeout_s) <= 0 or self.growth < 1:
            raise ValueError("times must be positive and growth at least 1")


class RequestPipeline:
    """Slow start as in TCP, then time's worth of the measured rate. Pure: told of blocks and of the time.

    Invariants:
        1 <= target <= config.most; is_snubbed implies target == 1
    """

    __slots__ = (
        "_bytes",
        "_config",
        "_last_rate",
        "_last_tick",
        "_slow_start",
        "_waiting_since",
        "is_snubbed",
        "target",
    )

    def __init__(self, *, config: PipelineConfig, now: float) -> None:
        self.target = config.first
        self.is_snubbed = False
        self._config = config
        self._slow_start = True
        self._bytes = 0
        self._last_rate = 0.0
        self._last_tick = now
        self._waiting_since: float | None = None

    def requests_sent(self, *, now: float) -> None:
        """Blocks are owed to us from now on."""
        if self._waiting_since is None:
            self._waiting_since = now

    def blocks_received(self, count: int, size: int, *, outstanding: int, now: float) -> None:
        """`count` blocks came, `size` bytes in all; `outstanding` requests are still open."""
        self._bytes += size
        self._waiting_since = now if outstanding else None
        if self.is_snubbed:
            self.is_snubbed = False
            self.target = self._config.least
            self._slow_start = True
        elif self._slow_start:
            self.target = min(self.target + count, self._config.most)

    def nothing_owed(self) -> None:
        """No request is open any more: the peer choked us and forgot them, or the last one was taken back."""
        self._waiting_since = None

    def tick(self, *, now: float) -> bool:
        """To be called about once a second. True when a silent peer's requests should be let go."""
        elapsed_s = now - self._last_tick
        if elapsed_s >= 1.0:
            rate = self._bytes / elapsed_s
            if self._slow_start and self._bytes and rate < self._last_rate * self._config.growth:
                self._slow_start = False
            if not self._slow_start and not self.is_snubbed:
                blocks = int(max(rate, self._last_rate) * self._config.queue_time_s / BLOCK_SIZE)
                self.target = max(self._config.least, min(blocks, self._config.most))
            self._last_rate, self._last_tick, self._bytes = rate, now, 0
        if self._waiting_since is None or now - self._waiting_since < self._config.snub_timeout_s:
            return False
        self.is_snubbed, self.target, self._waiting_since = True, 1, None
        return True

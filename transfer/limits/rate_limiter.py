"""Limits of rates that share a limit above them: a torrent's within its session's, say."""

from __future__ import annotations


class RateLimiter:
    """How many bytes may move now, and from when on more may.

    What was moved is told afterwards with `spend`, and may exceed the allowance: the debt is paid off before anything
    moves again, so the average holds whatever the size of a block. Up to one second's worth is saved up.

    Args:
        rate_bytes_per_s: on average; None for no limit of its own.
        parent: a limit that this one shares with others.

    Invariants:
        tokens never exceed one second's worth
    """

    __slots__ = ("_parent", "_rate_bytes_per_s", "_tokens", "_updated_at")

    def __init__(self, *, rate_bytes_per_s: float | None = None, parent: RateLimiter | None = None) -> None:
        self._parent = parent
        self._rate_bytes_per_s: float | None = None
        self._tokens = 0.0
        self._updated_at = float("-inf")
        self.set_rate(rate_bytes_per_s)

    @property
    def rate_bytes_per_s(self) -> float | None:
        """Its own limit; None without one."""
        return self._rate_bytes_per_s

    @property
    def is_limited(self) -> bool:
        """Whether it or anything above it has a limit."""
        return self._rate_bytes_per_s is not None or (self._parent is not None and self._parent.is_limited)

    def set_rate(self, rate_bytes_per_s: float | None) -> None:
        """Another limit from now on; what was saved up is lost."""
        if rate_bytes_per_s is not None and rate_bytes_per_s <= 0:
            raise ValueError("a rate must be positive; None stands for no limit")
        self._rate_bytes_per_s = rate_bytes_per_s
        self._tokens = min(self._tokens, 0.0)

    def set_parent(self, parent: RateLimiter | None) -> None:
        """Another limit above this one from now on; it must not stand below this one."""
        self._parent = parent

    def allowance(self, *, now: float) -> float:
        """How many bytes may move now, infinite without a limit; 0 or less while a debt is paid off."""
        own = float("inf")
        if self._rate_bytes_per_s is not None:
            self._refill(self._rate_bytes_per_s, now)
            own = self._tokens
        return own if self._parent is None else min(own, self._parent.allowance(now=now))

    def spend(self, size_bytes: float, *, now: float) -> None:
        """So much moved, here and in everything above."""
        if self._rate_bytes_per_s is not None:
            self._refill(self._rate_bytes_per_s, now)
            self._tokens -= size_bytes
        if self._parent is not None:
            self._parent.spend(size_bytes, now=now)

    def wait_s(self, size_bytes: float, *, now: float) -> float:
        """After how long the allowance reaches `size_bytes` (or all that can be saved up), if nothing moves."""
        own = 0.0
        if self._rate_bytes_per_s is not None:
            self._refill(self._rate_bytes_per_s, now)
            own = max(0.0, (min(size_bytes, self._rate_bytes_per_s) - self._tokens) / self._rate_bytes_per_s)
        return own if self._parent is None else max(own, self._parent.wait_s(size_bytes, now=now))

    def _refill(self, rate: float, now: float) -> None:
        if self._updated_at == float("-inf"):
            self._updated_at = now
        if now > self._updated_at:
            self._tokens = min(rate, self._tokens + (now - self._updated_at) * rate)
            self._updated_at = now

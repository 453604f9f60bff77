"""Token bucket: a long-run rate with room for bursts (RFC 2697 calls the two numbers CIR and CBS)."""

from __future__ import annotations


class TokenBucket:
    """Allows `burst` at once and `rate_per_s` on average.

    Invariants:
        0 <= tokens <= burst
    """

    __slots__ = ("_burst", "_rate_per_s", "_tokens", "_updated_at")

    def __init__(self, *, rate_per_s: float, burst: float, now: float) -> None:
        if rate_per_s <= 0 or burst <= 0:
            raise ValueError("rate and burst must be positive")
        self._rate_per_s = rate_per_s
        self._burst = burst
        self._tokens = burst
        self._updated_at = now

    def spend(self, amount: float = 1.0, *, now: float) -> bool:
        """Takes `amount` and returns True, or takes nothing and returns False. A clock that steps back adds nothing."""
        if now > self._updated_at:
            tokens = self._tokens + (now - self._updated_at) * self._rate_per_s
            self._tokens = tokens if tokens < self._burst else self._burst  # min() would take twice as long
            self._updated_at = now
        if amount > self._tokens:
            return False
        self._tokens -= amount
        return True

    @property
    def is_spent(self) -> bool:
        """Whether there was less than one token when it was asked last."""
        return self._tokens < 1.0

    def wait_s(self, amount: float = 1.0, *, now: float) -> float:
        """After how long `amount` can be spent, if nothing else is; infinite for more than the burst."""
        if amount > self._burst:
            return float("inf")
        tokens = self._tokens + max(0.0, now - self._updated_at) * self._rate_per_s
        return max(0.0, (amount - tokens) / self._rate_per_s)

    def is_full(self, *, now: float) -> bool:
        """Whether nothing was spent for so long that the bucket can be forgotten and made anew."""
        return self._tokens + (now - self._updated_at) * self._rate_per_s >= self._burst

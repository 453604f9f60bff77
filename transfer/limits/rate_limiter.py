"""Limits of rates that share a limit above them: a torrent's within its session's, say."""

from __future__ import annotations


class RateLimiter:
    """How many bytes may move now, and from when on more may.

    What was moved is told afterwards with `spend`, and may exceed the allowance: the debt is paid off before anything
    moves again, so the average holds whatever the size of a block. Up to one second's worth is saved up.

    Limiters with the same parent get equal parts of its rate while they ask; what one of them leaves, the others take.
    (First come, first served would give nearly all to the swarm that moves most already: it asks most often.)

    Args:
        rate_bytes_per_s: on average; None for no limit of its own.
        parent: a limit that this one shares with others.

    Invariants:
        tokens never exceed one second's worth; the parts of those that ask only divide them
    """

    __slots__ = ("_claims", "_parent", "_part", "_rate_bytes_per_s", "_spare", "_tokens", "_updated_at")

    def __init__(self, *, rate_bytes_per_s: float | None = None, parent: RateLimiter | None = None) -> None:
        self._parent = parent
        self._rate_bytes_per_s: float | None = None
        self._tokens = 0.0
        self._spare = 0.0  # of the tokens, what no claim has
        self._part = 0.0  # what each claim has earned, since whenever
        self._claims: dict[RateLimiter, _Claim] = {}  # the one that asked last is last
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
        self._tokens = self._spare = min(self._tokens, 0.0)
        self._claims.clear()

    def set_parent(self, parent: RateLimiter | None) -> None:
        """Another limit above this one from now on; it must not stand below this one."""
        self._parent = parent

    def allowance(self, *, now: float, by: RateLimiter | None = None) -> float:
        """How many bytes may move now, infinite without a limit; 0 or less while a debt is paid off.

        Args:
            by: the limiter below this one that asks, if it is one.

        Cost: O(1), amortised over those that asked lately.
        """
        by = by or self
        own = float("inf")
        if self._rate_bytes_per_s is not None:
            claim = self._claim(by, self._rate_bytes_per_s, now=now)
            own = min(self._tokens, claim.tokens + self._spare)
        return own if self._parent is None else min(own, self._parent.allowance(now=now, by=by))

    def spend(self, size_bytes: float, *, now: float, by: RateLimiter | None = None) -> None:
        """So much moved, here and in everything above."""
        by = by or self
        if self._rate_bytes_per_s is not None:
            claim = self._claim(by, self._rate_bytes_per_s, now=now)
            self._tokens -= size_bytes
            claim.tokens -= size_bytes
            taken = min(max(0.0, -claim.tokens), max(0.0, self._spare))
            claim.tokens += taken
            self._spare -= taken
        if self._parent is not None:
            self._parent.spend(size_bytes, now=now, by=by)

    def wait_s(self, size_bytes: float, *, now: float, by: RateLimiter | None = None) -> float:
        """After how long the allowance reaches `size_bytes` (or all that can be saved up), if nothing moves."""
        by = by or self
        own = 0.0
        if self._rate_bytes_per_s is not None:
            claim = self._claim(by, self._rate_bytes_per_s, now=now)
            rate = self._rate_bytes_per_s / len(self._claims)
            own = max(0.0, (min(size_bytes, rate) - min(self._tokens, claim.tokens + self._spare)) / rate)
        return own if self._parent is None else max(own, self._parent.wait_s(size_bytes, now=now, by=by))

    def _claim(self, by: RateLimiter, rate: float, *, now: float) -> _Claim:
        """The part of one that asks, up to date."""
        self._refill(rate, now=now)
        claim = self._claims.pop(by, None) or _Claim(self._part)
        self._claims[by] = claim
        claim.asked_at = now
        self._settle(claim, rate)
        return claim

    def _refill(self, rate: float, *, now: float) -> None:
        if self._updated_at == float("-inf"):
            self._updated_at = now
        if now > self._updated_at:
            earned = (now - self._updated_at) * rate
            self._tokens = min(rate, self._tokens + earned)
            self._updated_at = now
            owed = min(earned, max(0.0, -self._spare))  # by one that asks no more
            self._spare += owed
            if self._claims:
                self._part += (earned - owed) / len(self._claims)
            else:
                self._spare = min(rate, self._spare + earned - owed)
        while self._claims:
            oldest, claim = next(iter(self._claims.items()))
            if now - claim.asked_at <= ASKS_FOR_S:
                break
            self._settle(claim, rate)
            del self._claims[oldest]
            self._spare = min(rate, self._spare + claim.tokens)

    def _settle(self, claim: _Claim, rate: float) -> None:
        """Gives a claim what it earned; what is more than its part of all that can be saved up is free for others."""
        claim.tokens += self._part - claim.seen
        claim.seen = self._part
        surplus = claim.tokens - rate / len(self._claims)
        if surplus > 0:
            claim.tokens -= surplus
            self._spare = min(rate, self._spare + surplus)


class _Claim:
    """What one of those that ask may move; `seen` is how much of `_part` is in it already."""

    __slots__ = ("asked_at", "seen", "tokens")

    def __init__(self, seen: float) -> None:
        self.tokens = 0.0
        self.seen = seen
        self.asked_at = 0.0


ASKS_FOR_S = 1.5  # one that has not asked for longer wants nothing: swarms ask about once a second

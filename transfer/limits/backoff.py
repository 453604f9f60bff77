"""How long to wait before the next try: twice as long after each failure, up to a bound, and not all at once. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random


@dataclass(frozen=True, slots=True, kw_only=True)
class Backoff:
    """A rule for waits; it remembers nothing.

    Attributes:
        first_s: after the first failure.
        max_s: never longer.
        factor: how much longer after each further failure.
        jitter: the wait is shorter by up to this part of it, at random: those that failed together must not come back
            together ("full jitter" is 1.0; Brooker, "Exponential backoff and jitter", AWS 2015).
    """

    first_s: float
    max_s: float
    factor: float = 2.0
    jitter: float = 0.0

    def __post_init__(self) -> None:
        if not 0 < self.first_s <= self.max_s:
            raise ValueError("a back-off must be positive and at most its limit")
        if self.factor < 1 or not 0 <= self.jitter <= 1:
            raise ValueError("the factor of a back-off is at least 1, and its jitter from 0 to 1")

    def delay_s(self, failures: int, *, rng: Random | None = None) -> float:
        """The wait after so many failures in a row; 0 after none.

        Args:
            rng: where jitter comes from; needed only if there is any.
        """
        if failures <= 0:
            return 0.0
        delay_s = min(self.max_s, self.first_s * self.factor ** min(failures - 1, MAX_EXPONENT))
        if not self.jitter:
            return delay_s
        if rng is None:
            raise ValueError("a back-off with jitter needs a random source")
        return delay_s * (1.0 - self.jitter * rng.random())


MAX_EXPONENT = 60  # 2**60 of anything is longer than any limit, and far from the end of floats

"""Loads as data: latencies, session lengths, and churn made of them."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import NamedTuple


@dataclass(frozen=True, slots=True)
class FixedLatency:
    """The same delay everywhere; `Link(delay_s=…)` with a number does the same."""

    one_way_s: float

    def delay_s(self, source: int, target: int, rng: random.Random) -> float:
        return self.one_way_s


@dataclass(frozen=True, slots=True, kw_only=True)
class LogNormalLatency:
    """Each pair of hosts has a delay of its own, log-normal over the pairs; the same in both directions.

    The delay of a pair is computed from `seed` and the two hosts, so a million pairs cost no memory.

    Args:
        median_s: half of the pairs are faster, one way.
        sigma: standard deviation of the logarithm; 0.5 puts 5 % of the pairs above 2.3 medians.
        seed: another one gives other pairs.
    """

    median_s: float = 0.06
    sigma: float = 0.5
    seed: int = 0

    def __post_init__(self) -> None:
        if self.median_s <= 0 or self.sigma < 0:
            raise ValueError("median_s must be positive and sigma not negative")

    def delay_s(self, source: int, target: int, rng: random.Random) -> float:
        first, second = (source, target) if source < target else (target, source)
        share = (_mix(_mix(self.seed ^ 0x9E3779B97F4A7C15) ^ (first << 32 | second)) + 0.5) / 2**64
        return self.median_s * math.exp(self.sigma * _INVERSE_NORMAL(min(max(share, 1e-9), 1 - 1e-9)))


class MatrixLatency:
    """Delays between regions, as measured or as drawn from a seed; host number n is in region n modulo the size.

    Args:
        one_way_s: a square matrix of seconds.
    """

    def __init__(self, one_way_s: Sequence[Sequence[float]]) -> None:
        if not one_way_s or any(len(row) != len(one_way_s) for row in one_way_s):
            raise ValueError("the matrix must be square and not empty")
        if any(value < 0 for row in one_way_s for value in row):
            raise ValueError("delays must not be negative")
        self.one_way_s = tuple(map(tuple, one_way_s))

    @classmethod
    def drawn(cls, regions: int, *, seed: int, near_s: float = 0.01, far_s: float = 0.15) -> MatrixLatency:
        """Regions at random places of a square, delay by distance: symmetric, and obeys the triangle inequality."""
        rng = random.Random(f"latency matrix {seed}")
        places = [(rng.random(), rng.random()) for _ in range(regions)]
        span = (far_s - near_s) / math.sqrt(2)
        return cls([[near_s + span * math.dist(one, other) for other in places] for one in places])

    def delay_s(self, source: int, target: int, rng: random.Random) -> float:
        size = len(self.one_way_s)
        return self.one_way_s[source % size][target % size]


@dataclass(frozen=True, slots=True)
class Weibull:
    """A Weibull distribution: `scale` is where 63.2 % of the mass lies below; a `shape` below 1 has a heavy tail."""

    shape: float
    scale_s: float

    def __post_init__(self) -> None:
        if self.shape <= 0 or self.scale_s <= 0:
            raise ValueError("shape and scale_s must be positive")

    @property
    def mean_s(self) -> float:
        return self.scale_s * math.gamma(1 + 1 / self.shape)

    def draw_s(self, rng: random.Random) -> float:
        return rng.weibullvariate(self.scale_s, self.shape)


# Session lengths of BitTorrent peers in three torrents: Stutzbach and Rejaie, "Understanding Churn in Peer-to-Peer
# Networks", IMC 2006. The unit of the scale is not printed beside the numbers; minutes fit the text.
SESSIONS_RED_HAT = Weibull(0.34, 21.3 * 60)
SESSIONS_DEBIAN = Weibull(0.38, 42.4 * 60)
SESSIONS_FLATOUT = Weibull(0.59, 41.9 * 60)


class Change(NamedTuple):
    """At `at_s`, host number `host` comes up or goes down."""

    at_s: float
    host: int
    comes_up: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Churn:
    """Hosts that come and go: each is up for a session, away for a pause, and so on.

    Args:
        sessions: how long a host stays.
        pauses: how long it is away.
    """

    sessions: Weibull = SESSIONS_DEBIAN
    pauses: Weibull = SESSIONS_DEBIAN

    def changes(self, hosts: int, duration_s: float, rng: random.Random) -> Iterator[Change]:
        """All changes of `duration_s` seconds in order of time; every host is up at the beginning."""
        changes: list[Change] = []
        for host in range(hosts):
            at_s, is_up = 0.0, True
            while True:
                at_s += (self.sessions if is_up else self.pauses).draw_s(rng)
                if at_s >= duration_s:
                    break
                is_up = not is_up
                changes.append(Change(at_s, host, is_up))
        changes.sort()
        return iter(changes)


def _mix(value: int) -> int:
    """The finalizer of SplitMix64 (Steele, Lea and Flood, OOPSLA 2014): spreads 64 bits evenly."""
    value &= _MASK
    value = (value ^ value >> 30) * 0xBF58476D1CE4E5B9 & _MASK
    value = (value ^ value >> 27) * 0x94D049BB133111EB & _MASK
    return value ^ value >> 31


_MASK = 2**64 - 1
_INVERSE_NORMAL = NormalDist().inv_cdf

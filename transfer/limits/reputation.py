"""What others have done of late, and whom to have nothing to do with, and why. Pure, and bounded."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Ban:
    """Why and since when somebody is shut out; `until` is None for ever."""

    reason: str
    since: float
    until: float | None = None


class Bans(Generic[K]):
    """Who is shut out. Beyond `max_bans` the oldest ban is lifted.

    Invariants:
        at most max_bans are kept
    """

    __slots__ = ("_bans", "_max_bans")

    def __init__(self, *, max_bans: int = 4096) -> None:
        if max_bans < 1:
            raise ValueError("there must be room for one ban")
        self._max_bans = max_bans
        self._bans: OrderedDict[K, Ban] = OrderedDict()

    def add(self, key: K, reason: str, *, now: float, duration_s: float | None = None) -> None:
        """Shuts somebody out, for so long or for ever; a later ban replaces an earlier one, unless that lasts longer.

        Raises:
            ValueError: the duration is not positive.
        """
        if duration_s is not None and duration_s <= 0:
            raise ValueError("a ban lasts for some time")
        until = None if duration_s is None else now + duration_s
        known = self._bans.get(key)
        if known is None or _end(known) <= _end(Ban(reason, since=now, until=until)):
            self._bans[key] = Ban(reason, since=now, until=until)
        if len(self._bans) > self._max_bans:
            self._bans.popitem(last=False)

    def lift(self, key: K) -> None:
        """It is forgiven. Harmless twice."""
        self._bans.pop(key, None)

    def get(self, key: K, *, now: float) -> Ban | None:
        """The ban that holds now, if there is one. Cost: O(1)."""
        ban = self._bans.get(key)
        if ban is not None and ban.until is not None and ban.until <= now:
            del self._bans[key]
            return None
        return ban

    def __len__(self) -> int:
        """Those that have run out and were not asked for since included."""
        return len(self._bans)

    def __iter__(self) -> Iterator[K]:
        return iter(self._bans)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReputationConfig:
    """Numbers of a `Reputation`.

    Attributes:
        half_life_s: what was done counts half after so long.
        ban_below: who falls below is shut out.
        ban_s: for so long the first time, and twice as long each further time.
        max_ban_s: never longer.
        max_known: whose deeds are remembered; the one heard of longest ago is forgotten first.
        max_bans: see `Bans`.
        limit: nobody's score is better, nor worse than its negative: the past must not outweigh the present.
    """

    half_life_s: float = 600.0
    ban_below: float = -100.0
    ban_s: float = 300.0
    max_ban_s: float = 86_400.0
    max_known: int = 4096
    max_bans: int = 4096
    limit: float = 200.0

    def __post_init__(self) -> None:
        if min(self.half_life_s, self.ban_s, self.limit) <= 0 or min(self.max_known, self.max_bans) < 1:
            raise ValueError("the numbers of a reputation must be positive")
        if not -self.limit <= self.ban_below < 0:
            raise ValueError("ban_below must be negative, and at least -limit")
        if self.max_ban_s < self.ban_s:
            raise ValueError("max_ban_s must be at least ban_s")


class Reputation(Generic[K]):
    """Scores that fade, and bans that follow from them.

    Invariants:
        at most max_known scores and max_bans bans; every score is within the limit
    """

    def __init__(self, config: ReputationConfig | None = None) -> None:
        self._config = config or ReputationConfig()
        self._known: OrderedDict[K, _Score] = OrderedDict()  # the one heard of last is last
        self.bans: Bans[K] = Bans(max_bans=self._config.max_bans)

    def note(self, key: K, points: float, reason: str, *, now: float) -> Ban | None:
        """Somebody did something, good or bad; the ban that follows from it, if one does.

        Args:
            reason: what it was: the reason of a ban.
        """
        config = self._config
        score = self._known.get(key)
        if score is None:
            if len(self._known) >= config.max_known:
                self._known.popitem(last=False)
            score = self._known[key] = _Score(at=now)
        else:
            self._known.move_to_end(key)
        score.value = max(-config.limit, min(config.limit, self._faded(score, now=now) + points))
        score.at = max(score.at, now)
        if score.value >= config.ban_below:
            return None
        duration_s = min(config.max_ban_s, config.ban_s * 2.0 ** min(score.bans, MAX_DOUBLINGS))
        score.bans += 1
        score.value = 0.0  # when it comes back it has a chance, and less patience
        self.bans.add(key, reason, now=now, duration_s=duration_s)
        return self.bans.get(key, now=now)

    def score(self, key: K, *, now: float) -> float:
        """What it is worth now; 0 for who is not known."""
        score = self._known.get(key)
        return 0.0 if score is None else self._faded(score, now=now)

    def ban(self, key: K, *, now: float) -> Ban | None:
        """The ban that holds, if one does."""
        return self.bans.get(key, now=now)

    def __len__(self) -> int:
        """How many are known."""
        return len(self._known)

    def check_invariants(self) -> None:
        """Asserts what the class docstring promises."""
        assert len(self._known) <= self._config.max_known
        assert len(self.bans) <= self._config.max_bans
        assert all(abs(score.value) <= self._config.limit for score in self._known.values())

    def _faded(self, score: _Score, *, now: float) -> float:
        return score.value * float(0.5 ** (max(0.0, now - score.at) / self._config.half_life_s))


class _Score:
    __slots__ = ("at", "bans", "value")

    def __init__(self, *, at: float) -> None:
        self.value = 0.0
        self.at = at
        self.bans = 0


def _end(ban: Ban) -> float:
    return float("inf") if ban.until is None else ban.until


MAX_DOUBLINGS = 30

"""Which connections to let go when there are too many: those that are worth least. Pure.

As go-libp2p's connection manager: above a high watermark so many are closed that a low one is left; none that is
protected, none in its grace period. What a connection is worth, tags say; those that decay say it of late.

It differs in one thing. There, strangers that come all at once are in their grace and count, so that all others have to
go for them, whatever those are worth. Here they are left alone and not counted as long as they are new; how many may
come is for the limits of admission to say.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)


@dataclass(frozen=True, slots=True, kw_only=True)
class KeeperConfig:
    """When connections are let go (the figures are go-libp2p's: 160 and 192, a minute, ten seconds).

    Attributes:
        low: so many are left.
        high: above so many some are let go.
        grace_s: a new one is left alone for so long.
        pause_s: between two times of letting go.
        max_tags: of one connection.
    """

    low: int = 160
    high: int = 192
    grace_s: float = 60.0
    pause_s: float = 10.0
    max_tags: int = 64

    def __post_init__(self) -> None:
        if not 0 <= self.low <= self.high:
            raise ValueError("the low watermark must not be negative, nor above the high one")
        if min(self.grace_s, self.pause_s) < 0 or self.max_tags < 1:
            raise ValueError("grace_s and pause_s must not be negative, and max_tags at least 1")


class ConnectionKeeper(Generic[K]):
    """Knows what connections are worth.

    Invariants:
        what is protected or in its grace period is never let go
        what is let go leaves at least `low`, and only if there were more than `high`
        those that came unasked, and are new, push nobody out
    """

    def __init__(self, config: KeeperConfig | None = None) -> None:
        self._config = config or KeeperConfig()
        self._kept: dict[K, _Kept] = {}  # the oldest first
        self._trimmed_at = float("-inf")

    def add(self, key: K, *, is_temporary: bool = False, now: float) -> None:
        """A connection.

        Args:
            is_temporary: nobody here asked for it: it goes before those of the same worth.
        """
        self._kept[key] = _Kept(is_temporary, since=now)

    def remove(self, key: K) -> None:
        """It is gone. Harmless twice."""
        self._kept.pop(key, None)

    # Worth

    def tag(self, key: K, name: str, value: float) -> None:
        """What a connection is worth for one reason, instead of what it was.

        Raises:
            ValueError: it has as many tags as it may have.
        """
        if (kept := self._kept.get(key)) is not None:
            self._check_tags(kept, name)
            kept.tags[name] = value

    def untag(self, key: K, name: str) -> None:
        """The reason is gone. Harmless twice."""
        if (kept := self._kept.get(key)) is not None:
            kept.tags.pop(name, None)
            kept.decaying.pop(name, None)

    def bump(self, key: K, name: str, value: float, *, half_life_s: float, now: float) -> None:
        """It has earned something, which is worth half after `half_life_s`: what was earned before counts on.

        Raises:
            ValueError: it has as many tags as it may have, or the half-life is not positive.
        """
        if half_life_s <= 0:
            raise ValueError("a half-life must be positive")
        if (kept := self._kept.get(key)) is not None:
            self._check_tags(kept, name)
            old = kept.decaying.get(name)
            earned = old.value_at(now=now) if old is not None else 0.0
            kept.decaying[name] = _Decaying(earned + value, half_life_s, at=now)

    def protect(self, key: K, name: str) -> None:
        """It is not let go, for one reason."""
        if (kept := self._kept.get(key)) is not None:
            kept.protected[name] = None

    def unprotect(self, key: K, name: str) -> bool:
        """The reason is gone; whether there are others."""
        kept = self._kept.get(key)
        if kept is None:
            return False
        kept.protected.pop(name, None)
        return bool(kept.protected)

    # Letting go

    def trim(self, *, is_forced: bool = False, now: float) -> list[K]:
        """The connections to close now, those that are worth least first; they are forgotten here.

        Args:
            is_forced: something has run out: down to the low watermark, whatever the high one and the pause say.
        """
        config = self._config
        if not is_forced and (len(self._kept) <= config.high or now - self._trimmed_at < config.pause_s):
            return []
        surplus = len(self._kept) - config.low
        if not is_forced:
            surplus -= sum(kept.is_temporary and now - kept.since < config.grace_s for kept in self._kept.values())
        may_go = [
            (not kept.is_temporary, kept.worth(now=now), key)
            for key, kept in self._kept.items()
            if not kept.protected and now - kept.since >= config.grace_s
        ]
        may_go.sort(key=lambda item: item[:2])  # of equals the oldest goes first: the sort is stable
        chosen = [key for _, _, key in may_go[: max(0, surplus)]]
        for key in chosen:
            del self._kept[key]
        if chosen:
            self._trimmed_at = now
        return chosen

    # Views

    def __len__(self) -> int:
        return len(self._kept)

    def __contains__(self, key: K) -> bool:
        return key in self._kept

    def worth(self, key: K, *, now: float) -> float:
        """The sum of its tags; 0 for one that is not known."""
        kept = self._kept.get(key)
        return 0.0 if kept is None else kept.worth(now=now)

    def is_protected(self, key: K) -> bool:
        """Whether there is a reason not to let it go."""
        kept = self._kept.get(key)
        return kept is not None and bool(kept.protected)

    def _check_tags(self, kept: _Kept, name: str) -> None:
        count = len(kept.tags) + len(kept.decaying)
        if count >= self._config.max_tags and name not in kept.tags and name not in kept.decaying:
            raise ValueError(f"a connection may have {self._config.max_tags} tags (max_tags)")


class _Decaying:
    __slots__ = ("at", "half_life_s", "value")

    def __init__(self, value: float, half_life_s: float, *, at: float) -> None:
        self.value = value
        self.half_life_s = half_life_s
        self.at = at

    def value_at(self, *, now: float) -> float:
        return self.value * float(0.5 ** (max(0.0, now - self.at) / self.half_life_s))


class _Kept:
    __slots__ = ("decaying", "is_temporary", "protected", "since", "tags")

    def __init__(self, is_temporary: bool, *, since: float) -> None:
        self.is_temporary = is_temporary
        self.since = since
        self.tags: dict[str, float] = {}
        self.decaying: dict[str, _Decaying] = {}
        self.protected: dict[str, None] = {}

    def worth(self, *, now: float) -> float:
        return sum(self.tags.values()) + sum(tag.value_at(now=now) for tag in self.decaying.values())

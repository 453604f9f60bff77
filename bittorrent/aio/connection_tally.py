"""How many connections a session has, over all of its torrents: kept up, because counting a thousand torrents costs."""

from __future__ import annotations


class ConnectionTally:
    """Everybody who holds connections reports changes of their own number.

    Args:
        limit: how many there may be.
    """

    __slots__ = ("in_use", "limit")

    def __init__(self, *, limit: int) -> None:
        self.limit = limit
        self.in_use = 0

    def change(self, before: int, after: int) -> int:
        """Somebody had `before` connections and has `after` now; returns `after`."""
        self.in_use += after - before
        return after

    @property
    def room(self) -> int:
        """How many more there may be; negative when there are too many."""
        return self.limit - self.in_use

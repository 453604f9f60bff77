"""How many connections a session has, over all of its torrents: kept up, because counting a thousand torrents costs."""

from __future__ import annotations


class ConnectionTally:
    """Everybody who holds connections reports changes of their own number.

    Args:
        limit: how many there may be.
        max_half_open: how many of them may be in the making.
    """

    __slots__ = ("half_open", "in_use", "limit", "max_half_open")

    def __init__(self, *, limit: int, max_half_open: int) -> None:
        self.limit = limit
        self.max_half_open = max_half_open
        self.in_use = 0
        self.half_open = 0

    def change(self, before: int, after: int) -> int:
        """Somebody had `before` connections and has `after` now; returns `after`."""
        self.in_use += after - before
        return after

    def change_half_open(self, before: int, after: int) -> int:
        """The same for connections that are being made."""
        self.half_open += after - before
        return after

    @property
    def room_to_dial(self) -> int:
        """How many more may be made now."""
        return min(self.room, self.max_half_open - self.half_open)

    @property
    def room(self) -> int:
        """How many more there may be; negative when there are too many."""
        return self.limit - self.in_use

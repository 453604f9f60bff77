"""How many connections a session has, over all of its torrents: kept up, because counting a thousand torrents costs."""

from __future__ import annotations

from collections import Counter

from bittorrent.shares import share_of


class ConnectionTally:
    """Every `DiallingCore` reports how its own connections change.

    Args:
        limit: how many there may be.
        max_half_open: how many of them may be in the making.
        max_per_host: how many that take part may be with one host before it may have no more.
    """

    __slots__ = ("_of_host", "half_open", "in_use", "limit", "max_half_open", "max_per_host")

    def __init__(self, *, limit: int, max_half_open: int, max_per_host: int) -> None:
        self.limit = limit
        self.max_half_open = max_half_open
        self.max_per_host = max_per_host
        self.in_use = 0
        self.half_open = 0
        self._of_host: Counter[bytes] = Counter()

    def change(self, connections: int, *, half_open: int) -> None:
        """A torrent has so many more connections, of them so many half-open ones; both may be negative."""
        self.in_use += connections
        self.half_open += half_open

    def met(self, host: str) -> None:
        """A peer takes part."""
        self._of_host[share_of(host)] += 1

    def parted(self, host: str) -> None:
        """It does no more."""
        share = share_of(host)
        self._of_host[share] -= 1
        if not self._of_host[share]:
            del self._of_host[share]

    def of_host(self, host: str) -> int:
        """How many peers of a host take part: what counts is its share (`share_of`)."""
        return self._of_host[share_of(host)]

    def is_host_full(self, host: str) -> bool:
        """Whether a host has all connections that one host may have."""
        return self.of_host(host) >= self.max_per_host

    @property
    def room_to_dial(self) -> int:
        """How many more may be made now."""
        return min(self.room, self.max_half_open - self.half_open)

    @property
    def room(self) -> int:
        """How many more there may be; negative when there are too many."""
        return self.limit - self.in_use

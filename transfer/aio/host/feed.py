"""Events for whoever follows them, each at its own pace, within a bound."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from typing import Generic, TypeVar

E = TypeVar("E")


class EventFeed(Generic[E]):
    """What is put is told to all who follow by then.

    Args:
        max_waiting: of one follower; the oldest ones go first.
    """

    def __init__(self, *, max_waiting: int = 1024) -> None:
        self._max_waiting = max_waiting
        self._followers: dict[_Follower[E], None] = {}
        self._is_closed = False

    def put(self, event: E) -> None:
        """Something has happened."""
        for follower in self._followers:
            follower.put(event)

    def follow(self) -> AsyncIterator[E]:
        """Everything from now on, until the feed is closed."""
        follower: _Follower[E] = _Follower(self._max_waiting)
        if self._is_closed:
            follower.close()
        else:
            self._followers[follower] = None
        return self._told(follower)

    def close(self) -> None:
        """Nothing more happens."""
        self._is_closed = True
        for follower in self._followers:
            follower.close()
        self._followers.clear()

    async def _told(self, follower: _Follower[E]) -> AsyncIterator[E]:
        try:
            while await follower.wait():
                yield follower.take()
        finally:
            self._followers.pop(follower, None)


class _Follower(Generic[E]):
    def __init__(self, max_waiting: int) -> None:
        self._events: deque[E] = deque(maxlen=max_waiting)
        self._changed = asyncio.Event()
        self._is_closed = False

    def put(self, event: E) -> None:
        self._events.append(event)
        self._changed.set()

    def close(self) -> None:
        self._is_closed = True
        self._changed.set()

    async def wait(self) -> bool:
        while not self._events:
            if self._is_closed:
                return False
            self._changed.clear()
            await self._changed.wait()
        return True

    def take(self) -> E:
        return self._events.popleft()

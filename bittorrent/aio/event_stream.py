"""Events for every listener, at any pace, in bounded memory."""

from __future__ import annotations

import asyncio
from collections import deque
from types import TracebackType
from typing import Generic, Self, TypeVar
from weakref import ref

from bittorrent.events import EventsLost

E = TypeVar("E")


class EventStream(Generic[E]):
    """An async iterator over the events since it was made. It ends with its source, or when it is closed.

    It may be used with `async with`; one that is only forgotten costs nothing either. At most `max_waiting` events
    wait: when one more comes, the oldest is dropped, and the reader finds `EventsLost` with their number first.

    Cancellation: a cancelled `anext` has taken nothing.
    """

    def __init__(self, *, max_waiting: int) -> None:
        if max_waiting < 1:
            raise ValueError("at least one event must be able to wait")
        self._max_waiting = max_waiting
        self._waiting: deque[E] = deque()
        self._lost = 0
        self._is_ended = False
        self._changed = asyncio.Event()

    def put(self, event: E) -> None:
        """Something happened."""
        if self._is_ended:
            return
        if len(self._waiting) >= self._max_waiting:
            self._waiting.popleft()
            self._lost += 1
        self._waiting.append(event)
        self._changed.set()

    def end(self) -> None:
        """Nothing more will happen; what waits can still be read."""
        self._is_ended = True
        self._changed.set()

    def close(self) -> None:
        """The listener is gone."""
        self._waiting.clear()
        self._lost = 0
        self.end()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> E | EventsLost:
        while True:
            if self._lost:
                lost, self._lost = self._lost, 0
                return EventsLost(lost)
            if self._waiting:
                return self._waiting.popleft()
            if self._is_ended:
                raise StopAsyncIteration
            self._changed.clear()
            await self._changed.wait()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class EventSource(Generic[E]):
    """Tells every stream that a listener still holds."""

    def __init__(self) -> None:
        self._streams: list[ref[EventStream[E]]] = []
        self._is_ended = False

    def listen(self, *, max_waiting: int) -> EventStream[E]:
        """A new stream, of everything from now on."""
        stream: EventStream[E] = EventStream(max_waiting=max_waiting)
        if self._is_ended:
            stream.end()
        else:
            self._streams = [known for known in self._streams if known() is not None]
            self._streams.append(ref(stream))
        return stream

    @property
    def has_listeners(self) -> bool:
        return bool(self._streams)

    def tell(self, event: E) -> None:
        """Something happened."""
        for known in self._streams:
            if (stream := known()) is not None:
                stream.put(event)

    def end(self) -> None:
        """Nothing more will happen."""
        self._is_ended = True
        for known in self._streams:
            if (stream := known()) is not None:
                stream.end()
        self._streams.clear()

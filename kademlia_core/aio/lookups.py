"""Lookups as asyncio sees them: something to wait for, and a stream of finds that ends."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar

from kademlia_core.errors import NodeClosedError
from kademlia_core.lookup_stats import LookupStats, merged_stats

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
    from types import TracebackType

    from kademlia_core.engine.lookup import EngineLookup

FoundT = TypeVar("FoundT")


class RunningLookup:
    """One lookup, or one for each address family, and the caller that waits. Finds wait here until they are fetched.

    A harvest reports each find once and bounds their number, which bounds the queue.
    """

    def __init__(self, parts: Iterable[tuple[EngineLookup, Any]]) -> None:
        """Each lookup with the driver that runs it."""
        self.parts = tuple(parts)
        self.lookups = tuple(lookup for lookup, _ in self.parts)
        self._awaited = set(self.lookups)
        self._found: deque[Any] = deque()
        self._wake = asyncio.Event()
        self._is_closed = False

    def add(self, found: tuple[object, ...]) -> None:
        self._found += found
        self._wake.set()

    def finish(self, lookup: EngineLookup) -> None:
        self._awaited.discard(lookup)
        self._wake.set()

    def close(self) -> None:
        """The node is going away, so nothing more will come."""
        self._is_closed = True
        self._awaited.clear()
        self._wake.set()

    async def wait_finished(self) -> None:
        """Waits until every part of the lookup has ended.

        Raises:
            NodeClosedError: the node was closed first.
        """
        while self._awaited:
            self._wake.clear()
            await self._wake.wait()
        if self._is_closed:
            raise NodeClosedError("the node was closed during a lookup")

    async def next_found(self) -> Any:
        """The next find, or None after the last one.

        Raises:
            NodeClosedError: the node was closed first.
        """
        while not self._found:
            if self._is_closed:
                raise NodeClosedError("the node was closed during a lookup")
            if not self._awaited:
                return None
            self._wake.clear()
            await self._wake.wait()
        return self._found.popleft()

    def statistics(self) -> LookupStats:
        """Of all lookups together; hops and duration are the largest."""
        stats = [lookup.stats for lookup in self.lookups]
        return merged_stats(
            stats,
            hops=max((each.hops for each in stats), default=0),
            rtts_s=tuple(sorted(rtt_s for each in stats for rtt_s in each.rtts_s)),
            duration_s=max((each.duration_s for each in stats), default=0.0),
        )


class Lookup(Generic[FoundT]):
    """A lookup whose finds come one by one: enter it, iterate over it, leave it. Leaving cancels what is in flight.

    Iteration ends when the closest nodes have been asked.
    """

    def __init__(
        self,
        start: Callable[[], Awaitable[RunningLookup]],
        cancel: Callable[[RunningLookup], None],
    ) -> None:
        self._start = start
        self._cancel = cancel
        self._running: RunningLookup | None = None

    async def __aenter__(self) -> Self:
        """Waits until the node has joined the network, and begins.

        Raises:
            BootstrapError: joining has failed.
            LimitExceededError: too many lookups are running.
            NodeClosedError: the node is not open.
        """
        if self._running is not None:
            raise NodeClosedError("this lookup has been used; ask the node for a new one")
        self._running = await self._start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._running is not None:
            self._cancel(self._running)

    def __aiter__(self) -> AsyncIterator[FoundT]:
        return self

    async def __anext__(self) -> FoundT:
        """Waits for the next find.

        Raises:
            NodeClosedError: the node was closed, or the lookup not entered.

        Cancellation: safe; no find is lost.
        """
        if self._running is None:
            raise NodeClosedError("enter the lookup with `async with` before iterating")
        found: FoundT | None = await self._running.next_found()
        if found is None:
            raise StopAsyncIteration
        return found

    def statistics(self) -> LookupStats:
        """What the lookup has cost so far; all zero before it has begun."""
        return self._running.statistics() if self._running is not None else LookupStats()

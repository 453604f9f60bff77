"""Searches as asyncio sees them: something to wait for, and a stream of finds that ends."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar

from kademlia_core.errors import NodeClosedError
from kademlia_core.lookup_stats import LookupStats, merged_stats
from kademlia_core.mainline.items import MutableItem
from transfer.address import Address

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
    from types import TracebackType

    from kademlia_core.aio.driver import CoreDriver
    from kademlia_core.node.searches import Search

FoundT = TypeVar("FoundT")


class RunningSearch:
    """One search, or one for each address family, together with whoever waits. Finds wait here until they are fetched.

    A harvest reports each find once and bounds their number, which bounds the queue.
    """

    def __init__(self, parts: Iterable[tuple[Search, CoreDriver[Any]]]) -> None:
        """Each search with the driver that runs it."""
        self.parts = tuple(parts)
        self.searches = tuple(search for search, _ in self.parts)
        self._awaited = set(self.searches)
        self._found: deque[Any] = deque()
        self._wake = asyncio.Event()
        self._is_closed = False

    def add(self, found: tuple[object, ...]) -> None:
        self._found += found
        self._wake.set()

    def finish(self, search: Search) -> None:
        self._awaited.discard(search)
        self._wake.set()

    def close(self) -> None:
        """The node is going away, so nothing more will come."""
        self._is_closed = True
        self._awaited.clear()
        self._wake.set()

    async def wait_finished(self) -> None:
        """Raises:
        NodeClosedError: the node was closed first.
        """
        while self._awaited:
            self._wake.clear()
            await self._wake.wait()
        if self._is_closed:
            raise NodeClosedError("the node was closed during a search")

    async def next_found(self) -> Any:
        """The next find, or None after the last one.

        Raises:
            NodeClosedError: the node was closed first.
        """
        while not self._found:
            if self._is_closed:
                raise NodeClosedError("the node was closed during a search")
            if not self._awaited:
                return None
            self._wake.clear()
            await self._wake.wait()
        return self._found.popleft()

    def statistics(self) -> LookupStats:
        """Of all searches together; hops and duration are the largest."""
        stats = [search.stats for search in self.searches]
        return merged_stats(
            stats,
            hops=max((each.hops for each in stats), default=0),
            rtts_s=tuple(sorted(rtt_s for each in stats for rtt_s in each.rtts_s)),
            duration_s=max((each.duration_s for each in stats), default=0.0),
        )


class Lookup(Generic[FoundT]):
    """A search whose finds come one by one: enter it, iterate over it, leave it. Leaving cancels what is in flight.

    Iteration ends when the closest nodes have been asked.
    """

    def __init__(
        self,
        start: Callable[[], Awaitable[RunningSearch]],
        cancel: Callable[[RunningSearch], None],
    ) -> None:
        self._start = start
        self._cancel = cancel
        self._running: RunningSearch | None = None

    async def __aenter__(self) -> Self:
        """Waits until the node has joined the network, and begins.

        Raises:
            BootstrapError: joining has failed.
            LimitExceededError: too many searches are running.
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
        """Raises:
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


class PeerLookup(Lookup[Address]):
    """A search for peers. Iteration yields each peer once, in order of arrival."""


class ItemLookup(Lookup[MutableItem]):
    """A search for a mutable item. Iteration yields ever newer versions, all signed by their owner.

    With nodes in both address families' networks, one may bring a version that is no newer than one of the other.
    """

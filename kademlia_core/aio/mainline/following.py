"""Following a mutable item: looking again now and then, and handing on each newer version."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Self

from kademlia_core.errors import BootstrapError, NodeClosedError
from transfer.errors import LimitExceededError

if TYPE_CHECKING:
    import random
    from collections.abc import AsyncIterator, Callable
    from types import TracebackType

    from kademlia_core.aio.keeping import Keeper
    from kademlia_core.aio.mainline.lookups import ItemLookup
    from kademlia_core.mainline.config import RepetitionConfig
    from kademlia_core.mainline.items import MutableItem
    from kademlia_core.mainline.reports import PutReport


class ItemFollower:
    """The versions of a mutable item as they appear: enter it, iterate over it, leave it.

    Iteration never ends by itself. Each version is newer than the one before; versions that come and go between two
    looks are not seen. The network is asked only while a caller waits for the next version, and the less often the
    longer nothing has changed. Being cut off from the network is no error: it goes on when the node has joined again.
    """

    def __init__(
        self,
        find: Callable[[int | None], ItemLookup],
        keep: Callable[[Callable[[], MutableItem], float], Keeper[PutReport[MutableItem]]] | None,
        *,
        since: int | None,
        config: RepetitionConfig,
        rng: random.Random,
    ) -> None:
        self._find = find
        self._keep = keep
        self._seq = since
        self._config = config
        self._rng = rng
        self._lookup: ItemLookup | None = None
        self._keeper: Keeper[PutReport[MutableItem]] | None = None
        self._pause_s = config.poll_s
        self._look_at = 0.0
        self._is_entered = False
        self._item: MutableItem | None = None

    async def __aenter__(self) -> Self:
        """Enters it, which is done once.

        Raises:
            NodeClosedError: this follower has been entered before.
        """
        if self._is_entered:
            raise NodeClosedError("this follower has been used; call follow again for a new one")
        self._is_entered = True
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            await self._end_lookup()
        finally:
            if self._keeper is not None:
                await self._keeper.__aexit__(kind, error, traceback)

    def __aiter__(self) -> AsyncIterator[MutableItem]:
        return self

    async def __anext__(self) -> MutableItem:
        """The next version newer than the last one.

        Raises:
            NodeClosedError: the node was closed, or the follower not entered.
        Cancellation: safe; no version is lost.
        """
        if not self._is_entered:
            raise NodeClosedError("enter the follower with `async with` before iterating")
        while True:
            try:
                lookup = self._lookup or await self._begin_lookup()
                async for item in lookup:
                    if self._seq is None or item.seq > self._seq:
                        await self._take(item)
                        return item
            except BootstrapError:
                self._pause_s = self._config.poll_s  # no node is asked in vain, and the network may be back any moment
            except LimitExceededError:
                pass
            await self._end_lookup()
            self._look_at = asyncio.get_running_loop().time() + self._pause_s * self._rng.uniform(0.9, 1.1)
            self._pause_s = min(2 * self._pause_s, self._config.poll_max_s)

    @property
    def item(self) -> MutableItem | None:
        """The newest version seen so far."""
        return self._item

    async def _begin_lookup(self) -> ItemLookup:
        await asyncio.sleep(self._look_at - asyncio.get_running_loop().time())
        self._lookup = await self._find(self._seq).__aenter__()
        return self._lookup

    async def _end_lookup(self) -> None:
        lookup, self._lookup = self._lookup, None
        if lookup is not None:
            await lookup.__aexit__(None, None, None)

    async def _take(self, item: MutableItem) -> None:
        """Does not wait for anything, so that a version that was found is returned."""
        self._seq = item.seq
        self._item = item
        self._pause_s = self._config.poll_s
        if self._keep is not None and self._keeper is None:
            # Others republish as well; a random delay keeps all followers of an item from doing it at once.
            delay_s = self._rng.uniform(0.5, 1.0) * self._config.republish_interval_s
            self._keeper = await self._keep(lambda: self._item or item, delay_s).__aenter__()

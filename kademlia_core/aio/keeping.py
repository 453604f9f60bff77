"""Saying the same again before the network forgets it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Generic, Protocol, Self, TypeVar

from kademlia_core.errors import BootstrapError, NodeClosedError
from transfer.errors import LimitExceededError

if TYPE_CHECKING:
    import random
    from collections.abc import Awaitable, Callable
    from types import TracebackType

    from kademlia_core.contact import Contact


class StoreReport(Protocol):
    """How one time of saying it went."""

    @property
    def accepted_by(self) -> tuple[Contact, ...]: ...


ReportT = TypeVar("ReportT", bound=StoreReport)


class Keeper(Generic[ReportT]):
    """Keeps an announce or an item alive in the network as long as it is entered: at once, and again and again.

    A time when no node could be told is repeated soon, and ever less soon while that lasts. Being cut off from the
    network is no error: the keeper goes on soon after the node has joined again. Leaving ends the repetitions; nodes
    forget in their own time.
    """

    def __init__(
        self,
        say: Callable[[], Awaitable[ReportT]],
        *,
        interval_s: float,
        retry_s: float,
        delay_s: float = 0.0,
        rng: random.Random,
    ) -> None:
        self._say = say
        self._interval_s = interval_s
        self._retry_s = retry_s
        self._delay_s = delay_s
        self._rng = rng
        self._task: asyncio.Task[None] | None = None
        self._told = asyncio.Event()
        self._report: ReportT | None = None

    async def __aenter__(self) -> Self:
        """Begins, without waiting for any node.

        Raises:
            NodeClosedError: this keeper has been entered before.
        """
        if self._task is not None:
            raise NodeClosedError("this keeper has been used; ask the node for a new one")
        self._task = asyncio.get_running_loop().create_task(self._repeat())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})
            if not self._task.cancelled():
                self._task.result()

    @property
    def report(self) -> ReportT | None:
        """How the latest time went that a node was told; None before that."""
        return self._report

    async def wait_report(self) -> ReportT:
        """How it went, as soon as a node has been told.

        Raises:
            NodeClosedError: the node was closed, or the keeper not entered.
        Cancellation: safe.
        """
        while self._report is None:
            if self._task is None or self._task.done():
                raise NodeClosedError("the node was closed, or this keeper not entered with `async with`")
            self._told.clear()
            await self._told.wait()
        return self._report

    async def _repeat(self) -> None:
        try:
            await asyncio.sleep(self._delay_s)
            retry_s = self._retry_s
            while True:
                try:
                    is_said = await self._try()
                except BootstrapError:  # costs the network nothing, and it may be back any moment
                    retry_s = self._retry_s
                    await asyncio.sleep(retry_s)
                    continue
                if is_said:
                    retry_s = self._retry_s
                    await asyncio.sleep(self._interval_s * self._rng.uniform(0.9, 1.0))
                else:
                    await asyncio.sleep(retry_s)
                    retry_s = min(2 * retry_s, self._interval_s)
        except NodeClosedError:
            pass
        finally:
            self._told.set()

    async def _try(self) -> bool:
        try:
            report = await self._say()
        except LimitExceededError:
            return False
        if not report.accepted_by:
            return False
        self._report = report
        self._told.set()
        return True

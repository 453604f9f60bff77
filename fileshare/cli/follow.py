"""Brings together a service, what a command wants of it, and how that is shown."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Protocol

from fileshare.service import Service
from fileshare.service.events import ServiceEvent


class View(Protocol):
    """Shows what happens."""

    async def show(self, event: ServiceEvent) -> None:
        """One thing happened."""

    def leave(self) -> None:
        """Nothing is drawn over any more."""


async def follow(service: Service, view: View, work: Coroutine[object, object, None]) -> None:
    """Does `work` with a service, closes it, and shows everything that it tells meanwhile.

    Raises:
        Exception: what `work` or the closing raises, or what the view does: then `work` ends, and the service closes.

    Cancellation: `work` ends, the service closes, and what it tells about that is shown.
    """
    events = service.events(max_waiting=MAX_WAITING)
    task = asyncio.create_task(_close_after(service, work), name="work")
    try:
        try:
            async for event in events:
                await view.show(event)
        except asyncio.CancelledError:
            task.cancel()
            async for event in events:
                await view.show(event)
            raise
    except BaseException as reason:
        view.leave()
        task.cancel()
        await asyncio.wait([task])
        await service.aclose()  # which goes on when the task was cancelled in it
        error = None if task.cancelled() else task.exception()
        if error is not None and isinstance(reason, asyncio.CancelledError):
            raise error from None
        raise
    view.leave()
    await task


async def _close_after(service: Service, work: Coroutine[object, object, None]) -> None:
    try:
        await work
    finally:
        await service.aclose()


MAX_WAITING = 100_000  # what is printed for programs is to be complete

"""Executors without threads: the function runs inline, its result arrives when its virtual cost has passed."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from transfer.simulation.blocking import Abandoned, BlockedFunctions
from transfer.simulation.host import current_boot

if TYPE_CHECKING:
    from transfer.simulation.loop import SimulationLoop

T = TypeVar("T")


class InlineExecutor:
    """Stands in for every executor of a loop.

    A function starts in the next step of the loop, in the order of submission, without a running loop and in a context
    of its own, as in a thread. Its cost is `cost_us` plus whatever was charged while it ran (a simulated disk,
    `time.sleep`).
    A function that blocks, on a simulated socket say, keeps this thread, and the loop goes on in another one: see
    `transfer.simulation.blocking`.
    """

    def __init__(self, loop: SimulationLoop, *, cost_us: int) -> None:
        self._loop = loop
        self._cost_us = cost_us
        self._charged_us: int | None = None
        self._blocked = BlockedFunctions(loop)

    def submit(self, function: Callable[..., T], *args: Any) -> asyncio.Future[T]:
        """The future of `function(*args)`; cancelling it in the same step keeps the function from running."""
        future: asyncio.Future[T] = self._loop.create_future()
        context = contextvars.Context()
        boot = current_boot.get()
        if boot is not None:
            context.run(current_boot.set, boot)
        self._loop.call_soon(self._start, future, context, function, args)
        return future

    def charge(self, span_us: int) -> bool:
        """Adds to the cost of the function that is running; False when none is."""
        if self._charged_us is None:
            return False
        self._charged_us += span_us
        return True

    @property
    def charged_us(self) -> int:
        """What the running function is ahead of the loop's clock."""
        return self._charged_us or 0

    @property
    def is_in_function(self) -> bool:
        """Whether the running code is that of a function in an executor."""
        return self._charged_us is not None

    def wait(self, is_done: Callable[[], bool], timeout_s: float | None) -> bool:
        """Blocks the running function until `is_done`; False when `timeout_s` has passed before."""
        if self._charged_us:
            spent_us, self._charged_us = self._charged_us, 0
            self._wait(lambda: False, spent_us / 1e6)
        return self._wait(is_done, timeout_s)

    def close(self) -> None:
        """Ends functions that are still blocked."""
        self._blocked.close()

    def _wait(self, is_done: Callable[[], bool], timeout_s: float | None) -> bool:
        self._charged_us = None
        try:
            return self._blocked.wait(is_done, timeout_s)
        finally:
            self._charged_us = 0

    def _start(
        self, future: asyncio.Future[T], context: contextvars.Context, function: Callable[..., T], args: tuple[Any, ...]
    ) -> None:
        if future.cancelled():
            return
        asyncio._set_running_loop(None)
        self._charged_us = 0
        result: Any = None
        error: BaseException | None = None
        try:
            result = context.run(function, *args)
        except (SystemExit, KeyboardInterrupt):
            raise
        except Abandoned:
            future.cancel()
            return
        except BaseException as failure:  # noqa: BLE001  # whatever a thread would have carried over
            error = failure
        finally:
            cost_us = self._cost_us + (self._charged_us or 0)
            self._charged_us = None
            asyncio._set_running_loop(self._loop)
        # In no host's context: a crash must not leave behind a future that will never be finished.
        self._loop.call_later(cost_us / 1_000_000, _finish, future, result, error, context=contextvars.Context())


def _finish(future: asyncio.Future[Any], result: Any, error: BaseException | None) -> None:
    if future.cancelled():
        return
    if error is not None:
        future.set_exception(error)
    else:
        future.set_result(result)

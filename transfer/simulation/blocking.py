"""Functions in executors that block: another thread runs the loop meanwhile, and never two threads run at once.

A function begins in the thread of the loop, on the loop's own stack. When it blocks, that stack has to stay, so the
loop goes on in a thread that is started for it: it takes the baton. After each event the thread that runs the loop
looks whether something that is blocked can go on; if so the baton goes there. The first thread, once its function has
returned, is the loop again, and helpers end.
"""

from __future__ import annotations

import asyncio
import contextvars
import sys
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from transfer.simulation.loop import SimulationLoop


class Abandoned(BaseException):
    """The run is over: a function that is still blocked ends here."""


class BlockedFunctions:
    """Those of one loop.

    Invariants:
        exactly one thread has the baton; all the others wait for a lock of their own
    """

    def __init__(self, loop: SimulationLoop) -> None:
        self._loop = loop
        self._blocked: list[Blocked] = []
        self._parked: threading.Lock | None = None  # of the first thread, while it is the loop and waits
        self._is_closed = False

    def wait(self, is_done: Callable[[], bool], timeout_s: float | None) -> bool:
        """Blocks the function that calls this until `is_done`; False when `timeout_s` has passed before."""
        if self._is_closed:
            raise Abandoned
        blocked = Blocked(is_done)
        if not blocked.can_go_on():
            empty = contextvars.Context()  # as at the bottom of the loop: no host
            timer = self._loop.call_later(timeout_s, blocked.expire, context=empty) if timeout_s is not None else None
            self._blocked.append(blocked)
            self._loop.scheduler.watch = self._look
            if self._parked is not None:
                self._parked.release()
            else:
                self._start_helper()
            self._sleep(blocked)
            self._blocked.remove(blocked)
            if not self._blocked:
                self._loop.scheduler.watch = None
            if timer is not None:
                timer.cancel()
        if blocked.error is not None:
            raise blocked.error
        return blocked.result

    def close(self) -> None:
        """Ends what is still blocked. The loop runs no more."""
        self._is_closed = True
        for blocked in list(self._blocked):
            blocked.error = Abandoned()
            self._hand_over(blocked)
        self._loop._thread_id = None

    def _look(self) -> None:
        """The first thread runs the loop: each thread that can go on does so before the next event."""
        while (ready := self._ready()) is not None:
            self._hand_over(ready)

    def _ready(self) -> Blocked | None:
        return next((blocked for blocked in self._blocked if blocked.can_go_on()), None)

    def _hand_over(self, blocked: Blocked) -> None:
        """The first thread waits until a function has returned, or blocks again."""
        self._parked = lock = _locked()
        blocked.lock.release()
        lock.acquire()
        self._parked = None
        self._take_baton()

    def _sleep(self, blocked: Blocked) -> None:
        """Waits for the baton; what interrupts this (Ctrl-C) is raised with the baton in hand."""
        while True:
            try:
                blocked.lock.acquire()
            except BaseException as error:
                if blocked.error is not None:
                    raise  # asked for a second time
                blocked.error = error
            else:
                break
        self._take_baton()

    def _start_helper(self) -> None:
        from transfer.simulation.process.inside import STATE

        owner, STATE.owner = STATE.owner, 0  # this thread is not the program's
        try:
            threading.Thread(target=self._help, args=(owner != 0,), daemon=True, name="simulation").start()
        except BaseException:
            STATE.owner = owner
            raise

    def _help(self, is_inside: bool) -> None:
        """The loop in a thread of its own, until the first thread is the loop, or a blocked function can go on."""
        loop = self._loop
        self._take_baton(is_inside=is_inside)
        sys.set_asyncgen_hooks(firstiter=loop._on_asyncgen_started, finalizer=loop._on_asyncgen_dropped)
        asyncio._set_running_loop(loop)
        error: BaseException | None = None
        try:
            loop.scheduler.run_until(lambda: self._parked is not None or self._ready() is not None)
        except BaseException as failure:  # noqa: BLE001  # a verdict about the run: it is for the first thread
            error = failure
        asyncio._set_running_loop(None)
        if self._parked is not None:
            if error is not None:
                loop.scheduler.failure = error
            self._parked.release()
            return
        if error is not None:
            first = self._blocked[0]  # no other thread can block before the first one does
            first.error = error
            first.lock.release()
            return
        ready = self._ready()
        assert ready is not None
        ready.lock.release()

    def _take_baton(self, *, is_inside: bool = True) -> None:
        from transfer.simulation.process.inside import STATE

        if STATE.world is not None and is_inside:
            STATE.owner = threading.get_ident()
        self._loop._thread_id = threading.get_ident()


class Blocked:
    """A function that waits."""

    __slots__ = ("_is_done", "_is_late", "error", "lock", "result")

    def __init__(self, is_done: Callable[[], bool]) -> None:
        self.lock = _locked()
        self.error: BaseException | None = None
        self.result = False
        self._is_done = is_done
        self._is_late = False

    def expire(self) -> None:
        self._is_late = True

    def can_go_on(self) -> bool:
        """Whether what it waits for is there, has failed, or time is up."""
        if self.result or self._is_late or self.error is not None:
            return True
        try:
            self.result = self._is_done()
        except BaseException as error:  # noqa: BLE001  # it belongs to the function that waits
            self.error = error
            return True
        return self.result


def _locked() -> threading.Lock:
    lock = threading.Lock()
    lock.acquire()
    return lock

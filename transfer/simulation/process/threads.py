"""Threads: none can be started inside, and what waits for another one lets virtual time pass."""

from __future__ import annotations

import _thread
import threading
from typing import Any

from transfer.simulation.process.inside import World, method, refusing
from transfer.simulation.process.replacing import Replacement, replacement


def _wait(world: World, condition: Any, timeout: float | None = None) -> bool:
    """`Condition.wait`, and so `Event.wait`, `Queue.get`, `Semaphore.acquire` and `Future.result`."""
    if not condition._is_owned():
        raise RuntimeError("cannot wait on un-acquired lock")
    waiter = _thread.allocate_lock()
    waiter.acquire()
    condition._waiters.append(waiter)
    saved = condition._release_save()
    is_notified = False
    try:
        is_notified = world.loop.block_until(
            lambda: not waiter.locked(), timeout, "threading.Condition.wait()", may_hold_loop=True
        )
    finally:
        condition._acquire_restore(saved)
        if not is_notified and waiter in condition._waiters:
            condition._waiters.remove(waiter)
    return is_notified


INSTEAD = "use a task, asyncio.to_thread() or loop.run_in_executor()"
_START = refusing("threading.Thread.start()", INSTEAD)
REPLACEMENTS: list[Replacement] = [
    Replacement(threading.Thread, "start", method(threading.Thread.start, _START)),
    Replacement(threading.Condition, "wait", method(threading.Condition.wait, _wait)),
]
for _name in ("start_new_thread", "start_new", "start_joinable_thread"):
    REPLACEMENTS += replacement(_thread, _name, refusing(f"_thread.{_name}()", INSTEAD))

"""The tasks that one long-lived object started: none is lost, none outlives its owner, no error goes unseen."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any


class TaskSet:
    """Like `asyncio.TaskGroup`, for an owner whose tasks come from callbacks and which is closed, not exited.

    Args:
        on_error: called with the exception of a task that failed, from the event loop. Cancellation is no failure.
    """

    def __init__(self, on_error: Callable[[BaseException], None]) -> None:
        self._on_error = on_error
        self._tasks: dict[asyncio.Task[None], None] = {}  # in the order of starting: runs must repeat
        self._closed = False

    def start(self, work: Coroutine[Any, Any, None], *, name: str) -> asyncio.Task[None] | None:
        """Runs `work` in a task, which may be cancelled; once closed, drops it unrun."""
        if self._closed:
            work.close()
            return None
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._tasks[task] = None
        task.add_done_callback(self._done)
        return task

    async def aclose(self) -> None:
        """Cancels every task and waits until all have ended.

        Cancellation: the tasks are cancelled all the same; wait again to be sure that they ended.
        """
        self._closed = True
        tasks = [task for task in self._tasks if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    def __len__(self) -> int:
        return len(self._tasks)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.pop(task, None)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._on_error(error)

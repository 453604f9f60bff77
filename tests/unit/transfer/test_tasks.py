"""A `TaskSet` loses no task and no error, and leaves nothing behind."""

from __future__ import annotations

import asyncio

import pytest

from transfer.aio.tasks import TaskSet


class Log:
    """What happened, in order."""

    def __init__(self) -> None:
        self.errors: list[BaseException] = []
        self.ended: list[str] = []

    async def wait_for_ever(self, name: str) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            self.ended.append(name)

    async def fail(self, error: Exception) -> None:
        raise error


async def others() -> list[asyncio.Task[object]]:
    return [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]


async def let_run() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_close_cancels_everything_and_waits() -> None:
    log = Log()
    tasks = TaskSet(log.errors.append)
    for name in ("one", "two"):
        tasks.start(log.wait_for_ever(name), name=name)
    await let_run()
    assert {task.get_name() for task in await others()} == {"one", "two"}
    assert len(tasks) == 2
    await tasks.aclose()
    assert sorted(log.ended) == ["one", "two"]
    assert (len(tasks), log.errors, await others()) == (0, [], [])


async def test_close_waits_for_tasks_that_need_time_to_end() -> None:
    log = Log()
    tasks = TaskSet(log.errors.append)

    async def slow_to_end() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await let_run()
            log.ended.append("slow")

    tasks.start(slow_to_end(), name="slow")
    await let_run()
    await tasks.aclose()
    assert log.ended == ["slow"]


async def test_a_task_that_never_ran_is_closed_too() -> None:
    log = Log()
    tasks = TaskSet(log.errors.append)
    tasks.start(log.wait_for_ever("unborn"), name="unborn")
    await tasks.aclose()
    assert (log.ended, len(tasks), await others()) == ([], 0, [])


async def test_errors_are_told_once_each_and_others_go_on() -> None:
    log = Log()
    tasks = TaskSet(log.errors.append)
    first, second = ValueError("first"), OSError("second")
    tasks.start(log.wait_for_ever("steady"), name="steady")
    tasks.start(log.fail(first), name="first")
    tasks.start(log.fail(second), name="second")
    await let_run()
    assert log.errors == [first, second]
    assert len(tasks) == 1
    await tasks.aclose()
    assert log.ended == ["steady"]


async def test_an_error_while_closing_is_told() -> None:
    log = Log()
    tasks = TaskSet(log.errors.append)
    error = RuntimeError("while closing")

    async def end_badly() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            raise error

    tasks.start(end_badly(), name="bad")
    await let_run()
    await tasks.aclose()
    assert log.errors == [error]


async def test_a_finished_task_is_forgotten() -> None:
    log = Log()
    tasks = TaskSet(log.errors.append)
    tasks.start(asyncio.sleep(0), name="short")
    await let_run()
    assert (len(tasks), log.errors) == (0, [])
    await tasks.aclose()


async def test_after_close_work_is_dropped_unrun() -> None:
    log = Log()
    tasks = TaskSet(log.errors.append)
    await tasks.aclose()
    tasks.start(log.wait_for_ever("late"), name="late")  # an un-awaited coroutine would be a warning, thus an error
    await let_run()
    assert (len(tasks), log.ended) == (0, [])
    await tasks.aclose()


async def test_a_task_may_close_its_own_set() -> None:
    log = Log()
    tasks = TaskSet(log.errors.append)
    closed = asyncio.Event()

    async def close() -> None:
        await tasks.aclose()
        closed.set()

    tasks.start(log.wait_for_ever("other"), name="other")
    await let_run()
    tasks.start(close(), name="closer")
    await closed.wait()
    await let_run()
    assert (log.ended, len(tasks), log.errors) == (["other"], 0, [])


async def test_a_cancelled_close_can_be_repeated() -> None:
    log = Log()
    tasks = TaskSet(log.errors.append)
    may_end = asyncio.Event()

    async def end_when_told() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            await may_end.wait()
            log.ended.append("told")
            raise

    tasks.start(end_when_told(), name="stubborn")
    await let_run()
    closing = asyncio.create_task(tasks.aclose())
    await let_run()
    closing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await closing
    assert log.ended == []
    may_end.set()
    await let_run()
    await tasks.aclose()
    assert (log.ended, len(tasks), log.errors) == (["told"], 0, [])

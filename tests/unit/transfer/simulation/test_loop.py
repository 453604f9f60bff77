"""The loop: time, order, tasks, executors, and what it refuses."""

from __future__ import annotations

import asyncio
import contextvars
import socket
import threading
import time
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from transfer.simulation import DeadlockError, LivelockError, NotSimulatedError, Simulation, TimeLimitError, run


def test_time_jumps_to_the_next_timer() -> None:
    async def scenario(simulation: Simulation) -> list[float]:
        loop = asyncio.get_running_loop()
        seen = [loop.time()]
        await asyncio.sleep(86_000)
        seen.append(loop.time())
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1.5):
                await asyncio.Event().wait()
        seen.append(loop.time())
        return seen

    started = time.monotonic()
    report = run(scenario)
    assert report.result == [0.0, 86_000.0, 86_001.5]
    assert report.virtual_s == 86_001.5
    assert time.monotonic() - started < 5


def test_no_timer_is_early_whatever_floats_do() -> None:
    async def scenario(simulation: Simulation) -> None:
        loop = asyncio.get_running_loop()
        for step in (0.1, 0.3, 1 / 3, 0.000_000_4, 1e-7, 0.7):
            when = loop.time() + step
            done = asyncio.Event()
            loop.call_at(when, done.set)
            await done.wait()
            assert when <= loop.time() < when + 0.000_001_5

    run(scenario)


def test_equal_times_run_in_the_order_of_the_calls() -> None:
    async def scenario(simulation: Simulation) -> list[int]:
        loop = asyncio.get_running_loop()
        order: list[int] = []
        for number in range(200):
            loop.call_at(5.0, order.append, number)
        loop.call_later(4.0, order.append, -1)
        loop.call_at(5.0, order.append, 999).cancel()
        loop.call_soon(order.append, -2)
        await asyncio.sleep(6)
        return order

    assert run(scenario).result == [-2, -1, *range(200)]


def test_timers_of_the_past_run_at_once_and_forever_is_far_away() -> None:
    async def scenario(simulation: Simulation) -> float:
        loop = asyncio.get_running_loop()
        await asyncio.sleep(1)
        ran = asyncio.Event()
        loop.call_at(-5, ran.set)
        never = loop.call_later(float("inf"), ran.clear)
        await ran.wait()
        never.cancel()
        return loop.time()

    assert run(scenario).result == 1.0


def test_many_cancelled_timers_are_thrown_out() -> None:
    async def scenario(simulation: Simulation) -> None:
        for _ in range(10_000):
            asyncio.get_running_loop().call_later(50, print).cancel()
        assert len(simulation.loop.scheduler._heap) < 300

    run(scenario)


def test_a_deadlock_names_every_task_and_where_it_waits() -> None:
    async def waits_for_ever() -> None:
        await asyncio.Event().wait()

    async def scenario(simulation: Simulation) -> None:
        task = asyncio.create_task(waits_for_ever(), name="the stuck one")
        with simulation.host("10.0.0.7"):
            other = asyncio.create_task(waits_for_ever())
        await asyncio.wait([task, other])

    with pytest.raises(DeadlockError) as caught:
        run(scenario)
    text = str(caught.value)
    assert "3 pending tasks" in text
    assert "the stuck one" in text
    assert "on 10.0.0.7" in text
    assert text.count("test_loop.py") == 3


def test_a_livelock_is_noticed() -> None:
    async def scenario(simulation: Simulation) -> None:
        for _ in range(5000):
            await asyncio.sleep(0)

    with pytest.raises(LivelockError, match="virtual time stood still at 0"):
        run(scenario, max_steps_per_instant=1000)


def test_the_time_limit_holds() -> None:
    async def scenario(simulation: Simulation) -> None:
        for _ in range(101):
            await asyncio.sleep(1)

    with pytest.raises(TimeLimitError, match="100 virtual seconds"):
        run(scenario, max_virtual_s=100)


def test_sets_of_tasks_and_futures_do_not_follow_addresses() -> None:
    async def scenario(simulation: Simulation) -> list[str]:
        ended: list[str] = []

        async def work(name: str) -> None:
            try:
                await asyncio.sleep(100)
            finally:
                ended.append(name)

        async def fail() -> None:
            await asyncio.sleep(1)
            raise KeyError

        async def group_of_tasks() -> None:
            async with asyncio.TaskGroup() as group:
                ballast = []
                for number in range(50):
                    group.create_task(work(f"{number}"))
                    ballast.append(bytearray(simulation.seed * 100 + number))
                group.create_task(fail())

        with pytest.raises(ExceptionGroup):
            await group_of_tasks()
        loop = asyncio.get_running_loop()
        futures = [loop.create_future() for _ in range(50)]
        for future in futures:
            future.set_result(None)
        done, _ = await asyncio.wait(futures)
        ended += [str(futures.index(future)) for future in done]
        return ended

    results = [run(scenario, seed=seed).result for seed in range(4)]
    assert len(results[0]) == 100
    assert all(result == results[0] for result in results)


def test_as_completed_starts_coroutines_in_the_order_given() -> None:
    async def scenario(simulation: Simulation) -> list[int]:
        started: list[int] = []

        async def work(number: int) -> int:
            started.append(number)
            await asyncio.sleep(0.001 * number)
            return number

        finished = [await future for future in asyncio.as_completed([work(number) for number in range(40)])]
        assert finished == list(range(40))
        return started

    assert run(scenario).result == list(range(40))


@pytest.mark.parametrize("use_own", [False, True])
def test_executors_run_inline_at_a_virtual_cost(use_own: bool) -> None:
    async def scenario(simulation: Simulation) -> None:
        loop = asyncio.get_running_loop()
        executor = ThreadPoolExecutor(1) if use_own else None
        variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable")
        variable.set("seen only by to_thread")

        def blocking(number: int) -> tuple[int, bool, object]:
            time.sleep(3)
            try:
                asyncio.get_running_loop()
            except RuntimeError:
                return number, True, variable.get(None)
            return number, False, variable.get(None)

        assert await loop.run_in_executor(executor, blocking, 7) == (7, True, None)
        assert loop.time() == 3.5
        assert await asyncio.to_thread(blocking, 8) == (8, True, "seen only by to_thread")
        assert loop.time() == 7.0
        with pytest.raises(ZeroDivisionError):
            await loop.run_in_executor(executor, lambda: 1 // 0)
        if executor is not None:
            assert not executor._threads
            executor.shutdown()
        loop.set_default_executor(ThreadPoolExecutor(1))

    run(scenario, executor_cost_s=0.5)


def test_a_cancelled_call_in_an_executor_is_not_made() -> None:
    async def scenario(simulation: Simulation) -> list[int]:
        calls: list[int] = []
        future = asyncio.get_running_loop().run_in_executor(None, calls.append, 1)
        future.cancel()
        later = asyncio.get_running_loop().run_in_executor(None, calls.append, 2)
        await asyncio.sleep(0)
        later.cancel()
        await asyncio.sleep(1)
        return calls

    assert run(scenario).result == [2]


def test_blocking_the_loop_makes_timers_late() -> None:
    async def scenario(simulation: Simulation) -> float:
        task = asyncio.create_task(asyncio.sleep(1))
        await asyncio.sleep(0)
        time.sleep(5)  # noqa: ASYNC251  # the point
        await task
        return simulation.now

    assert run(scenario).result == 5.0


def test_asynchronous_generators_are_closed() -> None:
    closed: list[str] = []

    async def numbers(name: str) -> AsyncIterator[int]:
        try:
            for number in range(10):
                yield number
                await asyncio.sleep(0)
        finally:
            await asyncio.sleep(0)
            closed.append(name)

    kept: list[Any] = []

    async def scenario(simulation: Simulation) -> None:
        async for _ in numbers("dropped"):
            break
        await asyncio.sleep(1)
        assert closed == ["dropped"]
        kept.append(numbers("left open"))
        assert await anext(kept[0]) == 0

    run(scenario)
    assert closed == ["dropped", "left open"]


def test_task_factories_names_and_contexts() -> None:
    async def scenario(simulation: Simulation) -> None:
        loop = asyncio.get_running_loop()
        variable: contextvars.ContextVar[int] = contextvars.ContextVar("variable", default=0)

        async def read() -> int:
            return variable.get()

        context = contextvars.copy_context()
        context.run(variable.set, 5)
        assert await loop.create_task(read(), context=context) == 5
        assert await loop.create_task(read()) == 0
        task = loop.create_task(read(), name="by name")
        assert task.get_name() == "by name"
        await task
        made: list[str] = []

        def factory(
            loop: asyncio.AbstractEventLoop, coroutine: Any, context: contextvars.Context | None = None
        ) -> asyncio.Task[Any]:
            made.append(coroutine.__name__)
            return asyncio.Task(coroutine, loop=loop, context=context)

        loop.set_task_factory(factory)
        assert loop.get_task_factory() is factory
        assert await asyncio.create_task(read(), name="made") == 0
        loop.set_task_factory(None)
        assert made == ["read"]
        with pytest.raises(TypeError):
            loop.set_task_factory(5)  # type: ignore[arg-type]  # the point

    run(scenario)


def test_debug_mode_works() -> None:
    async def scenario(simulation: Simulation) -> bool:
        await asyncio.sleep(1)
        return asyncio.get_running_loop().get_debug()

    assert run(scenario, debug=True).result is True
    assert run(scenario).result is False


def test_other_threads_are_refused() -> None:
    may_call, has_called = threading.Event(), threading.Event()
    loops: list[asyncio.AbstractEventLoop] = []
    failures: list[BaseException] = []

    def call() -> None:
        may_call.wait()
        try:
            loops[0].call_soon_threadsafe(print)
        except NotSimulatedError as error:
            failures.append(error)
        has_called.set()

    thread = threading.Thread(target=call)  # one of the program around the simulation
    thread.start()

    async def scenario(simulation: Simulation) -> None:
        loop = asyncio.get_running_loop()
        loops.append(loop)
        may_call.set()
        while not has_called.is_set():  # it runs in real time
            pass
        ran = asyncio.Event()
        loop.call_soon_threadsafe(ran.set)
        await ran.wait()

    run(scenario)
    thread.join()
    assert len(failures) == 1


def test_names_resolve_through_the_table_only() -> None:
    async def scenario(simulation: Simulation) -> None:
        loop = asyncio.get_running_loop()
        simulation.names["tracker.example"] = ["10.0.0.5", "fd00::5"]
        infos = await loop.getaddrinfo("Tracker.Example.", 80, type=socket.SOCK_STREAM)
        assert [info[4] for info in infos] == [("10.0.0.5", 80), ("fd00::5", 80, 0, 0)]
        assert [info[0] for info in infos] == [socket.AF_INET, socket.AF_INET6]
        only = await loop.getaddrinfo("tracker.example", "http", family=socket.AF_INET6, type=socket.SOCK_DGRAM)
        assert only == [(socket.AF_INET6, socket.SOCK_DGRAM, socket.IPPROTO_UDP, "", ("fd00::5", 80, 0, 0))]
        with pytest.raises(socket.gaierror, match=r"python\.org"):
            await loop.getaddrinfo("python.org", 80)
        del simulation.names["tracker.example"]
        with pytest.raises(socket.gaierror):
            await loop.getaddrinfo("tracker.example", 80)
        with pytest.raises(socket.gaierror):
            await loop.getaddrinfo("10.0.0.1", 70_000)
        assert await loop.getnameinfo(("10.0.0.1", 80)) == ("10.0.0.1", "80")
        simulation.names["peer.example"] = "10.0.0.1"
        assert await loop.getnameinfo(("10.0.0.1", 80)) == ("peer.example", "80")
        assert await loop.getnameinfo(("10.0.0.1", 80), socket.NI_NUMERICHOST) == ("10.0.0.1", "80")
        with pytest.raises(socket.gaierror):
            await loop.getnameinfo(("10.0.0.2", 80), socket.NI_NAMEREQD)

    run(scenario)


def test_a_closed_server_waits_for_its_connections_on_every_python() -> None:
    """Since 3.12 `wait_closed` does; that it did not before made digests depend on the version."""

    async def scenario(simulation: Simulation) -> tuple[float, float]:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read()
            await asyncio.sleep(7)
            writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 80)
        _, writer = await asyncio.open_connection("127.0.0.1", 80)
        await asyncio.sleep(0.1)
        server.close()
        writer.close()
        await server.wait_closed()
        ended = simulation.now
        await server.wait_closed()
        return round(ended), simulation.now - ended

    assert run(scenario).result == (7, 0)

"""An asyncio event loop on a virtual clock: `sleep` costs nothing, and the network is simulated."""

from __future__ import annotations

import asyncio
import contextvars
import sys
import threading
import weakref
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator
from typing import TYPE_CHECKING, Any, TypeVar, TypeVarTuple, Unpack

from transfer.simulation.budgets import Budgets
from transfer.simulation.connections import NetworkCalls
from transfer.simulation.errors import DeadlockError, NotSimulatedError
from transfer.simulation.executor import InlineExecutor
from transfer.simulation.failures import ExceptionReports
from transfer.simulation.host import current_boot
from transfer.simulation.scheduler import Scheduler
from transfer.simulation.tasks import SimulationFuture, SimulationTask, describe_tasks
from transfer.simulation.unsupported import unsupported

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from transfer.simulation.network import Network

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


class SimulationLoop(NetworkCalls, ExceptionReports, Budgets):
    """An event loop whose time, network and threads are simulated; every run of the same program is the same run.

    Time begins at 0.0 and moves only when nothing is ready to run, straight to the next timer. `run_in_executor` and
    `asyncio.to_thread` call the function in this thread and let `executor_cost_s` of virtual time pass before the
    result arrives. Real sockets, signals, processes and other threads are not supported.

    Args:
        network: where connections and datagrams go; each loop has its own.
        executor_cost_s: virtual time that a call in an executor takes.
        max_virtual_s: the run fails with TimeLimitError when it gets here.
        max_steps_per_instant: callbacks at the same virtual time before the run fails with LivelockError.
    """

    def __init__(
        self,
        network: Network,
        *,
        executor_cost_s: float = 0.0001,
        max_virtual_s: float = 86_400.0,
        max_steps_per_instant: int = 1_000_000,
    ) -> None:
        super().__init__()
        self.slow_callback_duration = 0.1  # what asyncio logs in debug mode; here a callback takes no time
        if executor_cost_s < 0 or max_virtual_s <= 0 or max_steps_per_instant < 1:
            raise ValueError("executor_cost_s must not be negative, and the limits must be positive")
        self.scheduler = Scheduler(
            self._on_idle,
            max_virtual_us=round(max_virtual_s * 1e6),
            max_steps_per_instant=max_steps_per_instant,
        )
        self.network = network
        network.attach(self)
        self._ready = self.scheduler.ready
        self._inline = InlineExecutor(self, cost_us=round(executor_cost_s * 1e6))
        self._numbers = 0
        self._task_numbers = 0
        self._task_factory: Any = None
        self._closed = False
        self._thread_id: int | None = None
        self._debug = False
        self._asyncgens: weakref.WeakKeyDictionary[Any, None] = weakref.WeakKeyDictionary()

    # Running.

    def run_forever(self) -> None:
        """Runs until `stop`.

        Raises:
            DeadlockError, LivelockError, TimeLimitError: the program can make no progress.
        """
        self._check_closed()
        if self.is_running():
            raise RuntimeError("This event loop is already running")
        if asyncio._get_running_loop() is not None:
            raise RuntimeError("Cannot run the event loop while another loop is running")
        hooks = sys.get_asyncgen_hooks()
        origin_depth = sys.get_coroutine_origin_tracking_depth()
        sys.set_asyncgen_hooks(firstiter=self._on_asyncgen_started, finalizer=self._on_asyncgen_dropped)
        if self._debug:
            sys.set_coroutine_origin_tracking_depth(ORIGIN_TRACKING_DEPTH)
        asyncio._set_running_loop(self)
        self._thread_id = threading.get_ident()
        try:
            self.scheduler.run()
        finally:
            self.scheduler.stopping = False
            self._thread_id = None
            asyncio._set_running_loop(None)
            sys.set_coroutine_origin_tracking_depth(origin_depth)
            sys.set_asyncgen_hooks(*hooks)

    def run_until_complete(self, future: Any) -> Any:
        """Runs until `future` is done and returns its result."""
        self._check_closed()
        is_new = not asyncio.isfuture(future)
        waited: asyncio.Future[Any] = asyncio.ensure_future(future, loop=self)
        waited.add_done_callback(self._stop_after)
        try:
            self.run_forever()
        except BaseException:
            if is_new and waited.done() and not waited.cancelled():
                waited.exception()  # seen: the error that is on its way up says more
            raise
        finally:
            waited.remove_done_callback(self._stop_after)
        if not waited.done():
            raise RuntimeError("Event loop stopped before Future completed.")
        return waited.result()

    def stop(self) -> None:
        self.scheduler.stopping = True

    def is_running(self) -> bool:
        return self._thread_id is not None

    def is_closed(self) -> bool:
        return self._closed

    def close(self) -> None:
        if self.is_running():
            raise RuntimeError("Cannot close a running event loop")
        self._inline.close()
        self._closed = True
        self.scheduler.clear()

    # The clock.

    def time(self) -> float:
        """Virtual seconds since the loop was made."""
        return self.scheduler.now_us / 1_000_000

    def call_soon(
        self, callback: Callable[[Unpack[Ts]], object], *args: *Ts, context: contextvars.Context | None = None
    ) -> asyncio.Handle:
        if self._closed:
            self._check_closed()
        handle = asyncio.Handle(callback, args, self, context)
        self._ready.append(handle)
        return handle

    def call_soon_threadsafe(
        self, callback: Callable[[Unpack[Ts]], object], *args: *Ts, context: contextvars.Context | None = None
    ) -> asyncio.Handle:
        """As `call_soon`; other threads are refused, because they would be free to arrive at any time."""
        if self._thread_id is not None and self._thread_id != threading.get_ident():
            unsupported(
                "call_soon_threadsafe() from another thread", "it could come at any time; use asyncio.to_thread()"
            )
        return self.call_soon(callback, *args, context=context)

    def call_later(
        self,
        delay: float,
        callback: Callable[[Unpack[Ts]], object],
        *args: *Ts,
        context: contextvars.Context | None = None,
    ) -> asyncio.TimerHandle:
        if delay is None:
            raise TypeError("delay must not be None")
        return self.call_at(self.scheduler.now_us / 1_000_000 + delay, callback, *args, context=context)

    def call_at(
        self,
        when: float,
        callback: Callable[[Unpack[Ts]], object],
        *args: *Ts,
        context: contextvars.Context | None = None,
    ) -> asyncio.TimerHandle:
        """Calls back at the first microsecond that is not before `when`."""
        if when is None:
            raise TypeError("when cannot be None")
        if self._closed:
            self._check_closed()
        timer = asyncio.TimerHandle(when, callback, args, self, context)
        if when > FOREVER_S:
            when = FOREVER_S
        at_us = int(when * 1_000_000)
        if at_us / 1_000_000 < when:
            at_us += 1
        if self.network.has_crashes:
            boot = context.get(current_boot) if context is not None else current_boot.get()
            if boot is not None and not boot.is_alive and asyncio.current_task(self) is None:
                timer.cancel()  # a callback of a dead program; only its tasks may wait, so that they can end
                return timer
        self.scheduler.schedule(at_us, timer)
        return timer

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        self.scheduler.note_cancelled()

    # Futures and tasks.

    def create_future(self) -> asyncio.Future[Any]:
        return SimulationFuture(loop=self)

    def create_task(
        self,
        coro: Generator[Any, None, T] | Coroutine[Any, Any, T],
        *,
        name: object = None,
        context: contextvars.Context | None = None,
        **options: Any,
    ) -> asyncio.Task[T]:
        self._check_closed()
        if self._task_factory is not None:
            if context is not None:
                options["context"] = context
            made: asyncio.Task[T] = self._task_factory(self, coro, **options)
            if name is not None:
                made.set_name(name)
            return made
        if name is None:
            self._task_numbers += 1
            name = f"Task-{self._task_numbers}"  # asyncio counts through the whole process
        if context is None:
            context = contextvars.copy_context()
        task: SimulationTask[T] = SimulationTask(coro, loop=self, name=str(name), context=context, **options)
        task.boot = boot = context.get(current_boot)
        task.has_crashed = False
        if boot is not None and not boot.is_alive:
            task.has_crashed = True
            task.cancel(f"{boot.host} crashed")
        return task

    def set_task_factory(self, factory: Any) -> None:
        if factory is not None and not callable(factory):
            raise TypeError("task factory must be a callable or None")
        self._task_factory = factory

    def get_task_factory(self) -> Any:
        return self._task_factory

    def next_number(self) -> int:
        """The number by which a task or a future is hashed."""
        self._numbers += 1
        return self._numbers

    # Threads.

    def run_in_executor(
        self, executor: Executor | None, func: Callable[[Unpack[Ts]], T], *args: *Ts
    ) -> asyncio.Future[T]:
        """Calls `func` in this thread; no thread of `executor` is ever used."""
        self._check_closed()
        return self._inline.submit(func, *args)

    def set_default_executor(self, executor: Any) -> None:
        """Accepted and not used: every executor is simulated."""

    async def shutdown_default_executor(self, timeout: float | None = None) -> None:
        """Nothing to shut down."""

    def charge(self, span_us: int) -> None:
        """Lets time pass for what blocks: inside an executor its result is later, anywhere else the loop stands."""
        if not self._inline.charge(span_us):
            self.scheduler.pass_time(span_us)

    def seen_us(self) -> int:
        """Virtual now for the running code: a function in an executor is ahead by what it was charged."""
        return self.scheduler.now_us + self._inline.charged_us

    def block_until(
        self, is_done: Callable[[], bool], timeout_s: float | None, call: str, *, may_hold_loop: bool = False
    ) -> bool:
        """What a blocking call does in an executor: virtual time passes until `is_done`, or `timeout_s` is over.

        Args:
            call: what the program called.
            may_hold_loop: outside an executor, a call with a timeout holds up the loop for that long, in vain.

        Raises:
            NotSimulatedError: the call would hold up the loop for ever.
        """
        if self._inline.is_in_function:
            return self._inline.wait(is_done, timeout_s)
        if is_done():
            return True
        if timeout_s is None or not may_hold_loop:
            self.check_may_block(call)
            return False
        self.charge(round(max(timeout_s, 0) * 1e6))
        return is_done()

    def hold(self, span_us: int) -> None:
        """`time.sleep`: a function in an executor waits for so long, anything else makes the loop stand."""
        if self._inline.is_in_function:
            self._inline.wait(lambda: False, span_us / 1e6)
        else:
            self.scheduler.pass_time(span_us)

    def check_may_block(self, call: str) -> None:
        """Lets a blocking call pass where it holds up nothing.

        Raises:
            NotSimulatedError: outside an executor a blocking call would hold up the loop for ever.
        """
        if not self._inline.is_in_function:
            instead = "use asyncio's calls, or make it in asyncio.to_thread() or loop.run_in_executor()"
            raise NotSimulatedError(f"{call} that blocks the event loop", instead)

    # Debugging and generators.

    def get_debug(self) -> bool:
        return self._debug

    def set_debug(self, enabled: bool) -> None:
        self._debug = enabled

    async def shutdown_asyncgens(self) -> None:
        """Closes every asynchronous generator that is still open."""
        generators = list(self._asyncgens)
        self._asyncgens.clear()
        results = await asyncio.gather(*(generator.aclose() for generator in generators), return_exceptions=True)
        for generator, result in zip(generators, results, strict=True):
            if isinstance(result, Exception):
                message = f"an error occurred during closing of asynchronous generator {generator!r}"
                self.call_exception_handler({"message": message, "exception": result, "asyncgen": generator})

    def _on_asyncgen_started(self, generator: AsyncGenerator[Any, Any]) -> None:
        self._asyncgens[generator] = None

    def _on_asyncgen_dropped(self, generator: AsyncGenerator[Any, Any]) -> None:
        self._asyncgens.pop(generator, None)
        if not self._closed:
            self.call_soon(self.create_task, generator.aclose())

    def _stop_after(self, future: asyncio.Future[Any]) -> None:
        self.scheduler.stopping = True

    def _on_idle(self) -> None:
        tasks = asyncio.all_tasks(self)
        raise DeadlockError(
            f"nothing can ever wake up again at virtual {self.time():.6f} s; {len(tasks)} pending tasks:\n"
            + describe_tasks(tasks)
        )

    def _check_closed(self) -> None:
        if self._closed:
            raise RuntimeError("Event loop is closed")

    def __repr__(self) -> str:
        return f"<{type(self).__name__} running={self.is_running()} closed={self._closed} time={self.time():.6f}>"


ORIGIN_TRACKING_DEPTH = 10
FOREVER_S = 1e12  # beyond it a float no longer counts microseconds

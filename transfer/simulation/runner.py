"""Runs a scenario in virtual time and judges how it ended."""

from __future__ import annotations

import asyncio
import gc
import random
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Generic, TypeVar

from transfer.simulation.diagram import sequence_diagram
from transfer.simulation.errors import LeakError, SimulationError, UnhandledError
from transfer.simulation.failures import describe_failure
from transfer.simulation.link import Link
from transfer.simulation.loop import SimulationLoop
from transfer.simulation.network import Network
from transfer.simulation.process import virtual_environment
from transfer.simulation.simulation import Simulation
from transfer.simulation.streams import SimulatedStreamConfig
from transfer.simulation.tasks import describe_tasks

T = TypeVar("T")
Scenario = Callable[[Simulation], Awaitable[T]]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunConfig:
    """How a scenario is run.

    Args:
        link: between any two hosts that have no link of their own.
        stream: how hosts speak their stream protocol.
        max_virtual_s: the run fails when it has not ended by then.
        max_steps_per_instant: callbacks at the same virtual time before the run counts as livelocked.
        executor_cost_s: virtual time of a call in an executor.
        settle_s: what the scenario leaves behind has so long to end by itself.
        check_leaks: whether tasks, transports, servers and reserved budget left after that make the run fail.
        check_unhandled: whether exceptions that reached the loop's exception handler make the run fail.
        debug: asyncio's debug mode, which is slow.
    """

    link: Link = field(default_factory=Link)
    stream: SimulatedStreamConfig = field(default_factory=SimulatedStreamConfig)
    max_virtual_s: float = 86_400.0
    max_steps_per_instant: int = 1_000_000
    executor_cost_s: float = 0.0001
    settle_s: float = 5.0
    check_leaks: bool = True
    check_unhandled: bool = True
    debug: bool = False

    def __post_init__(self) -> None:
        if self.settle_s < 0:
            raise ValueError("settle_s must not be negative")


@dataclass(frozen=True, slots=True, kw_only=True)
class Report(Generic[T]):
    """A run that ended well.

    Attributes:
        result: what the scenario returned.
        seed: what the run can be repeated with.
        virtual_s: when it ended.
        events: callbacks, timers and arrivals that the loop ran.
        datagrams: datagrams that programs sent.
        digest: SHA-256 of the event trace, equal for every run with this seed.
    """

    result: T
    seed: int
    virtual_s: float
    events: int
    datagrams: int
    digest: str


def run(scenario: Scenario[T], *, seed: int = 0, config: RunConfig | None = None, **options: Any) -> Report[T]:
    """Runs `async def scenario(simulation)` from beginning to end in virtual time.

    Args:
        seed: where all randomness comes from.
        config: how to run it; by default what the decorator `scenario` said, else `RunConfig()`.
        options: single fields of the config, for example `link=Link(delay_s=0.05)`.

    Raises:
        SimulationError: deadlock, livelock, time limit, leak, or an exception that was not handled.
        BaseException: whatever the scenario raises. Every failure carries notes: the last events, the pending tasks,
            and the command that replays it.
    """
    if config is None:
        config = getattr(scenario, CONFIG_ATTRIBUTE, None) or RunConfig()
    return Run(seed=seed, config=replace(config, **options)).execute(scenario)


def scenario(*, config: RunConfig | None = None, **options: Any) -> Callable[[Scenario[T]], Scenario[T]]:
    """Decorates a scenario with the way it is to be run, so that `run` and the replay command do the same."""

    def mark(function: Scenario[T]) -> Scenario[T]:
        setattr(function, CONFIG_ATTRIBUTE, replace(config or RunConfig(), **options))
        return function

    return mark


class Run:
    """One run, step by step; `run` is the short form.

    Only one can be active in a process at a time, because it owns the clocks of the process.
    """

    def __init__(self, *, seed: int, config: RunConfig) -> None:
        self.config = config
        self.network = Network(seed=seed, link=config.link)
        self.loop = SimulationLoop(
            self.network,
            executor_cost_s=config.executor_cost_s,
            max_virtual_s=config.max_virtual_s,
            max_steps_per_instant=config.max_steps_per_instant,
        )
        self.loop.stream_config = config.stream
        self.loop.set_debug(config.debug)
        rng = random.Random(f"scenario {seed}")
        self.simulation = Simulation(seed=seed, rng=rng, network=self.network, loop=self.loop)

    def execute(self, scenario: Scenario[T], *, replay_command: str | None = None) -> Report[T]:
        """Runs it, checks what it left, closes the loop."""
        seed = self.simulation.seed
        with _only_one(), _steady_garbage_collection(), virtual_environment(self.loop, seed):
            try:
                result = self.loop.run_until_complete(_call(scenario, self.simulation))
                virtual_s = self.loop.time()
                self._check()
                return Report(
                    result=result,
                    seed=seed,
                    virtual_s=virtual_s,
                    events=self.loop.scheduler.events,
                    datagrams=self.network.datagrams,
                    digest=self.network.trace.digest(),
                )
            except BaseException as error:
                self._explain(error, replay_command or _replay_command(scenario, seed))
                raise
            finally:
                self._clean_up()

    def _check(self) -> None:
        """Lets the run come to rest, then looks for what is left."""
        self.loop.scheduler.allow_more_time(self.config.settle_s)
        deadline = self.loop.time() + self.config.settle_s
        while self._leftovers() and self.loop.time() < deadline:
            self.loop.run_until_complete(asyncio.sleep(min(0.01, self.config.settle_s)))
        if self.config.check_unhandled and self.loop.unhandled:
            listed = "\n".join(f"  {describe_failure(context)}" for context in self.loop.unhandled)
            error = UnhandledError(f"{len(self.loop.unhandled)} failures that nobody handled:\n{listed}")
            raise error from self.loop.unhandled[0].get("exception")
        if self.config.check_leaks and (left := self._leftovers()):
            raise LeakError(f"the scenario ended and left {len(left)} things behind:\n" + "\n".join(left))

    def _leftovers(self) -> list[str]:
        left = [f"  {thing!r}" for host in self.network.hosts for thing in (*host.listeners, *host.udp)]
        left += [f"  {thing!r}" for host in self.network.hosts for thing in host.connections]
        left += [f"  reserved and not given back: {budget!r}" for budget in self.loop.budgets_left()]
        tasks = [task for task in asyncio.all_tasks(self.loop) if not getattr(task, "has_crashed", False)]
        return left + (describe_tasks(tasks).splitlines() if tasks else [])

    def _explain(self, error: BaseException, replay_command: str) -> None:
        pending = asyncio.all_tasks(self.loop)
        seed, digest = self.simulation.seed, self.network.trace.digest()[:16]
        lines = [
            f"simulated run with seed {seed} failed at virtual {self.loop.time():.6f} s, digest {digest}",
            f"replay: {replay_command}",
        ]
        if pending and not isinstance(error, SimulationError):
            lines.append(f"{len(pending)} pending tasks:\n{describe_tasks(pending)}")
        lines.append(sequence_diagram(self.network.trace.last(EVENTS_SHOWN)))
        error.add_note("\n".join(lines))

    def _clean_up(self) -> None:
        """Ends every task, so that nothing of this run can reach the next one."""
        try:
            for _ in range(CANCEL_ROUNDS):
                tasks = sorted(asyncio.all_tasks(self.loop), key=hash)
                if not tasks:
                    break
                for task in tasks:
                    task.cancel("the simulation is over")
                self.loop.scheduler.allow_more_time(CANCEL_TIME_S)
                self.loop.run_until_complete(asyncio.wait(tasks, timeout=CANCEL_TIME_S))
            self.loop.run_until_complete(self.loop.shutdown_asyncgens())
        except SimulationError:
            pass  # the verdict is on its way already
        finally:
            self.loop.close()


async def _call(scenario: Scenario[T], simulation: Simulation) -> T:
    return await scenario(simulation)


@contextmanager
def _only_one() -> Iterator[None]:
    global _is_running
    if _is_running:
        raise RuntimeError("a simulation is running already; only one fits into a process at a time")
    _is_running = True
    try:
        yield
    finally:
        _is_running = False


@contextmanager
def _steady_garbage_collection() -> Iterator[None]:
    """Python collects when it feels like it; the scheduler collects at fixed numbers of events instead."""
    was_enabled = gc.isenabled()
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _replay_command(scenario: Scenario[Any], seed: int) -> str:
    module = getattr(scenario, "__module__", "MODULE")
    name = getattr(scenario, "__qualname__", "SCENARIO")
    if "<" in name:  # a local function, which no command can name
        return f"run({name.rpartition('.')[2]}, seed={seed}) in {module}, with the same options"
    return f"python -m transfer.simulation replay {module}:{name} --seed {seed}"


CONFIG_ATTRIBUTE = "__simulation_config__"
EVENTS_SHOWN = 200
CANCEL_ROUNDS = 5
CANCEL_TIME_S = 60.0
_is_running = False

"""The process around a simulated program: its clocks and its randomness, for the time of a run.

Programs that never heard of a simulation call `time.time()` and `os.urandom()`. While a run lasts, the functions below
answer from virtual time and from the seed, in the whole process; whoever took a function out of its module before
(`from time import monotonic`) keeps the real one.
"""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from transfer.simulation.loop import SimulationLoop


@contextmanager
def virtual_environment(loop: SimulationLoop, seed: int) -> Iterator[None]:
    """Replaces the clocks of `time`, `time.sleep`, `os.urandom`, and everything in `random` that is not seeded."""
    entropy = random.Random(f"entropy {seed}")
    scheduler = loop.scheduler
    seed_random = random.Random.seed
    as_completed = asyncio.as_completed

    def urandom(size: int, /) -> bytes:
        return entropy.randbytes(size)

    def sleep(seconds: float, /) -> None:
        if seconds < 0:
            raise ValueError("sleep length must be non-negative")
        loop.charge(round(seconds * 1e6))

    def seed_from_run(self: random.Random, a: Any = None, version: int = 2) -> None:
        seed_random(self, entropy.getrandbits(256) if a is None else a, version)

    def as_completed_in_order(fs: Iterable[Any], *, timeout: float | None = None) -> Any:
        """asyncio starts bare coroutines in the order of a set, which is that of their addresses."""
        return as_completed([asyncio.ensure_future(future) for future in fs], timeout=timeout)

    replaced: list[tuple[Any, str, Callable[..., Any]]] = [
        (time, "time", lambda: EPOCH_S + scheduler.now_us / 1e6),
        (time, "time_ns", lambda: EPOCH_S * 10**9 + scheduler.now_us * 1000),
        (time, "monotonic", lambda: scheduler.now_us / 1e6),
        (time, "monotonic_ns", lambda: scheduler.now_us * 1000),
        (time, "perf_counter", lambda: scheduler.now_us / 1e6),
        (time, "perf_counter_ns", lambda: scheduler.now_us * 1000),
        (time, "sleep", sleep),
        (os, "urandom", urandom),
        (random, "_urandom", urandom),
        (random.Random, "seed", seed_from_run),
        (asyncio, "as_completed", as_completed_in_order),
    ]
    originals = [(owner, name, getattr(owner, name)) for owner, name, _ in replaced]
    state = random.getstate()
    for owner, name, function in replaced:
        setattr(owner, name, function)
    try:
        random.seed(f"random {seed}")
        yield
    finally:
        for owner, name, function in originals:
            setattr(owner, name, function)
        random.setstate(state)


EPOCH_S = 1_577_836_800  # 2020-01-01 00:00:00 UTC: when virtual time begins for those who ask for a date

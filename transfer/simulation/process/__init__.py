"""The process around a simulated program: what it sees of clocks, chance, names, sockets, threads and processes.

Programs that never heard of a simulation call `time.time()` and `os.urandom()`. While a run lasts, the functions of
these modules answer from virtual time and from the seed, or refuse; but only in the thread that runs the simulation.
Every other thread of the process keeps the real thing.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from transfer.simulation.process import (
    clocks,
    crypto,
    files,
    guard,
    identity,
    lookups,
    order,
    randomness,
    refusals,
    signals,
    sockets,
    threads,
)
from transfer.simulation.process.inside import World, entered
from transfer.simulation.process.replacing import replaced

if TYPE_CHECKING:
    from transfer.simulation.loop import SimulationLoop


@contextmanager
def virtual_environment(loop: SimulationLoop, seed: int) -> Iterator[None]:
    """For the time of this block, this thread is inside the simulation, and nothing it calls leads out of it."""
    world = World(loop, entropy=random.Random(f"entropy {seed}"), chance=random.Random(f"random {seed}"))
    guard.install()
    tables = (
        *clocks.REPLACEMENTS,
        *randomness.REPLACEMENTS,
        *crypto.replacements(),
        *files.REPLACEMENTS,
        *identity.REPLACEMENTS,
        *lookups.REPLACEMENTS,
        *sockets.REPLACEMENTS,
        *signals.REPLACEMENTS,
        *order.REPLACEMENTS,
        *threads.REPLACEMENTS,
        *refusals.REPLACEMENTS,
    )
    with ExitStack() as stack:
        stack.enter_context(replaced(tables))
        stack.enter_context(clocks.virtual_dates())
        stack.enter_context(randomness.generators_made_before())
        stack.enter_context(entered(world))
        yield

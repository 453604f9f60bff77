"""pytest: `async def test_…(simulation)` runs in virtual time, once for each seed.

The marker `@pytest.mark.simulation(link=…, …)` takes the fields of `RunConfig`. `--seeds N` runs each such test with
the seeds 0 to N-1, `--simulation-seed N` with one only.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from transfer.simulation.runner import Run
    from transfer.simulation.simulation import Simulation


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("simulation")
    group.addoption("--seeds", type=int, default=1, metavar="N", help="run tests in the simulation with seeds 0 to N-1")
    group.addoption("--simulation-seed", type=int, metavar="N", help="run tests in the simulation with this seed only")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "simulation(**options): how to run this test in the simulation (see RunConfig)")
    if config.getoption("seeds") < 1:
        raise pytest.UsageError("--seeds must be at least 1")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "simulation" not in metafunc.fixturenames:
        return
    only = metafunc.config.getoption("simulation_seed")
    seeds = range(metafunc.config.getoption("seeds")) if only is None else [only]
    metafunc.parametrize("simulation", seeds, indirect=True, ids=[f"seed{seed}" for seed in seeds])


@pytest.fixture
def simulation(request: pytest.FixtureRequest) -> Simulation:
    """The simulation that the test will run in; time begins with the test itself."""
    from transfer.simulation.runner import Run, RunConfig

    marker = request.node.get_closest_marker("simulation")
    options = marker.kwargs if marker is not None else {}
    run = Run(seed=request.param, config=RunConfig(**options))
    request.node.stash[RUN] = run
    return run.simulation


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Takes the tests of the simulation before any plugin that would run them in an event loop of its own."""
    run = pyfuncitem.stash.get(RUN, None)
    function = inspect.unwrap(pyfuncitem.obj)
    if run is None or not inspect.iscoroutinefunction(function):
        return None
    names = inspect.signature(function).parameters
    arguments = {name: value for name, value in pyfuncitem.funcargs.items() if name in names}
    nodeid = pyfuncitem.nodeid.partition("[")[0]
    command = f"python -m pytest '{nodeid}' --simulation-seed {run.simulation.seed}"
    run.execute(lambda _: function(**arguments), replay_command=command)
    return True


RUN: pytest.StashKey[Run] = pytest.StashKey()

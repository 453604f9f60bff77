"""What every test may use, and what holds for every run."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis.database import DirectoryBasedExampleDatabase

from tests.machine import CHECKOUT, has_ipv6, is_ci, is_missing_ipv6
from tests.skips import AllowedSkips
from tests.workers import load_share, order_items

ROOT = Path(__file__).parents[1]


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Shells must run on any event loop: tests marked `every_event_loop` run once on each that is installed."""
    factories: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {"asyncio": asyncio.new_event_loop}
    if item.get_closest_marker("every_event_loop") and find_spec("uvloop") is not None:  # the `speed` extra
        import uvloop

        factories["uvloop"] = uvloop.new_event_loop
    return factories


# Development mode is for the tests in this worker process, not for the programs that they start.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.pop("PYTHONDEVMODE", None)

# Under nohup, programs that tests start would inherit that hang-ups are ignored. A handler is not inherited.
if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
    signal.signal(signal.SIGHUP, lambda number, frame: None)

# Machines are shared and noisy: how long one example takes says nothing about the code. Examples are new ones on every
# run, in CI as well, where Hypothesis would repeat itself otherwise: a test that falls at random falls there, too, and
# prints what reproduces it. Keep that as an `@example`.
settings.register_profile(
    "ours",
    deadline=None,
    derandomize=False,
    print_blob=True,
    database=DirectoryBasedExampleDatabase(CHECKOUT / ".hypothesis" / "examples"),
)
settings.load_profile("ours")


def pytest_report_header() -> list[str]:
    return [] if has_ipv6() else [f"IPv6: {NO_IPV6}"]


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("ipv6") and not has_ipv6():
        pytest.skip(NO_IPV6)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> object:
    """A test that fails because this machine has no ::1 is skipped, with what to do."""
    try:
        return (yield)
    except BaseException as error:
        if is_missing_ipv6(error):
            pytest.skip(NO_IPV6)
        raise


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """One more than there are processors: many tests wait for the programs that they start."""
    return len(os.sched_getaffinity(0)) + 1 if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1) + 1


def pytest_sessionstart(session: pytest.Session) -> None:
    load_share(session.config.args, ROOT)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    order_items(items, ROOT / "tests")


def pytest_collection_finish() -> None:
    """What has been imported and collected stays until the end, and is a million objects.

    Each simulated run begins with a full collection, which would look at all of them: a fifth of a second each time.
    """
    gc.collect()
    gc.freeze()


def pytest_configure(config: pytest.Config) -> None:
    if is_ci() and not hasattr(config, "workerinput"):  # the process that hears of all tests
        config.pluginmanager.register(AllowedSkips(ROOT / "tests" / "allowed_skips.txt"), "allowed-skips")


NO_IPV6 = "this machine has no IPv6 on loopback (Linux: sysctl net.ipv6.conf.lo.disable_ipv6=0)"

"""What every test may use."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping
from importlib.util import find_spec

import pytest
from hypothesis import settings


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

# Machines are shared and noisy: how long one example takes says nothing about the code.
settings.register_profile("noisy", deadline=None)
settings.load_profile("noisy")

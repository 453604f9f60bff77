"""Calls of asyncio whose order would follow memory addresses."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

from transfer.simulation.process.inside import World
from transfer.simulation.process.replacing import Replacement, replacement


def _as_completed(world: World, fs: Iterable[Any], *, timeout: float | None = None) -> Any:
    """The original starts bare coroutines in the order of a set, which is that of their addresses."""
    return _REAL_AS_COMPLETED([asyncio.ensure_future(future) for future in fs], timeout=timeout)


_REAL_AS_COMPLETED = asyncio.as_completed
REPLACEMENTS: list[Replacement] = replacement(asyncio, "as_completed", _as_completed)

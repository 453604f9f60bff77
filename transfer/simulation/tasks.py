"""Tasks and futures whose hash is a number in order of use, so that no set of them follows memory addresses.

`asyncio.TaskGroup` cancels, and `asyncio.wait` reports, in the order of a set. With the default hash, which is the
address, that order changes from run to run.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

if TYPE_CHECKING:
    from transfer.simulation.host import Boot

T = TypeVar("T")


class SimulationFuture(asyncio.Future[T]):
    """A future that is numbered when its hash is first asked for."""

    __slots__ = ("_number",)
    _number: int

    def __hash__(self) -> int:
        try:
            return self._number
        except AttributeError:
            self._number = _next_number(self)
            return self._number


class SimulationTask(asyncio.Task[T]):
    """A task that is numbered like `SimulationFuture` and knows where it runs, and whether that has crashed."""

    __slots__ = ("_number", "boot", "has_crashed")
    _number: int
    boot: Boot | None
    has_crashed: bool

    def __hash__(self) -> int:
        try:
            return self._number
        except AttributeError:
            self._number = _next_number(self)
            return self._number


def describe_tasks(tasks: Iterable[asyncio.Task[Any]], *, limit: int = 50) -> str:
    """One line a task: its name, its host, and the innermost line outside asyncio where it waits; oldest first."""
    ordered = sorted(tasks, key=hash)
    lines = [_describe(task) for task in ordered[:limit]]
    if len(ordered) > limit:
        lines.append(f"… and {len(ordered) - limit} more")
    return "\n".join(lines)


def _describe(task: asyncio.Task[Any]) -> str:
    coroutine: Any = task.get_coro()
    name = getattr(coroutine, "__qualname__", repr(coroutine))
    place = "an unknown place"
    while coroutine is not None:
        frame = getattr(coroutine, "cr_frame", None) or getattr(coroutine, "gi_frame", None)
        if frame is not None:
            inner = f"{frame.f_code.co_filename}:{frame.f_lineno} in {frame.f_code.co_qualname}"
            if place == "an unknown place" or not frame.f_code.co_filename.startswith(ASYNCIO_PATH):
                place = inner
        coroutine = getattr(coroutine, "cr_await", None) or getattr(coroutine, "gi_yieldfrom", None)
    boot = getattr(task, "boot", None)
    where = f" on {boot.host}" if boot is not None else ""
    return f"  {task.get_name()} ({name}){where} waits at {place}"


class _Numbering(Protocol):
    def next_number(self) -> int: ...


def _next_number(future: asyncio.Future[Any]) -> int:
    loop: Any = future.get_loop()
    numbering: _Numbering = loop
    return numbering.next_number()


ASYNCIO_PATH = os.path.dirname(asyncio.__file__)

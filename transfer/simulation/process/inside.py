"""Which code is inside a simulation: all that one thread runs, from the beginning of a run to its end."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import get_ident
from typing import TYPE_CHECKING, Any

from transfer.simulation.errors import NotSimulatedError

if TYPE_CHECKING:
    from transfer.simulation.loop import SimulationLoop


class World:
    """What the replaced functions answer from.

    Attributes:
        loop: the clock, the network, and what lets a thread wait.
        entropy: in the place of the operating system's.
        chance: in the place of the generator behind `random.random()`.
    """

    def __init__(self, loop: SimulationLoop, *, entropy: random.Random, chance: random.Random) -> None:
        self.loop = loop
        self.entropy = entropy
        self.chance = chance
        self.last_uuid_time = 0

    @property
    def now_us(self) -> int:
        """Virtual microseconds as the running code sees them: a thread that has slept is ahead of the loop."""
        return self.loop.seen_us()


class _State:
    __slots__ = ("owner", "world")

    def __init__(self) -> None:
        self.owner = 0  # no thread has this number
        self.world: World | None = None


def inside() -> World | None:
    """The world that the running code is in; None in every other thread, and between runs."""
    return STATE.world if get_ident() == STATE.owner else None


@contextmanager
def entered(world: World) -> Iterator[None]:
    """This thread is inside `world`."""
    STATE.world, STATE.owner = world, get_ident()
    try:
        yield
    finally:
        STATE.owner, STATE.world = 0, None


class Dispatched:
    """A builtin function with two answers. Like a builtin, and unlike a function, it is no method in a class body."""

    def __init__(self, real: Callable[..., Any], simulated: Callable[..., Any]) -> None:
        self._real = self.__wrapped__ = real
        self._simulated = simulated
        self.__name__ = getattr(real, "__name__", "")
        self.__qualname__ = getattr(real, "__qualname__", self.__name__)
        self.__module__ = getattr(real, "__module__", None) or ""
        self.__doc__ = real.__doc__

    def __call__(self, *args: Any, **options: Any) -> Any:
        if get_ident() == STATE.owner:
            return self._simulated(STATE.world, *args, **options)
        return self._real(*args, **options)

    def __repr__(self) -> str:
        return f"<{self.__module__}.{self.__name__} in or out of a simulation>"


def method(real: Callable[..., Any], simulated: Callable[..., Any]) -> Callable[..., Any]:
    """A method of a class with two answers; `simulated` gets the world first, then the object."""

    def call(self: Any, /, *args: Any, **options: Any) -> Any:
        if get_ident() == STATE.owner:
            return simulated(STATE.world, self, *args, **options)
        return real(self, *args, **options)

    call.__name__ = getattr(real, "__name__", "call")
    call.__doc__ = real.__doc__
    call.__wrapped__ = real  # type: ignore[attr-defined]  # what inspect looks for
    return call


def refusing(call: str, instead: str) -> Callable[..., Any]:
    """The simulated side of a function that has none."""

    def refuse(world: World, *args: Any, **options: Any) -> Any:
        raise NotSimulatedError(call, instead)

    return refuse


STATE = _State()

"""Randomness: whatever would come from the operating system comes from the seed of the run."""

from __future__ import annotations

import gc
import os
import random
import ssl
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from transfer.simulation.process.inside import World, inside
from transfer.simulation.process.replacing import Replacement, replacement


def _urandom(world: World, size: int, /) -> bytes:
    return world.entropy.randbytes(size)


def _getrandom(world: World, size: int, flags: int = 0) -> bytes:
    return world.entropy.randbytes(size)


def _rand_bytes(world: World, size: int, /) -> bytes:
    return world.entropy.randbytes(size)


def _rand_pseudo_bytes(world: World, size: int, /) -> tuple[bytes, bool]:
    return world.entropy.randbytes(size), True


def _of_chance(name: str) -> Callable[..., Any]:
    """A function of module `random`: a method of one generator, which belongs to the run."""

    def draw(world: World, *args: Any, **options: Any) -> Any:
        return getattr(world.chance, name)(*args, **options)

    return draw


def _replacements() -> list[Replacement]:
    found = [
        *replacement(os, "urandom", _urandom),
        *replacement(os, "getrandom", _getrandom),
        *replacement(ssl, "RAND_bytes", _rand_bytes),
        *replacement(ssl, "RAND_pseudo_bytes", _rand_pseudo_bytes),
    ]
    for name, value in vars(random).items():
        if getattr(value, "__self__", None) is _SHARED:
            found += replacement(random, name, _of_chance(name))
    return found


# Generators. One that was made without a seed before the run would carry chance from outside into it.


def _seed(self: random.Random, a: Any = None, version: int = 2) -> None:
    world = inside()
    if world is not None and a is None:
        a = world.entropy.getrandbits(256)
    elif a is None:
        _unseeded.add(self)
    else:
        _unseeded.discard(self)
    _REAL_SEED(self, a, version)


def _setstate(self: random.Random, state: Any) -> None:
    _REAL_SETSTATE(self, state)
    _unseeded.discard(self)


@contextmanager
def generators_made_before() -> Iterator[None]:
    """Generators without a seed are seeded by the run when it first uses them, and are afterwards as they were."""
    sleeping: list[tuple[random.Random, type[random.Random]]] = []
    for generator in list(_unseeded):
        kind = type(generator)
        try:
            generator.__class__ = _sleeping_kind(kind)
        except TypeError:  # another layout: it keeps its own randomness
            continue
        sleeping.append((generator, kind))
    _woken.clear()
    try:
        yield
    finally:
        for generator, kind in sleeping:
            generator.__class__ = kind
        for generator, state in _woken:
            _REAL_SETSTATE(generator, state)
        _woken.clear()


def _sleeping_kind(kind: type[random.Random]) -> type[random.Random]:
    """A subclass whose first draw inside the run seeds the generator; draws of other threads change nothing."""
    known = _sleeping_kinds.get(kind)
    if known is None:

        def wake(generator: random.Random) -> None:
            world = inside()
            if world is not None and type(generator) is not kind:
                generator.__class__ = kind
                _woken.append((generator, generator.getstate()))
                _REAL_SEED(generator, world.entropy.getrandbits(256))

        def draw(self: random.Random) -> float:
            wake(self)
            return kind.random(self)

        def draw_bits(self: random.Random, k: int, /) -> int:
            wake(self)
            return kind.getrandbits(self, k)

        def state(self: random.Random) -> Any:
            wake(self)
            return kind.getstate(self)

        methods: dict[str, Any] = {"random": draw, "getrandbits": draw_bits, "getstate": state}
        known = _sleeping_kinds[kind] = type(kind.__name__, (kind,), methods)
    return known


def _look_for_older_ones() -> None:
    """Generators from before this module was there: how they were seeded is not known."""
    for thing in gc.get_objects():
        if type(thing) is random.Random and thing is not _SHARED:
            _unseeded.add(thing)


_SHARED: random.Random = random._inst  # behind random.random()
_REAL_SEED, _REAL_SETSTATE = random.Random.seed, random.Random.setstate
_unseeded: weakref.WeakSet[random.Random] = weakref.WeakSet()
_woken: list[tuple[random.Random, Any]] = []
_sleeping_kinds: dict[type[random.Random], type[random.Random]] = {}
REPLACEMENTS = _replacements()
# Stays for good: from here on it is known which generators were made without a seed.
random.Random.seed = _seed  # type: ignore[method-assign]
random.Random.setstate = _setstate  # type: ignore[method-assign]
_look_for_older_ones()

"""Functions put in the place of others, wherever a module keeps them, and taken away again."""

from __future__ import annotations

import ctypes
import gc
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any, NamedTuple

from transfer.simulation.process.inside import Dispatched


class Replacement(NamedTuple):
    """`owner.name` becomes `function`; so does every name of a module that stands for the same original."""

    owner: Any
    name: str
    function: Any


def replacement(owner: Any, name: str, simulated: Any) -> list[Replacement]:
    """The replacement of a module's function; none on a system without it."""
    real = getattr(owner, name, None)
    return [] if real is None else [Replacement(owner, name, Dispatched(real, simulated))]


@contextmanager
def replaced(replacements: Iterable[Replacement]) -> Iterator[None]:
    """Replaces for the time of the block; `from time import monotonic` before it is found and replaced as well."""
    undo: list[tuple[Any, str, Any, bool]] = []
    by_original: dict[int, Any] = {}
    originals: dict[int, Any] = {}
    try:
        for owner, name, function in replacements:
            is_its_own = name in vars(owner)
            original = vars(owner)[name] if is_its_own else None
            undo.append((owner, name, original, is_its_own))
            setattr(owner, name, function)
            if isinstance(owner, ModuleType):
                by_original[id(original)] = function
                originals[id(function)] = original
        before = set(sys.modules)
        found = _references(by_original)
        for namespace, name, original in found:
            namespace[name] = by_original[id(original)]
        try:
            yield
        finally:
            for namespace, name, original in found:
                if id(namespace.get(name)) in originals:
                    namespace[name] = original
            _restore_new_modules(before, originals)
    finally:
        for owner, name, original, was_its_own in reversed(undo):
            if was_its_own:
                setattr(owner, name, original)
            else:
                delattr(owner, name)


@contextmanager
def replaced_in_type(kind: type, functions: dict[str, Any]) -> Iterator[None]:
    """As `replaced`, for a type written in C, whose attributes cannot be set."""
    (attributes,) = gc.get_referents(kind.__dict__)
    before = {name: attributes[name] for name in functions if name in attributes}
    attributes.update(functions)
    _forget_cached_attributes(kind)
    try:
        yield
    finally:
        for name in functions:
            if name in before:
                attributes[name] = before[name]
            else:
                del attributes[name]
        _forget_cached_attributes(kind)


def _forget_cached_attributes(kind: type) -> None:
    ctypes.pythonapi.PyType_Modified(ctypes.py_object(kind))


def _references(by_original: dict[int, Any]) -> list[tuple[dict[str, Any], str, Any]]:
    """Where modules keep the originals: (namespace, name, original). A module is searched again when it has grown."""
    for key, module in list(sys.modules.items()):
        if not issubclass(type(module), ModuleType) or key.startswith(OUR_MODULES):
            continue
        namespace: dict[str, Any] = ModuleType.__getattribute__(module, "__dict__")  # a lazy module stays lazy
        known = _searched.get(key)
        if known is None or known[0] is not namespace or known[1] != len(namespace):
            names = [name for name, value in list(namespace.items()) if id(value) in by_original]
            _searched[key] = (namespace, len(namespace), names)
    found = []
    for key, (namespace, _, names) in list(_searched.items()):
        if key not in sys.modules:
            del _searched[key]
            continue
        found += [(namespace, name, namespace[name]) for name in names if id(namespace.get(name)) in by_original]
    return found


def _restore_new_modules(before: set[str], originals: dict[int, Any]) -> None:
    """Modules that were imported inside have taken the functions that stood there then."""
    for key in set(sys.modules) - before:
        module = sys.modules.get(key)
        if not issubclass(type(module), ModuleType) or key.startswith(OUR_MODULES):
            continue
        namespace: dict[str, Any] = ModuleType.__getattribute__(module, "__dict__")
        for name, value in list(namespace.items()):
            if id(value) in originals:
                namespace[name] = originals[id(value)]


OUR_MODULES = "transfer.simulation.process"
_searched: dict[str, tuple[dict[str, Any], int, list[str]]] = {}

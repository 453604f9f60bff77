"""What a package offers to its users, loaded when it is first named."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from importlib import import_module


def public_names(package: str, modules: Mapping[str, str]) -> tuple[Callable[[str], object], Callable[[], list[str]]]:
    """The `__getattr__` and `__dir__` (PEP 562) of a package whose public names live in its modules.

    Args:
        package: its name; its own `__init__` is the caller.
        modules: the module of each public name; a name may be that of the module itself.
    """

    def __getattr__(name: str) -> object:  # noqa: N807
        place = modules.get(name)
        if place is None:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        module = import_module(place)
        value: object = module if place.rpartition(".")[2] == name else getattr(module, name)
        setattr(sys.modules[package], name, value)
        return value

    def __dir__() -> list[str]:  # noqa: N807
        return sorted({*vars(sys.modules[package]), *modules})

    return __getattr__, __dir__


def modules_of(names: Mapping[str, str]) -> dict[str, str]:
    """The module of each name, of the names of each module, which are written with spaces between them."""
    return {name: module for module, several in names.items() for name in several.split()}

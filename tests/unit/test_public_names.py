"""What is public stands in one place for each package, is documented, and is all that users of the library need."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest

from tests.machine import CHECKOUT
from tests.wheel_tree import packages_of
from transfer import simulation

LIBRARY = [name for name in packages_of(CHECKOUT) if name != "fileshare"]
PACKAGES = [import_module(name) for name in LIBRARY]
PUBLIC = {module.__name__: frozenset(module.__all__) for module in (*PACKAGES, simulation)}
PUBLIC["transfer.public"] = frozenset({"modules_of", "public_names"})  # what the packages themselves are made with
TYPE_ALIASES = {"AnyLookup", "FileName"}


def source_of(module: ModuleType) -> ast.Module:
    assert module.__file__ is not None
    return ast.parse(Path(module.__file__).read_text(encoding="utf-8"))


@pytest.mark.parametrize("package", PACKAGES, ids=lambda package: package.__name__)
def test_every_public_name_is_there_for_programs_and_for_type_checkers(package: ModuleType) -> None:
    typed = {
        alias.name: f"{node.module}.{alias.name}" if alias.asname and alias.name in MODULES else node.module
        for node in ast.walk(source_of(package))
        if isinstance(node, ast.ImportFrom) and node.module not in ("__future__", "typing", "transfer.public")
        for alias in node.names
    }
    assert typed == package._MODULES
    assert sorted(typed) == sorted(package.__all__)
    for name in package.__all__:
        value = getattr(package, name)
        assert getattr(value, "__name__", name).rpartition(".")[2] == name or name in TYPE_ALIASES
        assert name in dir(package)


MODULES = {"bencode", "simulation"}


@pytest.mark.parametrize("package", PACKAGES, ids=lambda package: package.__name__)
def test_other_names_are_refused(package: ModuleType) -> None:
    with pytest.raises(AttributeError, match=f"module '{package.__name__}' has no attribute 'Nothing'"):
        _ = package.Nothing


@pytest.mark.parametrize("module", [*PACKAGES, simulation], ids=lambda module: module.__name__)
def test_every_public_name_is_in_the_reference(module: ModuleType) -> None:
    page = (CHECKOUT / "docs" / "reference" / f"{module.__name__.partition('.')[0]}.md").read_text(encoding="utf-8")
    documented = set(re.findall(rf"^::: {re.escape(module.__name__)}\.(\w+)$", page, re.MULTILINE))
    assert documented == PUBLIC[module.__name__] - {"simulation"}


BLOCK_OF_CODE = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)


def programs() -> Iterator[tuple[str, str]]:
    """What is written against the library: the application, the benchmarks, and the code that pages show."""
    for folder in ("fileshare", "benchmarks"):
        for path in sorted((CHECKOUT / folder).rglob("*.py")):
            yield str(path.relative_to(CHECKOUT)), path.read_text(encoding="utf-8")
    for path in [CHECKOUT / "README.md", *sorted((CHECKOUT / "docs").rglob("*.md"))]:
        if "decisions" not in path.parts:
            for code in re.findall(
                r"^```python\n(.*?)^```", path.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
            ):
                yield str(path.relative_to(CHECKOUT)), code


def internals_in(source: str) -> list[str]:
    """The imports of what is not public."""
    try:
        tree = ast.parse(source)
    except SyntaxError:  # a page may show a shape that is no program
        return []
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] in PUBLIC:
            module = node.module or ""
            found += [f"{module}.{alias.name}" for alias in node.names if alias.name not in PUBLIC.get(module, ())]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names if alias.name.partition(".")[0] in PUBLIC]
            found += [name for name in names if name not in PUBLIC]
    return found


def test_programs_use_public_names_only() -> None:
    sources = list(programs())
    assert {"fileshare", "benchmarks", "docs", "README.md"} <= {name.partition("/")[0] for name, _ in sources}
    assert [f"{name}: {internal}" for name, source in sources for internal in internals_in(source)] == []


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("from bittorrent import Session", []),
        ("from bittorrent import Session, nothing", ["bittorrent.nothing"]),
        ("from bittorrent.aio.session import Session", ["bittorrent.aio.session.Session"]),
        ("import bittorrent, transfer.simulation", []),
        ("import transfer.address", ["transfer.address"]),
        ("from transfer.simulation import run", []),
        (
            "def f():\n    from transfer.simulation.loop import SimulationLoop",
            ["transfer.simulation.loop.SimulationLoop"],
        ),
        ("from fileshare.cli.main import main", []),
    ],
)
def test_an_internal_name_would_be_found(source: str, found: list[str]) -> None:
    assert internals_in(source) == found

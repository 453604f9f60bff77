"""The rules of docs/architecture.md that import-linter cannot express, read off the source itself."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

from tests.machine import CHECKOUT
from tests.wheel_tree import packages_of

PACKAGES = [Path(import_module(name).__path__[0]) for name in packages_of(CHECKOUT)]
SOURCES = sorted(path for package in PACKAGES for path in package.rglob("*.py"))
# fmt: off
FORBIDDEN_MODULES = frozenset({
    "aiohttp", "asyncio", "concurrent", "logging", "multiprocessing", "rich", "sched", "secrets", "select", "selectors",
    "signal", "socket", "ssl", "subprocess", "threading", "time", "typer", "uuid",
})
# fmt: on
FORBIDDEN_NAMES = {
    "os": frozenset({"urandom", "getrandom", "fork", "system", "popen"}),
    "datetime": frozenset({"now", "utcnow", "today"}),
}
MAX_LINES = 450
MANY_LINES = 300


def name_of(path: Path) -> str:
    return next(str(path.relative_to(package.parent)) for package in PACKAGES if path.is_relative_to(package))


def is_core(name: str) -> bool:
    parts = Path(name).parts
    return "aio" not in parts and parts[0] != "fileshare" and parts[:2] != ("transfer", "simulation")


CORES = [path for path in SOURCES if is_core(name_of(path))]


class Purity(ast.NodeVisitor):
    """Collects what a core must not do. Imports for type checkers only are no imports."""

    def __init__(self) -> None:
        self.found: list[str] = []
        self._modules: dict[str, str] = {}  # local name -> module that it stands for
        self._types: set[str] = set()  # local names of random.Random

    def visit_If(self, node: ast.If) -> None:
        if ast.unparse(node.test) not in ("TYPE_CHECKING", "typing.TYPE_CHECKING"):
            self.visit(node.test)
            self._visit_all(node.body)
        self._visit_all(node.orelse)

    def visit_Import(self, node: ast.Import) -> None:
        for alias in node.names:
            self._check_module(alias.name, node)
            self._modules[alias.asname or alias.name.partition(".")[0]] = alias.name.partition(".")[0]

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        module = node.module or ""
        self._check_module(module, node)
        for alias in node.names:
            if alias.name == "aio":
                self._add(f"imports {module}.aio", node)
            if module == "random" and alias.name == "Random":
                self._types.add(alias.asname or alias.name)
            elif module == "datetime":
                self._modules[alias.asname or alias.name] = "datetime"
            elif self._is_forbidden(module, alias.name):
                self._add(f"imports {module}.{alias.name}", node)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        root = node.value
        while isinstance(root, ast.Attribute):  # datetime.datetime.now
            root = root.value
        if isinstance(root, ast.Name):
            module = self._modules.get(root.id, "")
            if self._is_forbidden(module, node.attr):
                self._add(f"uses {module}.{node.attr}", node)
        self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> None:
        called = ast.unparse(node.func)
        if called.rpartition(".")[2] in ("import_module", "__import__") and node.args:
            module = node.args[0]
            if isinstance(module, ast.Constant):
                self._check_module(str(module.value), node)
        takes_seed_from_the_system = not node.args and not node.keywords
        if takes_seed_from_the_system and (called in self._types or self._is_random_type(node.func)):
            self._add("seeds a Random from the system", node)
        self.generic_visit(node)

    def _is_random_type(self, function: ast.expr) -> bool:
        return (
            isinstance(function, ast.Attribute)
            and function.attr == "Random"
            and isinstance(function.value, ast.Name)
            and self._modules.get(function.value.id) == "random"
        )

    def _is_forbidden(self, module: str, name: str) -> bool:
        if module == "random":
            return name != "Random"
        return name in FORBIDDEN_NAMES.get(module, ())

    def _check_module(self, module: str, node: ast.AST) -> None:
        parts = module.split(".")
        if parts[0] in FORBIDDEN_MODULES or "aio" in parts:
            self._add(f"imports {module}", node)

    def _visit_all(self, nodes: list[ast.stmt]) -> None:
        for node in nodes:
            self.visit(node)

    def _add(self, what: str, node: ast.AST) -> None:
        self.found.append(f"line {getattr(node, 'lineno', 0)} {what}")


def violations(source: str) -> list[str]:
    visitor = Purity()
    visitor.visit(ast.parse(source))
    return visitor.found


def loaded_by(statement: str) -> Iterator[str]:
    """The top-level modules that a fresh interpreter has after a statement."""
    program = f"{statement}\nimport sys\nprint(*sys.modules)"
    result = subprocess.run(
        [sys.executable, "-c", program], cwd=PACKAGES[0].parent, capture_output=True, text=True, check=True, timeout=60
    )
    return (module.partition(".")[0] for module in result.stdout.split())


@pytest.mark.parametrize("path", CORES, ids=name_of)
def test_cores_are_pure(path: Path) -> None:
    assert violations(path.read_text(encoding="utf-8")) == []


def calls_with_now(tree: ast.AST) -> Iterator[str]:
    """The functions whose `now` may be given without its name: one number among others is easily mistaken."""
    functions = (
        node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
    )
    for node in functions:
        if "now" in [argument.arg for argument in (*node.args.posonlyargs, *node.args.args)]:
            yield f"line {node.lineno}"


@pytest.mark.parametrize("path", CORES, ids=name_of)
def test_now_is_named_where_it_is_given(path: Path) -> None:
    assert list(calls_with_now(ast.parse(path.read_text(encoding="utf-8")))) == []


def test_a_nameless_now_would_be_found() -> None:
    source = "def f(x, now): ...\ndef g(x, *, now): ...\nasync def h(now, /): ...\nk = lambda now: now"
    assert list(calls_with_now(ast.parse(source))) == ["line 1", "line 3", "line 4"]


def test_the_cores_are_there_to_be_checked() -> None:
    names = set(map(name_of, CORES))
    assert {"bittorrent/peer/core.py", "kademlia_core/lookup.py", "transfer/wire/bencode.py"} <= names
    assert not any("/aio/" in name or name.startswith("fileshare") for name in names)


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("import asyncio", "line 1 imports asyncio"),
        ("x = 1\nimport time as clock", "line 2 imports time"),
        ("from time import monotonic", "line 1 imports time"),
        ("import concurrent.futures", "line 1 imports concurrent.futures"),
        ("from socket import AF_INET", "line 1 imports socket"),
        ("def f():\n    import threading", "line 2 imports threading"),
        ("try:\n    import logging\nexcept ImportError:\n    pass", "line 2 imports logging"),
        ("import secrets", "line 1 imports secrets"),
        ("import select", "line 1 imports select"),
        ("import subprocess", "line 1 imports subprocess"),
        ("import_module('asyncio')", "line 1 imports asyncio"),
        ("__import__('time')", "line 1 imports time"),
        ("from bittorrent.aio.storage.disk import Disk", "line 1 imports bittorrent.aio.storage.disk"),
        ("from bittorrent import aio", "line 1 imports bittorrent.aio"),
        ("import os\nkey = os.urandom(20)", "line 2 uses os.urandom"),
        ("import os as o\nkey = o.urandom(20)", "line 2 uses os.urandom"),
        ("from os import urandom", "line 1 imports os.urandom"),
        ("import random\nx = random.random()", "line 2 uses random.random"),
        ("import random as r\nr.shuffle([])", "line 2 uses random.shuffle"),
        ("import random\nx = random.SystemRandom()", "line 2 uses random.SystemRandom"),
        ("from random import SystemRandom", "line 1 imports random.SystemRandom"),
        ("from random import choice", "line 1 imports random.choice"),
        ("import random\nr = random.Random()", "line 2 seeds a Random from the system"),
        ("from random import Random\nr = Random()", "line 2 seeds a Random from the system"),
        ("import datetime\nx = datetime.datetime.now()", "line 2 uses datetime.now"),
        ("from datetime import datetime\nx = datetime.utcnow()", "line 2 uses datetime.utcnow"),
        ("if TYPE_CHECKING:\n    pass\nelse:\n    import time", "line 4 imports time"),
        ("if True:\n    import time", "line 2 imports time"),
    ],
)
def test_an_impure_core_would_be_found(source: str, found: str) -> None:
    assert found in violations(source)


@pytest.mark.parametrize(
    "source",
    [
        "import os\nos.open('x', 0)",
        "import random\ndef f(rng: random.Random) -> None: rng.shuffle([])",
        "from random import Random\ndef f(rng: Random) -> float: return rng.random()",
        "from random import Random\nr = Random(5)",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from kademlia_core import MainlineNode",
        "def f(time: float, select: int) -> float: return time.real + select.real",
        "import struct, hashlib, re",
        "from datetime import datetime\nx = datetime.fromtimestamp(5)",
        "from bittorrent.airport import timetable",
    ],
)
def test_a_pure_core_is_let_through(source: str) -> None:
    assert violations(source) == []


def test_files_stay_readable() -> None:
    lines = {name_of(path): len(path.read_text(encoding="utf-8").splitlines()) for path in SOURCES}
    for name, count in sorted(lines.items(), key=lambda item: -item[1]):
        if count > MANY_LINES:
            print(f"{count:4} {name}")
    assert {name: count for name, count in lines.items() if count > MAX_LINES} == {}


@pytest.mark.parametrize("statement", ["import transfer", "import kademlia_core", "import bittorrent"])
def test_importing_is_cheap(statement: str) -> None:
    """Neither the HTTP client nor the command line nor the event loop loads before it is needed."""
    loaded = set(loaded_by(statement))
    assert statement.split()[1] in loaded
    assert loaded & {"aiohttp", "typer", "rich", "click", "asyncio", "socket", "ssl", "cryptography"} == set()


def test_what_is_loaded_would_be_seen() -> None:
    assert "asyncio" in set(loaded_by("import kademlia_core\nkademlia_core.MainlineNode"))


@pytest.mark.parametrize("package", PACKAGES, ids=lambda path: path.name)
def test_types_are_shipped(package: Path) -> None:
    assert (package / "py.typed").is_file()

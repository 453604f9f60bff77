"""The service has no face: nothing in it prints, reads a terminal, or brings a command line with it."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import fileshare.service
from tests.unit.test_architecture import violations

FOLDER = Path(fileshare.service.__file__).parent
SOURCES = sorted(FOLDER.rglob("*.py"))
FACES = {"print", "input", "stdin", "stdout", "stderr", "argv", "isatty", "getpass"}
MODULES = {"typer", "rich", "click", "curses", "readline", "termios", "argparse", "getpass", "logging", "signal"}


def faces(source: str) -> list[str]:
    """Words and modules by which something could be said to people, or asked of them."""
    found = []
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Name(id=name) | ast.Attribute(attr=name) if name in FACES:
                found.append(name)
            case ast.Import(names=names):
                found += [alias.name for alias in names if alias.name.partition(".")[0] in MODULES]
            case ast.ImportFrom(module=str(module), names=names):
                found += [alias.name for alias in names if alias.name in FACES]
                found += [module] if module.partition(".")[0] in MODULES or module.startswith("fileshare.cli") else []
    return found


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_nothing_in_it_has_a_face(path: Path) -> None:
    assert faces(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("name", ["jobs", "slowness"])
def test_what_decides_is_pure(name: str) -> None:
    assert violations((FOLDER / f"{name}.py").read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("print('x')", "print"),
        ("import sys\nsys.stdout.write('x')", "stdout"),
        ("from sys import stderr", "stderr"),
        ("import rich.table", "rich.table"),
        ("from typer import Option", "typer"),
        ("from fileshare.cli.output import Output", "fileshare.cli.output"),
    ],
)
def test_a_face_would_be_found(source: str, found: str) -> None:
    assert found in faces(source)


def test_it_brings_neither_a_command_line_nor_the_http_client() -> None:
    program = "import fileshare.service, sys; fileshare.service.Service; print(*sys.modules)"
    result = subprocess.run(
        [sys.executable, "-c", program], cwd=FOLDER.parents[1], capture_output=True, text=True, check=True, timeout=60
    )
    loaded = {name.partition(".")[0] for name in result.stdout.split()}
    assert "fileshare" in loaded
    assert loaded & {"typer", "rich", "click", "aiohttp"} == set()

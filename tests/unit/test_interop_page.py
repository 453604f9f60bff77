"""docs/reference/interop.md: the tests that it names exist, and no cell of its matrix is empty."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "reference" / "interop.md"
NAME = re.compile(r"`(test_\w+\.py)::(test_\w+)`")


def named_tests() -> set[tuple[str, str]]:
    return set(NAME.findall(PAGE.read_text(encoding="utf-8")))


def functions_of(path: Path) -> set[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


def test_every_test_that_is_named_exists() -> None:
    named = named_tests()
    assert len(named) > 20
    existing = {file: functions_of(ROOT / "tests" / "interop" / file) for file, _ in named}
    assert [name for name in sorted(named) if name[1] not in existing[name[0]]] == []


def test_every_cell_says_what_shows_it_or_why_nothing_does() -> None:
    lines = PAGE.read_text(encoding="utf-8").splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith("| what |"))
    rows = [line.strip("|").split("|") for line in lines[start + 2 : lines.index("", start)]]
    assert len(rows) > 10
    for what, *cells in rows:
        assert len(cells) == 4, what
        for cell in cells:
            assert NAME.search(cell) or "cannot" in cell, what

"""docs/reference/robustness.md: the tests that it names exist."""

from __future__ import annotations

import re
from pathlib import Path

from tests.unit.test_interop_page import functions_of

ROOT = Path(__file__).parents[2]
NAME = re.compile(r"`([\w/]+/test_\w+\.py)::(test_\w+)`")


def test_every_row_names_tests_that_exist() -> None:
    lines = (ROOT / "docs" / "reference" / "robustness.md").read_text(encoding="utf-8").splitlines()
    rows = [line for line in lines if line.startswith("| ") and not line.startswith("| what |")]
    assert len(rows) > 15
    for row in rows:
        named = NAME.findall(row)
        assert named, row
        for file, function in named:
            assert function in functions_of(ROOT / "tests" / file), (file, function)

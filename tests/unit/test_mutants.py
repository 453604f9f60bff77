"""The faults that `python -m tests.mutation` puts into the product."""

from __future__ import annotations

import pytest

from tests.machine import CHECKOUT
from tests.mutation.__main__ import all_faults, equivalents
from tests.mutation.mutants import mutants_of


@pytest.mark.parametrize(
    ("source", "faults"),
    [
        ("x = a < b", ["x = (a <= b)"]),
        ("x = a < b != c", ["x = (a <= b != c)", "x = (a < b == c)"]),
        ("x = é + (b - 1)", ["x = (é - (b - 1))", "x = é + ((b + 1))", "x = é + (b - (2))"]),
        ("x = a and not b", ["x = (a or not b)", "x = a and (b)"]),
        ("f(True)", ["pass", "f((False))"]),
        ("x = min(a, b)", ["x = (max(a, b))"]),
        ("x += y", ["pass"]),
        ("while x:\n    break", ["while x:\n    pass"]),
        ("import a.b\nraise E(1 + 1)\nassert x == 1", []),
        ('"""Words."""\nx: int | str', []),
        ('x = "a" + b', []),
        ('x = f"{a + 1}"', []),
        ("class AConfig:\n    most: int = 5", []),
        ("def check_invariants():\n    f()", []),
        ("X: TypeAlias = int | str", []),
    ],
)
def test_faults_of_a_line(source: str, faults: list[str]) -> None:
    assert sorted(mutant.in_(source) for mutant in mutants_of(source)) == sorted(faults)


def test_a_fault_knows_its_statement() -> None:
    (fault,) = mutants_of("x = f(\n    a,\n    b < c,\n)")
    assert (fault.line, fault.statement) == (3, 1)


def test_what_is_excused_is_still_there() -> None:
    """A line of `equivalent.txt` whose code has changed is taken out."""
    files = {key.partition(" | ")[0] for key in equivalents()}
    keys = {fault.key for file in files for fault in all_faults(CHECKOUT, file)}
    assert [key for key in equivalents() if key not in keys] == []
    assert all(reason.strip() for reason in equivalents().values())


def test_faults_compile() -> None:
    (file,) = CHECKOUT.glob("transfer/limits/source_limiter.py")
    source = file.read_text(encoding="utf-8")
    assert len(mutants_of(source)) > 5
    for mutant in mutants_of(source):
        compile(mutant.in_(source), "mutant", "exec")

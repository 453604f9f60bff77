"""The faults that `python -m tests.mutation` puts into the product."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.machine import CHECKOUT
from tests.mutation.__main__ import all_faults, copied, drawn, equivalents
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


@pytest.mark.parametrize(
    ("source", "is_at_import"),
    [
        ("x = 1", True),
        ("class A:\n    x = 1", True),
        ("def f(x=1):\n    pass", True),
        ("def f():\n    return 1", False),
        ("async def f():\n    return 1", False),
        ("class A:\n    def f(self):\n        return 1", False),
        ("x = lambda: 1", False),
    ],
)
def test_a_fault_knows_whether_it_is_at_work_before_any_call(source: str, is_at_import: bool) -> None:
    (fault,) = mutants_of(source)
    assert fault.is_at_import is is_at_import


def test_a_run_goes_on_where_another_one_ended() -> None:
    known = all_faults(CHECKOUT, "kademlia_core/aio")
    whole = drawn(known, 9, seed=3)
    assert len(whole) == 9
    assert [*whole[:4], *drawn(known, 9, seed=3, first=5)] == whole
    assert drawn(known, 9, seed=4) != whole
    assert len(drawn(known, len(known) + 1, seed=1)) == len(known)


def test_a_copy_has_what_the_tests_read(tmp_path: Path) -> None:
    tree = copied(CHECKOUT, tmp_path / "tree")
    for name in ("README.md", "CONTRIBUTING.md", "LICENSE", "CHANGELOG.md", "pyproject.toml", "docs", "transfer"):
        assert tree.joinpath(name).exists()


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

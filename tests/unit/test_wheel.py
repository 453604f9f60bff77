"""Under tox the tests use the wheel, and the wheel is complete."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import pytest

from tests.machine import CHECKOUT
from tests.wheel_tree import lay_out, packages_of

ROOT = Path(__file__).parents[2]  # in tox the tests are copies, beside which no package lies
PACKAGES = packages_of(CHECKOUT)


def files_below(folder: Path) -> set[str]:
    files = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return {str(path) for path in files if "__pycache__" not in path.parts}


@pytest.mark.parametrize("name", PACKAGES)
def test_what_is_tested_is_what_was_installed(name: str) -> None:
    """And holds every file of the checkout: what is missing from the wheel is noticed."""
    found = Path(str(importlib.import_module(name).__file__)).parent
    if ROOT != CHECKOUT:
        assert found.is_relative_to(sys.prefix)
        assert not ROOT.joinpath(name).exists()
    assert files_below(found) == files_below(CHECKOUT / name)
    assert "py.typed" in files_below(found)


def test_every_package_of_the_checkout_is_in_the_wheel() -> None:
    with_init = {path.parent.name for path in CHECKOUT.glob("*/__init__.py")}
    assert with_init == set(PACKAGES)


def test_a_tree_has_everything_but_the_packages(tmp_path: Path) -> None:
    for _ in range(2):  # a second run finds what the first one left
        lay_out(CHECKOUT, tmp_path / "tree")
    names = {entry.name for entry in (tmp_path / "tree").iterdir()}
    assert {"tests", "docs", "benchmarks", "pyproject.toml", "README.md"} <= names
    assert not names & {*PACKAGES, ".git", ".tox"}

"""Lays out a checkout without its packages: what runs there uses the installed wheel, and misses what the wheel misses.

    python tests/wheel_tree.py CHECKOUT TREE

TREE is made anew, with a copy of what lies at the top of CHECKOUT and does not come with the wheel. (Links would
not do: pytest follows them, and is in the checkout again.)
"""

from __future__ import annotations

import shutil
import sys
import tomllib
from pathlib import Path


def packages_of(checkout: Path) -> list[str]:
    """The packages that the wheel brings, as `pyproject.toml` has them."""
    project = tomllib.loads(checkout.joinpath("pyproject.toml").read_text(encoding="utf-8"))
    packages: list[str] = project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    return packages


def lay_out(checkout: Path, tree: Path) -> None:
    """Makes `tree`, in place of what an earlier run left there."""
    shutil.rmtree(tree, ignore_errors=True)
    tree.mkdir(parents=True)
    left_out = {*packages_of(checkout), "dist", "build", "site"}
    for entry in checkout.iterdir():
        if entry.name in left_out or (entry.name.startswith(".") and entry.name != ".ci"):
            continue
        if entry.is_dir():
            shutil.copytree(entry, tree / entry.name, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(entry, tree / entry.name)


if __name__ == "__main__":
    lay_out(Path(sys.argv[1]).resolve(), Path(sys.argv[2]))

"""How the workers of one run share the tests, so that all end at the same time and no processor waits.

pytest-xdist gives each worker an equal number of tests, in order, and who has done its own takes half of what another
one has left. Tests that wait for programs begin, in equal parts: then workers wait for them at the same time, and what
is left for the end are the many short ones.
"""

from __future__ import annotations

import importlib
import os
import warnings
from collections.abc import Sequence
from contextlib import suppress
from itertools import groupby
from pathlib import Path

import pytest

# Folders of `tests`, the longest tests first; what is not named here comes last.
FIRST = ("interop", "simulation", "conformance", "third_party", "property", "fuzz")


def in_order(files: Sequence[str], workers: int) -> list[int]:
    """The places of tests in the order in which they run.

    Args:
        files: the file of each test, relative to `tests`. Tests of one file stay together.
        workers: how many share them.
    """
    places = sorted(range(len(files)), key=lambda place: rank(files[place]))
    early = [place for place in places if rank(files[place]) < len(FIRST)]
    late = places[len(early) :]
    shares: list[list[int]] = [[] for _ in range(workers)]
    for _, group in groupby(early, key=lambda place: files[place]):
        min(shares, key=len).extend(group)
    # As pytest-xdist cuts them: parts of equal length. Each begins with one share of what is to be early.
    ordered: list[int] = []
    for number, share in enumerate(shares):
        length = (len(files) - len(ordered)) // (workers - number)
        if len(share) < length:
            fill = length - len(share)
            share, late = share + late[:fill], late[fill:]
        ordered += share
    return ordered + late


def rank(file: str) -> int:
    folder = file.partition("/")[0]
    return FIRST.index(folder) if folder in FIRST else len(FIRST)


def order_items(items: list[pytest.Item], tests: Path) -> None:
    """Orders what this worker has collected below `tests`. All workers come to one order."""
    if (workers := worker_count()) > 1:
        files = [item.path.relative_to(tests).as_posix() for item in items]
        items[:] = [items[place] for place in in_order(files, workers)]


def load_share(arguments: Sequence[str], root: Path) -> None:
    """Loads this worker's share of the test files, before it collects all of them.

    Most of the time of a collection goes into the rewriting of assertions, the result of which lies in files that all
    workers read: so each begins with another part. What cannot be loaded here fails in the collection, and is told.
    """
    if (workers := worker_count()) == 1:
        return
    files = {file for one in arguments for file in test_files(root / one.partition("::")[0])}
    by_size = sorted(files, key=lambda file: (-file.stat().st_size, file))
    for file in by_size[int(os.environ["PYTEST_XDIST_WORKER"].removeprefix("gw")) :: workers]:
        with warnings.catch_warnings(), suppress(Exception, pytest.skip.Exception):
            warnings.simplefilter("error")
            importlib.import_module(".".join(file.relative_to(root).with_suffix("").parts))


def test_files(path: Path) -> list[Path]:
    return [path] if path.is_file() else list(path.rglob("test_*.py"))


def worker_count() -> int:
    return int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))

"""Which tests touch a line of a product file: measured by running them with coverage, one context for each test."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections import defaultdict
from collections.abc import Collection
from pathlib import Path

from tests.mutation.mutants import Mutant

TESTS = ("tests/unit", "tests/property", "tests/vectors", "tests/conformance", "tests/fuzz", "tests/simulation")


class Touching:
    """The tests of each line, narrow ones first: those that touch little say most about what they touch.

    Args:
        database: what `measure` found.
        left_out: tests that fail without any fault, and so say nothing.
    """

    def __init__(self, database: Path, *, left_out: Collection[str] = ()) -> None:
        from coverage import CoverageData  # the extra `mutation`

        data = CoverageData(str(database))
        data.read()
        self._tests: dict[str, dict[int, set[str]]] = {}
        self._widths: dict[str, int] = defaultdict(int)
        for file in data.measured_files():
            by_line = {
                line: {name.partition("|")[0] for name in names if "::" in name}.difference(left_out)
                for line, names in data.contexts_by_lineno(file).items()
            }
            self._tests[file] = by_line
            for names in by_line.values():
                for name in names:
                    self._widths[name] += 1

    def tests_of(self, file: str, mutant: Mutant) -> list[str]:
        """Ids of the tests that touch the line of a fault, or else the first one of its statement; those that touch the
        fewest lines first.

        What runs when a module is imported belongs to no test: then it is those that touch any line of the file.
        """
        by_line = self._tests.get(file, {})
        if mutant.is_at_import:
            found = set().union(*by_line.values())
        else:
            found = by_line.get(mutant.line) or by_line.get(mutant.statement) or set()
        return sorted(found, key=lambda name: (self._widths[name], name))


def measure(tree: Path, folder: Path) -> tuple[Path, list[str]]:
    """Runs the tests of `tree` unless `folder` has what an earlier run of the same files found.

    Returns:
        The database of coverage, and the tests that failed.
    """
    database = folder / f"coverage-{digest(tree)}"
    failed = database.with_suffix(".failed.json")
    if not failed.exists():
        folder.mkdir(parents=True, exist_ok=True)
        beside = folder / "coverage-now"
        tree.joinpath(".coveragerc").write_text("[run]\nrelative_files = true\n", encoding="utf-8")
        command = [sys.executable, "-m", "pytest", "-q", "-n", "auto", "--dist", "worksteal", *cached_in(tree)]
        command += ["--cov=transfer", "--cov=kademlia_core", "--cov=bittorrent", "--cov-context=test", "--cov-report="]
        environment = environment_of(tree) | {"COVERAGE_FILE": str(beside)}
        subprocess.run([*command, *TESTS], cwd=tree, env=environment, check=False)
        beside.rename(database)
        failed.write_text(json.dumps(last_failed(tree)), encoding="utf-8")
    return database, json.loads(failed.read_text(encoding="utf-8"))


def environment_of(tree: Path) -> dict[str, str]:
    """Processes that tests start import the product of this tree, too."""
    return {**os.environ, "PYTHONPATH": str(tree), "KAD_TESTS_CHECKOUT": str(tree)}


def cached_in(tree: Path) -> list[str]:
    """Options with which pytest notes what failed."""
    return ["-o", f"cache_dir={tree / '.pytest_cache'}"]


def last_failed(tree: Path) -> list[str]:
    """What failed in the last run there: tests, or files that could not be read."""
    path = tree / ".pytest_cache" / "v" / "cache" / "lastfailed"
    return list(json.loads(path.read_text(encoding="utf-8"))) if path.exists() else []


def digest(tree: Path) -> str:
    """Of everything that decides which tests touch what."""
    state = hashlib.sha256()
    for path in sorted(tree.rglob("*.py")):
        state.update(str(path.relative_to(tree)).encode() + b"\0" + path.read_bytes())
    return state.hexdigest()[:16]

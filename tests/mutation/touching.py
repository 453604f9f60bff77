"""Which tests touch a line of a product file: measured by running them with coverage, one context for each test."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

from coverage import CoverageData

TESTS = ("tests/unit", "tests/property", "tests/vectors", "tests/conformance")


class Touching:
    """The tests of each line, narrow ones first: those that touch little say most about what they touch."""

    def __init__(self, database: Path) -> None:
        data = CoverageData(str(database))
        data.read()
        self._tests: dict[str, dict[int, list[str]]] = {}
        widths: dict[str, int] = defaultdict(int)
        for file in data.measured_files():
            by_line = {
                line: [name.partition("|")[0] for name in names if "::" in name]
                for line, names in data.contexts_by_lineno(file).items()
            }
            self._tests[file] = by_line
            for names in by_line.values():
                for name in names:
                    widths[name] += 1
        self._widths = widths

    def tests_of(self, file: str, line: int) -> list[str]:
        """Ids of tests, each once, those that touch the fewest lines first."""
        return sorted(set(self._tests.get(file, {}).get(line, ())), key=lambda name: (self._widths[name], name))


def measure(tree: Path, folder: Path) -> Path:
    """Runs the tests of `tree` unless `folder` has what an earlier run of the same files found.

    Raises:
        RuntimeError: a test fails without any mutation.
    """
    database = folder / f"coverage-{digest(tree)}"
    if database.exists():
        return database
    folder.mkdir(parents=True, exist_ok=True)
    beside = folder / "coverage-now"
    tree.joinpath(".coveragerc").write_text("[run]\nrelative_files = true\n", encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-q", "-n", "auto", "--dist", "worksteal", "-p", "no:cacheprovider"]
    command += ["--cov=transfer", "--cov=kademlia_core", "--cov=bittorrent", "--cov-context=test", "--cov-report="]
    done = subprocess.run([*command, *TESTS], cwd=tree, env={**os.environ, "COVERAGE_FILE": str(beside)}, check=False)
    if done.returncode:
        raise RuntimeError("the tests do not pass as they are; mend them first")
    return beside.rename(database)


def digest(tree: Path) -> str:
    """Of everything that decides which tests touch what."""
    state = hashlib.sha256()
    for path in sorted(tree.rglob("*.py")):
        state.update(str(path.relative_to(tree)).encode() + b"\0" + path.read_bytes())
    return state.hexdigest()[:16]

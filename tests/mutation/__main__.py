"""Puts small faults into the product, one at a time, and counts those that no test notices.

    python -m tests.mutation [--mutants 200] [--seed 1] [--under kademlia_core/node] [--file bittorrent/choker.py:120]

Each fault runs the tests that touch its line, narrow ones first, until one fails. What survives is printed with its
place, and belongs to one of two: a test that is missing, or `equivalent.txt`, with the reason why nobody can notice.
Run it with `tox -e mutation`.
"""

from __future__ import annotations

import argparse
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue

from tests.machine import CHECKOUT
from tests.mutation.mutants import Mutant, mutants_of
from tests.mutation.touching import Touching, measure
from tests.wheel_tree import packages_of

EQUIVALENT = Path(__file__).with_name("equivalent.txt")
FIRST_TESTS, MOST_TESTS = 40, 400
TIME_LIMIT_S = 300.0  # a fault that lets tests wait for ever is noticed
GOAL = 0.95


@dataclass(frozen=True, slots=True)
class Fault:
    """A mutant of a file, and how it ended: `killed`, `survived`, or `untouched` by any test."""

    file: str
    mutant: Mutant
    line_text: str
    fate: str = ""

    @property
    def key(self) -> str:
        return f"{self.file} | {self.mutant.what} | {self.line_text}"


def equivalents() -> dict[str, str]:
    """Faults that nobody can notice, with the reason: `FILE | WHAT | TEXT OF THE LINE | REASON` a line."""
    lines = EQUIVALENT.read_text(encoding="utf-8").splitlines()
    parted = (line.rpartition(" | ") for line in lines if line.strip() and not line.startswith("#"))
    return {key: reason for key, _, reason in parted}


def all_faults(checkout: Path, under: str) -> list[Fault]:
    """Every fault of every core and shell below `under`, except in the application."""
    found = []
    for package in packages_of(checkout):
        if package == "fileshare":
            continue  # its tests are processes, which coverage does not follow
        for path in sorted(checkout.joinpath(package).rglob("*.py")):
            file = str(path.relative_to(checkout))
            if file.startswith(under):
                source = path.read_text(encoding="utf-8")
                lines = source.splitlines()
                found += [Fault(file, mutant, lines[mutant.line - 1].strip()) for mutant in mutants_of(source)]
    return found


@contextmanager
def trees(checkout: Path, count: int) -> Iterator[SimpleQueue[Path]]:
    """Copies of the checkout, one for each fault that is tried at the same time."""
    with tempfile.TemporaryDirectory(prefix="mutation-") as folder:
        free: SimpleQueue[Path] = SimpleQueue()
        for number in range(count):
            free.put(copied(checkout, Path(folder, str(number))))
        yield free


def copied(checkout: Path, tree: Path) -> Path:
    names = [*packages_of(checkout), "tests", "docs", "benchmarks"]
    for name in names:
        shutil.copytree(checkout / name, tree / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "tox.ini", "CHANGELOG.md"):
        shutil.copy2(checkout / name, tree / name)
    return tree


def tried(fault: Fault, tests: list[str], free: SimpleQueue[Path]) -> Fault:
    """Runs the tests against the fault."""
    if not tests:
        return Fault(fault.file, fault.mutant, fault.line_text, "untouched")
    tree = free.get()
    path = tree / fault.file
    original = path.read_text(encoding="utf-8")
    try:
        path.write_text(fault.mutant.in_(original), encoding="utf-8")
        for part in (tests[:FIRST_TESTS], tests[FIRST_TESTS:MOST_TESTS]):
            if part and not passes(tree, part):
                return Fault(fault.file, fault.mutant, fault.line_text, "killed")
        return Fault(fault.file, fault.mutant, fault.line_text, "survived")
    finally:
        path.write_text(original, encoding="utf-8")
        free.put(tree)


def passes(tree: Path, tests: list[str]) -> bool:
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", "-p", "no:cov"]
    try:
        done = subprocess.run(
            [*command, "--timeout", "60", *tests], cwd=tree, capture_output=True, timeout=TIME_LIMIT_S, check=False
        )
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.mutation", description=__doc__.partition("\n")[0])
    parser.add_argument("--mutants", type=int, default=200, help="drawn from all that are known")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--under", default="", help="only files whose path begins with this")
    parser.add_argument("--lines", nargs="*", metavar="FILE:LINE", help="all faults of these lines instead")
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args()
    known = all_faults(CHECKOUT, options.under)
    if options.lines:
        chosen = [fault for fault in known if f"{fault.file}:{fault.mutant.line}" in options.lines]
    else:
        chosen = random.Random(options.seed).sample(known, min(options.mutants, len(known)))
    excused = equivalents()
    with trees(CHECKOUT, options.jobs) as free, ThreadPoolExecutor(options.jobs) as pool:
        tree = free.get()
        touching = Touching(measure(tree, CHECKOUT / ".tox" / "mutation-coverage"))
        free.put(tree)
        waiting = [
            pool.submit(tried, fault, touching.tests_of(fault.file, fault.mutant.line), free)
            for fault in chosen
            if fault.key not in excused
        ]
        ended = []
        for number, one in enumerate(waiting, 1):
            fault = one.result()
            ended.append(fault)
            if fault.fate != "killed":
                place = f"{fault.file}:{fault.mutant.line}"
                print(
                    f"{number}/{len(waiting)} {fault.fate}: {place}: {fault.mutant.what}: {fault.line_text}", flush=True
                )
    killed = sum(fault.fate == "killed" for fault in ended)
    rate = killed / max(1, len(ended))
    excused_count = len(chosen) - len(ended)
    print(f"{killed} of {len(ended)} killed, {rate:.1%} (goal {GOAL:.0%}); {excused_count} cannot be noticed")
    return 0 if rate >= GOAL else 1


if __name__ == "__main__":
    sys.exit(main())

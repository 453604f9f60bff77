"""Puts small faults into the product, one at a time, and counts those that no test notices.

    python -m tests.mutation [--mutants 200] [--seed 1] [--first 132] [--under kademlia_core] [--lines FILE:LINE …]

Each fault runs the tests that touch its line, narrow ones first, until one fails that passes without the fault. What
survives is printed with its place, and belongs to one of two: a test that is missing, or `equivalent.txt`, with the
reason why nobody can notice. Run it with `tox -e mutation`.
"""

from __future__ import annotations

import argparse
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from queue import SimpleQueue

from tests.machine import CHECKOUT
from tests.mutation.mutants import Mutant, mutants_of
from tests.mutation.touching import Touching, cached_in, environment_of, last_failed, measure
from tests.wheel_tree import packages_of

EQUIVALENT = Path(__file__).with_name("equivalent.txt")
FIRST_TESTS, MAX_TESTS = 40, 400
TEST_LIMIT_S = 60  # a fault that lets one test wait for ever is noticed
TIME_LIMIT_S = 1200.0  # for many tests, none of which waits so long: then nothing is known of the fault
GOAL = 0.95


@dataclass(frozen=True, slots=True)
class Fault:
    """A mutant of a file, and how it ended: `killed`, `survived`, `untouched` by any test, or `slow`."""

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


def drawn(known: Sequence[Fault], count: int, *, seed: int, first: int = 1) -> list[Fault]:
    """`count` of these, or all, in random order, from the `first` on: a run that was ended goes on there."""
    return random.Random(seed).sample(known, min(count, len(known)))[first - 1 :]


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
    for name in ("pyproject.toml", "README.md", "tox.ini", "CHANGELOG.md", "CONTRIBUTING.md", "LICENSE"):
        shutil.copy2(checkout / name, tree / name)
    return tree


def tried(fault: Fault, tests: list[str], free: SimpleQueue[Path]) -> Fault:
    """Runs the tests against the fault."""
    if not tests:
        return replace(fault, fate="untouched")
    tree = free.get()
    path = tree / fault.file
    original = path.read_text(encoding="utf-8")
    try:
        for part in (tests[:FIRST_TESTS], tests[FIRST_TESTS:MAX_TESTS]):
            while part:
                path.write_text(fault.mutant.in_(original), encoding="utf-8")
                failed = failing(tree, part)
                if failed is None:
                    break
                path.write_text(original, encoding="utf-8")
                if failing(tree, failed) is None:
                    return replace(fault, fate="killed")
                part = [test for test in part if test not in failed]  # it fails by itself now and then
        return replace(fault, fate="survived")
    except subprocess.TimeoutExpired:
        return replace(fault, fate="slow")
    finally:
        path.write_text(original, encoding="utf-8")
        free.put(tree)


def failing(tree: Path, tests: list[str]) -> list[str] | None:
    """The first test that fails, or all if pytest itself ends before any; None when all pass."""
    shutil.rmtree(tree / ".pytest_cache", ignore_errors=True)
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:xdist", "-p", "no:pytest_cov", *cached_in(tree)]
    done = subprocess.run(
        [*command, "--timeout", str(TEST_LIMIT_S), *tests],
        cwd=tree,
        env=environment_of(tree),
        capture_output=True,
        timeout=TIME_LIMIT_S,
        check=False,
    )
    if done.returncode == 0:
        return None
    failed = [test for test in last_failed(tree) if test in tests]
    return failed or tests


def touching_of(database: Path | None, free: SimpleQueue[Path]) -> Touching:
    """Which tests touch what: as measured before, or now."""
    if database is not None:
        return Touching(database)
    tree = free.get()
    database, failed = measure(tree, CHECKOUT / ".tox" / "mutation-coverage")
    free.put(tree)
    for test in failed:
        print(f"left out, since it fails without any fault: {test}", flush=True)
    return Touching(database, left_out=failed)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.mutation", description=__doc__.partition("\n")[0])
    parser.add_argument("--mutants", type=int, default=200, help="drawn from all that are known")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--first", type=int, default=1, metavar="N", help="begin with this one of those that are drawn")
    parser.add_argument("--under", default="", help="only files whose path begins with this")
    parser.add_argument("--lines", nargs="*", metavar="FILE:LINE", help="all faults of these lines instead")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--coverage", type=Path, help="a database measured before, of which the product's lines hold")
    options = parser.parse_args()
    known = all_faults(CHECKOUT, options.under)
    if options.lines:
        chosen = [fault for fault in known if f"{fault.file}:{fault.mutant.line}" in options.lines]
    else:
        chosen = drawn(known, options.mutants, seed=options.seed, first=options.first)
    excused = equivalents()
    with trees(CHECKOUT, options.jobs) as free, ThreadPoolExecutor(options.jobs) as pool:
        touching = touching_of(options.coverage, free)
        waiting = [
            pool.submit(tried, fault, touching.tests_of(fault.file, fault.mutant), free)
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

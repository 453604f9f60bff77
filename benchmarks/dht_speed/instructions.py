"""What a DHT node's work costs in instructions, which no other load on the machine changes; of two trees, the ratio.

    python -m benchmarks.dht_speed.instructions [--before TREE] [CASE...]

Needs valgrind. Equal seeds and a clock of its own make all runs do the same work, which is checked: without that, two
trees could not be compared to a percent. What the kernel does is not counted.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent


@dataclass(frozen=True, slots=True, kw_only=True)
class Count:
    """One kind of work: instructions for each time that it was done, and the datagrams of all times together."""

    case: str
    name: str
    instructions: float
    datagrams: int


def measure(cases: list[str], trees: list[Path], *, nodes: int, lookups: int) -> list[list[Count]]:
    """Counts for each tree. Those of one case run side by side, each on a loopback address of its own."""
    found: list[list[Count]] = [[] for _ in trees]
    for case in cases:
        with tempfile.TemporaryDirectory() as folder:
            # One answer costs a hundredth of a lookup.
            size = [str(nodes), str(lookups * 16 if case == "answering" else lookups)]
            runs = [
                _started(tree, Path(folder) / str(at), [case, *size, f"127.0.{at + 1}.1", str(FIRST_PORT)])
                for at, tree in enumerate(trees)
            ]
            for at, run in enumerate(runs):
                output, _ = run.communicate()
                if run.returncode:
                    raise SystemExit(f"{trees[at]}: {case} ended with {run.returncode}")
                found[at] += counts(case, json.loads(output), totals(Path(folder) / str(at)))
    return found


def _started(tree: Path, folder: Path, arguments: list[str]) -> subprocess.Popen[str]:
    folder.mkdir()
    tool = ["valgrind", "-q", "--tool=callgrind", "--dump-before=getpriority", f"--callgrind-out-file={folder / 'out'}"]
    return subprocess.Popen(
        [*tool, sys.executable, "-P", str(HERE / "counted.py"), *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(tree.resolve()), "PYTHONHASHSEED": "0"},
        stdout=subprocess.PIPE,
        text=True,
    )


def totals(folder: Path) -> dict[int, int]:
    """What was counted up to each dump, since the one before."""
    found: dict[int, int] = {}
    for path in folder.glob("out.*"):
        text = path.read_text(encoding="utf-8", errors="replace")
        part, total = (re.search(rf"^{name}: (\d+)$", text, re.MULTILINE) for name in ("part", "(?:totals|summary)"))
        if part is not None and total is not None:
            found[int(part[1])] = int(total[1])
    return found


def counts(case: str, stretches: list[dict[str, object]], found: dict[int, int]) -> list[Count]:
    """Every second dump ends a stretch of work; those in between end what lies between two."""
    return [
        Count(
            case=case,
            name=str(stretch["name"]),
            instructions=found[2 * at + 2] / int(str(stretch["units"])),
            datagrams=int(str(stretch["datagrams"])),
        )
        for at, stretch in enumerate(stretches)
    ]


def lines(found: list[list[Count]]) -> list[str]:
    """A table for people: of two trees, the older one first."""
    table = [f"{'thousand instructions each':<30} {'before':>9} {'now':>9} {'ratio':>6}  datagrams"]
    for before, now in zip(found[0], found[-1], strict=True):
        is_same = before.datagrams == now.datagrams
        table.append(
            f"{now.case + ': ' + now.name:<30} {before.instructions / 1e3:>9,.0f} {now.instructions / 1e3:>9,.0f}"
            f" {now.instructions / before.instructions:>6.3f}"
            f"  {now.datagrams if is_same else f'{before.datagrams} and {now.datagrams}: not the same work'}"
        )
    return table


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.dht_speed.instructions",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("cases", nargs="*", metavar="CASE", help=f"of {', '.join(CASES)}; without any, all")
    parser.add_argument("--before", type=Path, help="a checkout to compare this one with")
    parser.add_argument("--nodes", type=int, default=40, help="of the network, all in one process")
    parser.add_argument("--lookups", type=int, default=40, help="of each kind")
    options = parser.parse_args()
    if unknown := [name for name in options.cases if name not in CASES]:
        parser.error(f"no such case: {', '.join(unknown)}")
    here = HERE.parents[1]
    trees = [options.before or here, here][options.before is None :]
    found = measure(options.cases or list(CASES), trees, nodes=options.nodes, lookups=options.lookups)
    print("\n".join(lines(found)))


CASES = ("mainline", "keyvalue", "answering")
FIRST_PORT = 21000


if __name__ == "__main__":
    main()

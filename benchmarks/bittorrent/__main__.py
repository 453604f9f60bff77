"""Command line: `python -m benchmarks.bittorrent [CASE…]`."""

from __future__ import annotations

import argparse
import asyncio
import json
import tempfile
from pathlib import Path

from benchmarks.bittorrent.cases import CASES as TRANSFERS
from benchmarks.bittorrent.cases import Plan
from benchmarks.bittorrent.encrypted import encrypted, first_mib
from benchmarks.bittorrent.report import lines, summarise


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bittorrent", description=__doc__)
    parser.add_argument("cases", nargs="*", metavar="CASE", help=f"of {', '.join(CASES)}; without any, all")
    parser.add_argument(
        "--mib", type=int, help="size; by default 1024, 64 in the swarm, where it moves 20 times, and 1 in first-mib"
    )
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="64 MiB, once: to see that everything works")
    parser.add_argument("--uvloop", action="store_true", help="ours on uvloop")
    parser.add_argument("--without-aria2", action="store_true")
    parser.add_argument("--folder", type=Path, help="where the files go; by default the system's temporary folder")
    parser.add_argument("--json", type=Path, help="where the results go as well, one object a line")
    options = parser.parse_args()
    if unknown := [name for name in options.cases if name not in CASES]:
        parser.error(f"no such case: {', '.join(unknown)}")
    for name in options.cases or CASES:
        mib = options.mib or SIZES.get(name, 64 if options.quick else 1024)
        with tempfile.TemporaryDirectory(dir=options.folder) as folder:
            plan = Plan(
                folder=Path(folder),
                mib=mib if not options.quick or name != "swarm" else 8,
                runs=1 if options.quick else options.runs,
                uvloop=options.uvloop,
                with_aria2=not options.without_aria2,
            )
            summary = summarise(name, plan.mib, asyncio.run(CASES[name](plan)))
        print("\n".join(lines(summary)), flush=True)
        if options.json is not None:
            with options.json.open("a") as file:
                file.write(json.dumps(summary) + "\n")


CASES = {**TRANSFERS, "encrypted": encrypted, "first-mib": first_mib}
SIZES = {"swarm": 64, "first-mib": 1}

if __name__ == "__main__":
    main()

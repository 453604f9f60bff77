"""What a transparent layer between a torrent and TCP costs a download: CPU with one and with two, beside none.

Run with `python -m benchmarks.layers [--mib 512] [--runs 9]`. One libtorrent seeder feeds all; whoever downloads is a
process of its own, and all take turns. The goal: a layer that changes nothing costs at most 5 % more CPU.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
from pathlib import Path
from statistics import median

from benchmarks.bittorrent.cases import PIECE_LENGTH, Plan, fetch, in_turn
from benchmarks.bittorrent.content import make_content
from benchmarks.bittorrent.programs import Libtorrent, Used

GOAL = 1.05


async def measure(plan: Plan) -> dict[str, list[Used]]:
    metainfo = make_content(plan.source, plan.mib, PIECE_LENGTH)
    async with Libtorrent() as seed:
        await seed.add(metainfo, plan.source, seed=True)

        async def download(layers: int, target: Path) -> Used:
            return await fetch(plan.ours(layers=layers), [seed], metainfo, target)

        return await in_turn(
            plan,
            {
                "none": lambda target: download(0, target),
                "one": lambda target: download(1, target),
                "two": lambda target: download(2, target),
            },
        )


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.layers", description=__doc__)
    parser.add_argument("--mib", type=int, default=512)
    parser.add_argument("--runs", type=int, default=9)
    parser.add_argument("--uvloop", action="store_true")
    parser.add_argument("--folder", type=Path, help="where the files go; by default the system's temporary folder")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        plan = Plan(folder=Path(folder), mib=options.mib, runs=options.runs, uvloop=options.uvloop, with_aria2=False)
        results = asyncio.run(measure(plan))
    print(f"{options.mib} MiB, {options.runs} runs, median\nlayers   wall s   CPU s   CPU / none, run by run")
    for name, samples in results.items():
        pairs = [used.cpu_s / bare.cpu_s for used, bare in zip(samples, results["none"], strict=True)]
        wall_s, cpu_s = median(used.wall_s for used in samples), median(used.cpu_s for used in samples)
        verdict = "" if name != "one" else f"  goal {GOAL}  {'met' if median(pairs) <= GOAL else 'MISSED'}"
        print(f"{name:6} {wall_s:8.2f} {cpu_s:7.2f} {median(pairs):12.3f}{verdict}")


if __name__ == "__main__":
    main()

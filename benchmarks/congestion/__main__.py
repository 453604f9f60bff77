"""Command line: `python -m benchmarks.congestion [CASE…] [--quick] [--json FILE] [--pictures DIR]`.

Everything runs in virtual time, so figures are the same on every machine. A full run takes two cores half an hour.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import asdict
from pathlib import Path

from benchmarks.congestion import (
    bufferbloat,
    coexistence,
    convergence,
    delay_based,
    node,
    picoquic,
    random_loss,
    weaknesses,
)
from benchmarks.congestion.table import as_text, missed
from benchmarks.congestion.trials import Outcome, as_json, run_all
from fileshare.charts.svg import render

CASES = {
    "loss": random_loss,
    "bufferbloat": bufferbloat,
    "picoquic": picoquic,
    "coexistence": coexistence,
    "weaknesses": weaknesses,
    "ledbat": delay_based,
    "convergence": convergence,
    "node": node,
}


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.congestion",
        description=__doc__,
        epilog="Example: python -m benchmarks congestion loss ledbat --pictures docs/pictures",
    )
    parser.add_argument("cases", nargs="*", metavar="CASE", help=f"of {', '.join(CASES)}; without any, all")
    parser.add_argument(
        "--quick", action="store_true", help="a few short runs, to see that all work: their figures say little"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="each row and experiment goes there, too")
    parser.add_argument("--pictures", type=Path, metavar="DIR", help="where the pictures go")
    parser.add_argument("--processes", type=int, metavar="N", help="at once; by default one for each core")
    options = parser.parse_args()
    if unknown := [name for name in options.cases if name not in CASES]:
        parser.error(f"no such case: {', '.join(unknown)}; there are {', '.join(CASES)}")
    names = options.cases or list(CASES)
    trials = [trial for name in names for trial in CASES[name].trials(options.quick)]
    began = time.monotonic()
    outcomes: dict[str, Outcome] = {}
    for outcome in run_all(trials, options.processes):
        outcomes[outcome.name] = outcome
        print(
            f"{len(outcomes)} of {len(trials)}, {_since(began)}: {outcome.name}, {outcome.took_s:.1f} s",
            file=sys.stderr,
        )
        if options.json is not None:
            with options.json.open("a", encoding="utf-8") as file:
                file.write(as_json(outcome) + "\n")
    rows = [one for name in names for one in CASES[name].rows(outcomes)]
    print(as_text(rows))
    goals = [one for one in rows if one.passed is not None]
    print(f"\n{len(goals)} goals, {len(missed(rows))} missed; {len(trials)} experiments, {_since(began)}")
    if options.quick:
        print("quick: these runs are too short for the published figures")
    if options.json is not None:
        with options.json.open("a", encoding="utf-8") as file:
            file.writelines(json.dumps(asdict(one)) + "\n" for one in rows)
    if options.pictures is not None:
        for name in names:
            for title, chart in CASES[name].charts(outcomes).items():
                (options.pictures / f"{title}.svg").write_text(render(chart), encoding="utf-8")
    return 0


def _since(began: float) -> str:
    return f"{time.monotonic() - began:.0f} s"


if __name__ == "__main__":
    sys.exit(main())

"""Command line: `python -m benchmarks.dht_speed answering`."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path

from benchmarks.dht_speed import answering


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.dht_speed", description=__doc__)
    parser.add_argument("case", choices=("answering",))
    parser.add_argument("--programs", nargs="+", choices=answering.PROGRAMS, default=answering.PROGRAMS)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0, help="of each flood")
    parser.add_argument("--members", type=int, default=600, help="of the crowd that fills the tables")
    parser.add_argument("--json", type=Path, help="where each measurement goes as well, one object a line")
    options = parser.parse_args()
    rates = []
    for rate in answering.measure(
        options.programs, runs=options.runs, seconds=options.seconds, members=options.members
    ):
        rates.append(rate)
        if options.json is not None:
            with options.json.open("a") as file:
                file.write(json.dumps(asdict(rate)) + "\n")
    print("\n".join(answering.lines(rates)))


if __name__ == "__main__":
    main()

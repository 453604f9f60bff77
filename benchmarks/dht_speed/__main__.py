"""Command line: `python -m benchmarks.dht_speed [answering] [network]`."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.dht_speed import answering

CASES = ("answering", "network")
NETWORKS = ("mainline", "keyvalue", "package")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.dht_speed", description=__doc__)
    parser.add_argument("cases", nargs="*", metavar="CASE", help=f"of {', '.join(CASES)}; without any, all")
    parser.add_argument("--programs", nargs="+", choices=answering.PROGRAMS, default=answering.PROGRAMS)
    parser.add_argument("--runs", type=int, default=5, help="answering: floods of each kind")
    parser.add_argument("--seconds", type=float, default=2.0, help="answering: of each flood")
    parser.add_argument("--members", type=int, default=600, help="answering: of the crowd that fills the tables")
    parser.add_argument("--nodes", type=int, default=150, help="network: how many, all in one process")
    parser.add_argument("--lookups", type=int, default=100, help="network: of each kind")
    parser.add_argument("--json", type=Path, help="where each measurement goes as well, one object a line")
    options = parser.parse_args()
    if unknown := [name for name in options.cases if name not in CASES]:
        parser.error(f"no such case: {', '.join(unknown)}")
    rows: list[dict[str, Any]] = []
    if "answering" in (options.cases or CASES):
        rates = list(
            answering.measure(options.programs, runs=options.runs, seconds=options.seconds, members=options.members)
        )
        print("\n".join(answering.lines(rates)))
        rows += map(asdict, rates)
    if "network" in (options.cases or CASES):
        rows += (found := [measure_network(name, options.nodes, options.lookups) for name in NETWORKS])
        print("\n".join(network_lines(found, options.nodes)))
    if options.json is not None:
        with options.json.open("a") as file:
            file.writelines(json.dumps(row) + "\n" for row in rows)


def measure_network(program: str, nodes: int, lookups: int) -> dict[str, Any]:
    """One network in a process of its own, so that CPU time and memory are its own."""
    command = [sys.executable, "-m", "benchmarks.dht_speed.network", program, str(nodes), str(lookups)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    row: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return row


def network_lines(rows: list[dict[str, Any]], nodes: int) -> list[str]:
    """A table: milliseconds of CPU for each thing that a node does, and what was found."""
    lines = [f"{nodes} nodes in one process, ms of CPU each; `package` is bmuller's kademlia", ""]
    for row in rows:
        figures = (
            f"{name} {value:.2f}" for name, value in row.items() if name != "program" and isinstance(value, int | float)
        )
        lines.append(f"{row['program']:>9}: {', '.join(figures)}")
    return lines


if __name__ == "__main__":
    main()

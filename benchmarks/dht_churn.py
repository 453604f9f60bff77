"""A DHT under churn, in virtual time: how often lookups succeed, how long they take, what upkeep costs.

Run with `python -m benchmarks.dht_churn [PROFILE…]`. Whole `MainlineNode`s on simulated datagrams; nodes vanish without
a word after sessions as measured in the wild, and as many come. Each line is a run in a process of its own.

Profiles: Stutzbach and Rejaie, "Understanding Churn in Peer-to-Peer Networks", IMC 2006 (BitTorrent peers of three
torrents); Trautwein et al., "Design and Evaluation of IPFS", SIGCOMM 2022 (87.6 % of sessions below 8 h, 2.5 % above
24 h, which a Weibull distribution of shape 0.52 and scale 116 min meets).
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from dataclasses import asdict
from functools import partial
from statistics import quantiles
from typing import Any

from kademlia_core import LookupConfig, MainlineConfig
from tests.simulation.churning_network import ChurningNetwork, Figures
from transfer.simulation import (
    SESSIONS_DEBIAN,
    SESSIONS_FLATOUT,
    SESSIONS_RED_HAT,
    Link,
    LogNormalLatency,
    Simulation,
    Weibull,
    run,
)

PROFILES = {
    "red-hat": SESSIONS_RED_HAT,
    "debian": SESSIONS_DEBIAN,
    "flatout": SESSIONS_FLATOUT,
    "ipfs": Weibull(0.5185, 116 * 60.0),
}
LINK = Link(delay_s=LogNormalLatency(median_s=0.05, sigma=0.6), loss=0.01)  # round trips of 100 ms in the median


async def scenario(
    simulation: Simulation,
    *,
    nodes: int,
    sessions: Weibull,
    aggressive: bool,
    warm_s: float,
    busy_s: float,
    announce_interval_s: float = 900.0,
) -> Figures:
    """Half as long as the warm-up is measured without lookups, and then `busy_s` with them.

    Keys are announced every `announce_interval_s`, as clients do every 15 minutes.
    """
    config = MainlineConfig(lookup=LookupConfig(aggressive=aggressive))
    network = ChurningNetwork(simulation, size=nodes, sessions=sessions, config=config)
    await network.open()
    await network.churn(warm_s)
    await network.measure_quiet(warm_s / 2)
    await network.measure_busy(busy_s, keys=nodes // 4, lookups_per_s=1.0, announce_interval_s=announce_interval_s)
    await network.aclose()
    return network.figures


def measure(profile: str, options: argparse.Namespace) -> dict[str, Any]:
    """One profile in this process."""
    started, started_cpu = time.perf_counter(), time.process_time()
    work = partial(
        scenario,
        nodes=options.nodes,
        sessions=PROFILES[profile],
        aggressive=options.aggressive,
        warm_s=60 * options.minutes,
        busy_s=60 * options.minutes,
    )
    report = run(work, seed=options.seed, link=LINK)
    figures = asdict(report.result)
    row = {"profile": profile, "nodes": options.nodes, "virtual_s": report.virtual_s, "digest": report.digest}
    for name in ("first_peer_s", "node_lookup_s"):
        row[name] = dict(zip(("p50", "p90", "p99"), percentiles(figures.pop(name)), strict=True))
    return {**row, **figures, "wall_s": time.perf_counter() - started, "cpu_s": time.process_time() - started_cpu}


def percentiles(values: list[float]) -> tuple[float, float, float]:
    """The 50th, 90th and 99th."""
    cuts = quantiles(values, n=100, method="inclusive")
    return cuts[49], cuts[89], cuts[98]


def line(row: dict[str, Any]) -> str:
    """A row of the table."""
    first, whole = row["first_peer_s"], row["node_lookup_s"]
    columns = [
        row["profile"],
        row["nodes"],
        row["sessions_ended"],
        f"{row['found']}/{row['lookups']} ({row['found'] / row['lookups']:.2%})",
        " / ".join(f"{first[name]:.2f}" for name in ("p50", "p90", "p99")),
        f"{row['found_closest']}/{row['node_lookups']} ({row['found_closest'] / row['node_lookups']:.2%})",
        " / ".join(f"{whole[name]:.2f}" for name in ("p50", "p90", "p99")),
        f"{row['quiet_bytes_per_s']:.0f}",
        f"{row['busy_bytes_per_s']:.0f}",
        f"{row['cpu_s']:.0f}",
    ]
    return "| " + " | ".join(map(str, columns)) + " |"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.dht_churn", description=__doc__)
    parser.add_argument("profiles", nargs="*", metavar="PROFILE", help=f"of {', '.join(PROFILES)}")
    parser.add_argument("--nodes", type=int, default=300)
    parser.add_argument("--minutes", type=float, default=20, help="virtual time to warm up, and again to measure")
    parser.add_argument("--aggressive", action="store_true", help="lookups that trade queries for latency")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true", help="one object a line instead of the table")
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if unknown := [name for name in options.profiles if name not in PROFILES]:
        parser.error(f"no such profile: {', '.join(unknown)}")
    if options.here:
        print(json.dumps(measure(options.profiles[0], options)))
        return
    if not options.json:
        print("| sessions | nodes | ended | peers found | first peer s, p50 / p90 / p99 | closest node found |", end="")
        print(" whole lookup s, p50 / p90 / p99 | quiet B/s a node | busy B/s a node | CPU s |")
        print("|---|---|---|---|---|---|---|---|---|---|")
    for profile in options.profiles or PROFILES:
        command = [sys.executable, "-m", "benchmarks.dht_churn", *sys.argv[1:], "--here"]
        command = [part for part in command if part not in PROFILES] + [profile]
        row = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        print(json.dumps(row) if options.json else line(row), flush=True)


if __name__ == "__main__":
    main()

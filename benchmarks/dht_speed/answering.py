"""Answering one flooding socket: replies for each second of the answering process's CPU time.

A busy machine takes time from everybody, but hardly changes what one reply costs, so CPU seconds are what the ratios
are made of. Each node knows as many nodes as its routing table takes of a crowd, and its limits are open.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from dataclasses import dataclass
from statistics import median

from benchmarks.dht_speed.children import Child, started
from benchmarks.dht_speed.flood import flood, krpc_queries, package_queries


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """One flood. `flooder_share` is the part of a core that the flooder used: far from 1, it was not the brake."""

    program: str
    kind: str
    per_s: float
    per_cpu_s: float
    lost: int
    flooder_share: float
    reply_bytes: int
    nodes: int


def measure(programs: list[str], *, runs: int, seconds: float, members: int) -> Iterator[Rate]:
    """Programs take turns within each run, so that a busy machine is busy for all of them."""
    for run in range(runs):
        with started("crowd", str(members), str(run)) as crowd:
            contacts = crowd.hear()
            for program in programs:
                yield from _measure_one(program, crowd, contacts, seconds, random.Random(run))


def _measure_one(
    program: str, crowd: Child, contacts: list[list[object]], seconds: float, rng: random.Random
) -> Iterator[Rate]:
    is_krpc = program != "package"
    with started("answerer", program) as node:
        port = node.ask(contacts)["port"]
        if not is_krpc:  # it takes everybody who asks it
            crowd.tell([port, is_krpc])
        time.sleep(1.5)
        for kind in KINDS:
            queries = (krpc_queries if is_krpc else package_queries)(kind, 4096, rng=rng)
            flood(port, queries, seconds=seconds / 4)  # to warm up
            before = node.ask()
            flooded = flood(port, queries, seconds=seconds)
            after = node.ask()
            yield Rate(
                program=program,
                kind=kind,
                per_s=flooded.replies / flooded.wall_s,
                per_cpu_s=flooded.replies / (after["cpu_s"] - before["cpu_s"]),
                lost=flooded.lost,
                flooder_share=flooded.flooder_cpu_s / flooded.wall_s,
                reply_bytes=len(flooded.sample),
                nodes=after["nodes"],
            )


def lines(rates: list[Rate]) -> list[str]:
    """Medians and ratios as a table for people."""
    found = [f"{'':<10} {'':<11} {'replies/s':>9} {'per CPU s':>9} {'x libtorrent':>12} {'x package':>9}  bytes  nodes"]
    for kind in KINDS:
        medians = {program: _median(rates, program, kind) for program in PROGRAMS}
        for program, value in medians.items():
            mine = [rate for rate in rates if (rate.program, rate.kind) == (program, kind)]
            if mine:
                ratios = [value / other if (other := medians[peer]) else 0.0 for peer in ("libtorrent", "package")]
                per_s = median(rate.per_s for rate in mine)
                found.append(
                    f"{kind:<10} {program:<11} {per_s:>9,.0f} {value:>9,.0f} {ratios[0]:>12.2f} {ratios[1]:>9.1f}"
                    f"  {mine[-1].reply_bytes:>5}  {mine[-1].nodes:>5}"
                )
    return found


def _median(rates: list[Rate], program: str, kind: str) -> float:
    return median([rate.per_cpu_s for rate in rates if (rate.program, rate.kind) == (program, kind)] or [0.0])


# `plain` is ours without uvloop and bencode2; `package` is the Python package `kademlia`.
PROGRAMS = ("ours", "plain", "libtorrent", "package")
KINDS = ("ping", "find_node", "get_peers")

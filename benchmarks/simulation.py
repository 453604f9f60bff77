"""What a simulated world costs: events per second of wall time and memory, from bare datagrams to whole networks.

Run with `python -m benchmarks.simulation [NAME…]`; without a name, all that end within a few minutes. Each line is a
run in a process of its own, so that peak memory means something.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import platform
import random
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from tests.simulation import crashing_download, mainline_network, torrent_swarm
from tests.simulation.bare_network import BareNetwork
from transfer.simulation import Link, LogNormalLatency, Simulation, run


@dataclass(frozen=True, slots=True)
class Case:
    """A scenario in full size. `is_long` ones run only by name."""

    nodes: int
    scenario: Callable[[Simulation], Any]
    link: Link
    is_long: bool = False


async def datagrams(simulation: Simulation, *, nodes: int, seconds: float) -> int:
    """Every host keeps four datagrams of 100 bytes going round: the path through the loop and nothing else."""
    loop = asyncio.get_running_loop()
    addresses = [f"10.0.{number // 250}.{number % 250 + 1}" for number in range(nodes)]
    endpoints = []
    for number, address in enumerate(addresses):
        target = (addresses[(number + 1) % nodes], 6881)
        with simulation.host(address):
            endpoints.append(await loop.create_datagram_endpoint(partial(Relay, target), (address, 6881)))
    for _, relay in endpoints:
        for _ in range(4):
            relay.pass_on(bytes(100))
    await asyncio.sleep(seconds)
    for transport, _ in endpoints:
        transport.close()
    return sum(relay.received for _, relay in endpoints)


class Relay(asyncio.DatagramProtocol):
    """Sends on to the next host whatever it gets."""

    def __init__(self, target: tuple[str, int]) -> None:
        self.received = 0
        self._target = target
        self._transport: asyncio.DatagramTransport

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self.received += 1
        self._transport.sendto(data, self._target)

    def pass_on(self, data: bytes) -> None:
        self._transport.sendto(data, self._target)


async def stream(simulation: Simulation, *, size: int) -> int:
    """One connection, as much as it takes."""
    received = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        chunk = bytes(1 << 18)
        for _ in range(size // len(chunk)):
            writer.write(chunk)
            await writer.drain()
        writer.close()
        await writer.wait_closed()

    with simulation.host("10.0.0.1"):
        server = await asyncio.start_server(serve, "0.0.0.0", 80)
    with simulation.host("10.0.0.2"):
        reader, writer = await asyncio.open_connection("10.0.0.1", 80)
        while data := await reader.read(1 << 18):
            received += len(data)
        writer.close()
        await writer.wait_closed()
    server.close()
    return received


async def kademlia_package(simulation: Simulation) -> int:
    from tests.simulation.kademlia_package import set_and_get

    return await set_and_get(simulation, nodes=100, keys=100)


def mainline(nodes: int, keys: int = 200) -> Callable[[Simulation], Any]:
    return partial(mainline_network.crash_a_third, nodes=nodes, keys=keys, joins_per_s=50.0)


STEADY = Link(delay_s=LogNormalLatency(), jitter_s=0.005)
CASES = {
    "datagrams": Case(200, partial(datagrams, nodes=200, seconds=60.0), STEADY),
    "stream-256MiB": Case(2, partial(stream, size=256 << 20), Link(delay_s=0.01)),
    "kademlia-package-100": Case(100, kademlia_package, Link(delay_s=0.03, jitter_s=0.02)),
    "crashing-download": Case(
        2,
        partial(crashing_download.crash_and_restart, size=20 << 20, piece_length=1 << 16, crashes=50),
        Link(delay_s=0.03),
    ),
    "swarm-50": Case(
        51,
        partial(torrent_swarm.swarm, downloaders=50, size=20 << 20),
        Link(delay_s=LogNormalLatency(median_s=0.03)),
    ),
    "mainline-1000": Case(1000, mainline(1000), mainline_network.LINK),
    "mainline-10000": Case(10_000, mainline(10_000), mainline_network.LINK, is_long=True),
}
# Name: nodes and k. The README of py-dht, a Python rival, says 28.2 s for 10,000 nodes of k = 20 on 20 processes.
BARE_CASES = {"bare-10000-k8": (10_000, 8), "bare-10000-k20": (10_000, 20)}
NAMES = [*CASES, *BARE_CASES]


def measure(name: str, seed: int) -> dict[str, Any]:
    """One case in this process."""
    started, started_cpu = time.perf_counter(), time.process_time()
    row = measure_bare(*BARE_CASES[name], seed) if name in BARE_CASES else measure_simulated(CASES[name], seed)
    row["wall_s"], row["cpu_s"] = time.perf_counter() - started, time.process_time() - started_cpu
    row["peak_bytes"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    return {"name": name, **row}


def measure_simulated(case: Case, seed: int) -> dict[str, Any]:
    report = run(case.scenario, seed=seed, link=case.link)
    return {
        "nodes": case.nodes,
        "virtual_s": report.virtual_s,
        "events": report.events,
        "datagrams": report.datagrams,
        "digest": report.digest,
        "result": str(report.result),
    }


def measure_bare(nodes: int, k: int, seed: int) -> dict[str, Any]:
    """Bare cores: every node joins; an event is one query with its answer."""
    network = BareNetwork(nodes, k=k, rng=random.Random(seed))
    return {"nodes": nodes, "virtual_s": 0.0, "events": network.queries, "datagrams": 0, "digest": "", "result": ""}


def line(row: dict[str, Any]) -> str:
    """A row of the table."""
    cpu_s = row["cpu_s"]
    columns = [
        row["name"],
        row["nodes"],
        f"{row['virtual_s']:.1f}",
        f"{row['wall_s']:.1f}",
        f"{cpu_s:.1f}",
        f"{row['events']:,}",
        f"{row['events'] / cpu_s:,.0f}",
        f"{row['datagrams'] / cpu_s:,.0f}",
        f"{row['peak_bytes'] / 2**20:.0f}",
        row["digest"][:12],
    ]
    return "| " + " | ".join(map(str, columns)) + " |"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.simulation", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(NAMES)}")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--here", action="store_true", help="measure one case in this process, print JSON")
    options = parser.parse_args()
    if unknown := [name for name in options.names if name not in NAMES]:
        parser.error(f"no such case: {', '.join(unknown)}")
    if options.here:
        print(json.dumps(measure(options.names[0], options.seed)))
        return
    print(f"Python {platform.python_version()} on {platform.machine()}, seed {options.seed}, one core\n")
    print("| case | nodes | virtual s | wall s | CPU s | events | events/CPU s | datagrams/CPU s | peak MiB | digest |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    for name in options.names or [name for name in NAMES if name not in CASES or not CASES[name].is_long]:
        command = [sys.executable, "-m", "benchmarks.simulation", "--here", "--seed", str(options.seed), name]
        row = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        print(line(row), flush=True)
        if row["result"]:
            print(f"  {row['result']}", flush=True)


if __name__ == "__main__":
    main()

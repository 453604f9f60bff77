"""The work whose instructions are counted, the same in each run: seeded, with a clock that jumps over every wait.

Started with the name of a case, a number of nodes and one of lookups, a loopback address, and the first of the ports
that nodes bind there (0: any). Each stretch of work lies between two calls of `getpriority`, at which valgrind writes
down what it has counted; what was done in each goes to standard output as JSON. The nodes are those of the tree that
comes first on the path, so this also runs with trees from before it was written.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import random
import selectors
import socket
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any

import kademlia_core
from benchmarks.dht_speed import flood, network


class Stretches:
    """What was done between the calls of `getpriority`, in the order of the calls."""

    def __init__(self) -> None:
        self.done: list[dict[str, Any]] = []
        self.nodes: list[Any] = []

    async def count(self, name: str, units: int, work: Callable[[], Awaitable[Any]]) -> Any:
        before = self._datagrams()
        os.getpriority(os.PRIO_PROCESS, 0)
        result = await work()
        os.getpriority(os.PRIO_PROCESS, 0)
        self.done.append({"name": name, "units": units, "datagrams": self._datagrams() - before})
        return result

    def _datagrams(self) -> int:
        return sum(node.statistics().datagrams_sent for node in self.nodes)


class CountedCosts(network.Costs):
    """Counts the work of a network in stretches, instead of its time."""

    def __init__(self, stretches: Stretches) -> None:
        super().__init__()
        self._stretches = stretches

    async def of(self, name: str, work: Callable[[Any], Awaitable[Any]], keys: list[Any]) -> list[Any]:
        async def all_of_it() -> list[Any]:
            return [await work(key) for key in keys]

        found: list[Any] = await self._stretches.count(name, len(keys), all_of_it)
        return found


class JumpingLoop(asyncio.SelectorEventLoop):
    """A loop for nodes that know only each other: where no datagram is there, none will come before the next timer."""

    def __init__(self) -> None:
        self.now = 1000.0
        super().__init__(_JumpingSelector(self))

    def time(self) -> float:
        return self.now


class _JumpingSelector(selectors.DefaultSelector):  # which one depends on the system
    def __init__(self, loop: JumpingLoop) -> None:
        super().__init__()
        self._jumping = loop

    def select(self, timeout: float | None = None) -> list[Any]:
        ready: list[Any] = super().select(0)
        self._jumping.now += PASS_S if ready or not timeout else timeout
        return ready


def record(stretches: Stretches, place: tuple[str, int], name: str, **extra: Any) -> None:
    """Makes a kind of node tell of itself, and bind the same ports in each run."""
    host, first_port = place
    ports = itertools.count(first_port) if first_port else itertools.repeat(0)

    class Recorded(getattr(kademlia_core, name)):  # type: ignore[misc]
        def __init__(self, **options: Any) -> None:
            super().__init__(**{**options, **extra, "host": host, "port": next(ports)})

        async def __aenter__(self) -> Any:
            await super().__aenter__()
            stretches.nodes.append(self)
            return self

        async def aclose(self) -> None:
            if self in stretches.nodes:
                stretches.nodes.remove(self)
            await super().aclose()

    setattr(kademlia_core, name, Recorded)


async def networked(name: str, nodes: int, lookups: int, place: tuple[str, int]) -> list[dict[str, Any]]:
    """A network as `benchmarks.dht_speed.network` has it, and how one node alone comes and goes."""
    stretches = Stretches()
    kind = {"mainline": "MainlineNode", "keyvalue": "KeyValueNode"}[name]
    record(stretches, place, kind)

    async def measure_joining(join: Callable[[], Awaitable[None]], nodes: int, costs: Any) -> None:
        async def join_all() -> None:
            for _ in range(nodes - 1):
                await join()
            await asyncio.sleep(QUIET_S)

        await stretches.count("join", nodes - 1, join_all)

    async def come_and_go() -> None:
        for _ in range(lookups):
            async with getattr(kademlia_core, kind)(bootstrap=()):
                pass

    network.measure_joining = measure_joining
    await getattr(network, name)(nodes, lookups, CountedCosts(stretches))
    await stretches.count("open and close", lookups, come_and_go)
    return stretches.done


async def answering(nodes: int, lookups: int, place: tuple[str, int]) -> list[dict[str, Any]]:
    """One node of a network of so many, its limits open, answers batches of queries from one socket."""
    stretches = Stretches()
    config = kademlia_core.MainlineConfig()
    open_wide = type(config.rate_limit)(per_host_per_s=1e9, per_host_burst=1e9, total_per_s=1e9, total_burst=1e9)
    record(stretches, place, "MainlineNode", config=kademlia_core.MainlineConfig(rate_limit=open_wide))
    network_of_nodes = [await kademlia_core.MainlineNode(bootstrap=()).__aenter__()]
    for _ in range(nodes - 1):
        node = kademlia_core.MainlineNode(bootstrap=[network_of_nodes[0].address])
        network_of_nodes.append(await node.__aenter__())
        await node.wait_joined()
    await asyncio.sleep(QUIET_S)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.setblocking(False)
        sock.connect(tuple(network_of_nodes[0].address))
        for kind in ("ping", "find_node", "get_peers"):
            queries = flood.krpc_queries(kind, lookups, rng=random.Random(1))

            async def ask_all(queries: list[bytes] = queries) -> None:
                for at in range(0, len(queries), flood.BATCH):
                    batch = queries[at : at + flood.BATCH]
                    for query in batch:
                        sock.send(query)
                    left = len(batch)
                    while left:
                        await asyncio.sleep(0)
                        try:
                            while left:
                                sock.recv(4096)
                                left -= 1
                        except BlockingIOError:
                            pass

            await stretches.count(kind, lookups, ask_all)
    for node in network_of_nodes:
        await node.aclose()
    return stretches.done


def main() -> None:
    name, nodes, lookups, place = sys.argv[1], *map(int, sys.argv[2:4]), (sys.argv[4], int(sys.argv[5]))
    seeds, seeded = itertools.count(1), random.Random
    random.SystemRandom = lambda *_: seeded(next(seeds))  # type: ignore[assignment, misc]
    loop = JumpingLoop()
    time.time = lambda: 1e9 + loop.now  # or else a node thinks that the machine was asleep
    work = answering(nodes, lookups, place) if name == "answering" else networked(name, nodes, lookups, place)
    print(json.dumps(loop.run_until_complete(work)))


PASS_S = 20e-6
QUIET_S = 1.0


if __name__ == "__main__":
    main()

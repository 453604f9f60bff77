"""A whole network in one process on loopback, which joins and looks up; prints what that took as JSON.

Started with a program's name, the number of nodes and of lookups. A node that has joined goes on in the background, so
the CPU time of joining counts until nobody does anything any more.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from benchmarks.bittorrent.usage import cpu_s, peak_rss_bytes
from benchmarks.dht_speed.answerer import run_on_loop

KeyT = TypeVar("KeyT")


class Costs:
    """CPU milliseconds of each kind of work, of this process in all."""

    def __init__(self) -> None:
        self.found: dict[str, float] = {}

    async def of(self, name: str, work: Callable[[KeyT], Awaitable[Any]], keys: list[KeyT]) -> list[Any]:
        """Does the work for one key after the other; the mean goes under `name`."""
        before = cpu_s()
        results = [await work(key) for key in keys]
        self.found[name] = (cpu_s() - before) / len(keys) * 1e3
        return results


async def wait_quiet() -> None:
    """Until the process uses less than a twentieth of a core."""
    while True:
        before = cpu_s()
        await asyncio.sleep(0.5)
        if cpu_s() - before < 0.025:
            return


async def mainline(nodes: int, lookups: int, costs: Costs) -> None:
    from kademlia_core import MainlineNode

    rng = random.Random(1)
    network: list[MainlineNode] = [await MainlineNode(host="127.0.0.1", bootstrap=()).__aenter__()]

    async def join() -> None:
        node = MainlineNode(host="127.0.0.1", bootstrap=[network[0].address])
        network.append(await node.__aenter__())
        await node.wait_joined()

    await measure_joining(join, nodes, costs)
    keys = [rng.randbytes(20) for _ in range(lookups)]
    await costs.of("find_node", lambda key: rng.choice(network).find_node(key), keys)
    reports = await costs.of("set", lambda key: rng.choice(network).announce(key, port=7000), keys)
    assert all(len(report.accepted_by) == 8 for report in reports)

    async def find(info_hash: bytes) -> int:
        async with rng.choice(network).find_peers(info_hash) as lookup:
            return len([peer async for peer in lookup])

    async def find_first(info_hash: bytes) -> bool:
        async with rng.choice(network).find_peers(info_hash) as lookup:
            async for _ in lookup:
                return True
        return False

    assert all(await costs.of("get", lambda key: find_first(key), keys))
    assert all(await costs.of("get all", lambda key: find(key), keys))
    for node in network:
        await node.aclose()


async def keyvalue(nodes: int, lookups: int, costs: Costs) -> None:
    from kademlia_core import KeyValueNode

    rng = random.Random(1)
    network: list[KeyValueNode] = [await KeyValueNode(host="127.0.0.1").__aenter__()]

    async def join() -> None:
        node = KeyValueNode(host="127.0.0.1", bootstrap=[network[0].address])
        network.append(await node.__aenter__())
        await node.wait_joined()

    await measure_joining(join, nodes, costs)
    keys = [f"key {number}" for number in range(lookups)]
    reports = await costs.of("set", lambda key: rng.choice(network).set(key, key.encode()), keys)
    assert all(report.kept_by for report in reports)
    found = await costs.of("get", lambda key: rng.choice(network).get(key), keys)
    assert found == [key.encode() for key in keys]
    for node in network:
        await node.aclose()


async def package(nodes: int, lookups: int, costs: Costs) -> None:
    from kademlia.network import Server  # type: ignore[import-untyped]  # it ships no types

    rng = random.Random(1)
    network: list[Any] = []

    async def join() -> None:
        server = Server()
        await server.listen(0, interface="127.0.0.1")
        if network:
            await server.bootstrap([("127.0.0.1", network[0].transport.get_extra_info("sockname")[1])])
        network.append(server)

    await join()
    await measure_joining(join, nodes, costs)
    keys = [f"key {number}" for number in range(lookups)]
    stored = await costs.of("set", lambda key: rng.choice(network).set(key, key), keys)
    found = await costs.of("get", lambda key: rng.choice(network).get(key), keys)
    costs.found["set share"] = sum(map(bool, stored)) / lookups
    costs.found["found share"] = sum(value == key for key, value in zip(keys, found, strict=True)) / lookups
    for server in network:
        server.stop()


async def measure_joining(join: Callable[[], Awaitable[None]], nodes: int, costs: Costs) -> None:
    before = cpu_s()
    for _ in range(nodes - 1):
        await join()
    await wait_quiet()
    costs.found["join"] = (cpu_s() - before) / (nodes - 1) * 1e3


def main() -> None:
    name, nodes, lookups = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    networks = {"mainline": mainline, "keyvalue": keyvalue, "package": package}
    costs = Costs()
    run_on_loop(lambda: networks[name](nodes, lookups, costs), with_uvloop=sys.argv[4:] == ["uvloop"])
    print(json.dumps({"program": name, **costs.found, "peak_mib": peak_rss_bytes() / 2**20}))


if __name__ == "__main__":
    main()

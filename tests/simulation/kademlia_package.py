"""The unmodified third-party package `kademlia` (Brian Muller): its nodes store and find values."""

from __future__ import annotations

from kademlia.network import Server  # type: ignore[import-untyped]  # it ships no types

from transfer.simulation import Link, Simulation, scenario


async def set_and_get(simulation: Simulation, *, nodes: int, keys: int) -> int:
    """How many of `keys` values are found, each by another node than the one that stored it."""
    servers: list[Server] = []
    for number in range(nodes):
        with simulation.host(_host(number)):
            server = Server()
            await server.listen(8468)
            if number:
                await server.bootstrap([(_host(0), 8468)])
        servers.append(server)
    for key in range(keys):
        assert await simulation.rng.choice(servers).set(f"key {key}", f"value {key}")
    found = [await simulation.rng.choice(servers).get(f"key {key}") for key in range(keys)]
    for server in servers:
        server.stop()
    return sum(value == f"value {key}" for key, value in enumerate(found))


@scenario(link=Link(delay_s=0.03, jitter_s=0.02))
async def small(simulation: Simulation) -> int:
    """Small enough for a test."""
    return await set_and_get(simulation, nodes=25, keys=10)


def _host(number: int) -> str:
    return f"10.0.{number // 250}.{number % 250 + 1}"

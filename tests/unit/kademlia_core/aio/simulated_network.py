"""A network of mainline nodes in virtual time."""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from random import Random

from kademlia_core import MainlineConfig, MainlineNode
from kademlia_core.mainline.node_id import node_id_for
from transfer.simulation import Link, Simulation, run


class SimulatedNetwork(list[MainlineNode]):
    """Nodes at 11.0.x.1:6881, each in a subnet of its own with a key that suits it, all come in through the first."""

    def __init__(self, simulation: Simulation) -> None:
        self.simulation = simulation


def in_network_of(
    count: int, config: MainlineConfig | None = None
) -> Callable[[Callable[[SimulatedNetwork], Awaitable[None]]], Callable[[], None]]:
    """Gives a test `count` nodes and virtual time."""

    def decorate(test: Callable[[SimulatedNetwork], Awaitable[None]]) -> Callable[[], None]:
        async def scenario(simulation: Simulation) -> None:
            async with AsyncExitStack() as stack:
                nodes = SimulatedNetwork(simulation)
                for number in range(count):
                    host, rng = f"11.0.{number}.1", Random(simulation.rng.getrandbits(64))
                    with simulation.host(host):
                        node = MainlineNode(
                            port=6881,
                            bootstrap=[("11.0.0.1", 6881)] if nodes else (),
                            node_id=node_id_for(host, rng),
                            config=config,
                            rng=rng,
                        )
                        nodes.append(await stack.enter_async_context(node))
                    await node.wait_joined()
                await test(nodes)

        def run_test() -> None:
            run(scenario, link=Link(delay_s=0.03))

        # Without functools.wraps, from which pytest would learn the arguments of `test`.
        functools.update_wrapper(run_test, test, assigned=("__module__", "__name__", "__qualname__", "__doc__"))
        del run_test.__wrapped__  # type: ignore[attr-defined]
        return run_test

    return decorate

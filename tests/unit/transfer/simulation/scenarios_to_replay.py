"""Scenarios that a command can name."""

from __future__ import annotations

import asyncio

from transfer.simulation import Link, Simulation, scenario


@scenario(link=Link(delay_s=1.0, loss=0.0))
async def works(simulation: Simulation) -> None:
    simulation.network.host(["10.0.0.2"])
    endpoint, _ = await asyncio.get_running_loop().create_datagram_endpoint(
        asyncio.DatagramProtocol, remote_addr=("10.0.0.2", 5)
    )
    endpoint.sendto(simulation.rng.randbytes(20))
    await asyncio.sleep(2)
    endpoint.close()


async def fails(simulation: Simulation) -> None:
    await works(simulation)
    simulation.note("now it comes")
    raise ZeroDivisionError


NOT_A_FUNCTION = 5

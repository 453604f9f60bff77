"""websockets: an echo server and a client that is closed by it. Its headers would name the version of Python."""

from __future__ import annotations

from typing import Any

from websockets.asyncio.client import connect
from websockets.asyncio.server import serve

from transfer.simulation import Link, Simulation, scenario


@scenario(link=Link(delay_s=0.02, jitter_s=0.005))
async def run_program(simulation: Simulation) -> list[str]:
    async def talk(connection: Any) -> None:
        async for message in connection:
            await connection.send(str(message)[::-1])
            if message == "bye":
                return

    answers = []
    with simulation.host("10.0.0.1"):
        server = await serve(talk, "0.0.0.0", 80, server_header=None)
    with simulation.host("10.0.0.2"):
        async with connect("ws://10.0.0.1", user_agent_header=None) as connection:
            for word in ("hello", "bye"):
                await connection.send(word)
                answers.append(str(await connection.recv()))
    server.close()
    await server.wait_closed()
    return answers

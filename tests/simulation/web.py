"""The unmodified aiohttp, client and server, over lossy links."""

from __future__ import annotations

import asyncio
import hashlib

import aiohttp
from aiohttp import web

from transfer.simulation import Link, Simulation, scenario


@scenario(link=Link(delay_s=0.03, jitter_s=0.005, loss=0.01))
async def clients_and_a_server(simulation: Simulation) -> list[str]:
    """Four clients post a body and read a slow, chunked answer."""
    simulation.names["files.example"] = "10.0.0.1"

    async def post(request: web.Request) -> web.Response:
        body = await request.read()
        return web.json_response({"from": request.remote, "sha256": hashlib.sha256(body).hexdigest()})

    async def slow(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for number in range(10):
            await response.write(bytes([number]) * 10_000)
            await asyncio.sleep(1)
        await response.write_eof()
        return response

    application = web.Application()
    application.router.add_post("/post", post)
    application.router.add_get("/slow", slow)
    with simulation.host("10.0.0.1"):
        server = web.AppRunner(application)
        await server.setup()
        await web.TCPSite(server, "0.0.0.0", 80).start()

    async def client(number: int) -> str:
        address = f"10.0.1.{number}"
        body = simulation.rng.randbytes(100_000)
        with simulation.host(address):
            async with aiohttp.ClientSession("http://files.example") as session:
                async with session.post("/post", data=body) as response:
                    answer = await response.json()
                    assert answer == {"from": address, "sha256": hashlib.sha256(body).hexdigest()}
                async with session.get("/slow") as response:
                    assert await response.read() == b"".join(bytes([number]) * 10_000 for number in range(10))
                    return response.headers["Date"]

    async with asyncio.TaskGroup() as group:
        clients = [group.create_task(client(number)) for number in range(1, 5)]
    await server.cleanup()
    return [task.result() for task in clients]

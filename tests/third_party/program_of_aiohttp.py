"""aiohttp: a WebSocket server and two clients; frames of clients are masked with random numbers."""

from __future__ import annotations

import asyncio

from aiohttp import ClientSession, WSMsgType, web

from transfer.simulation import Link, Simulation, scenario

AGENT = {"User-Agent": "a client"}  # or it would name the version of Python


@scenario(link=Link(delay_s=0.02, jitter_s=0.005))
async def run_program(simulation: Simulation) -> list[str]:
    async def talk(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(heartbeat=10)
        socket.headers["Server"] = "a server"
        await socket.prepare(request)
        async for message in socket:
            if message.type is WSMsgType.TEXT:
                await socket.send_str(message.data.upper())
        return socket

    async def ask(number: int) -> list[str]:
        answers = []
        async with ClientSession() as session, session.ws_connect("http://chat.example/", headers=AGENT) as socket:
            for word in ("one", "two"):
                await socket.send_str(f"{word} {number}")
                answers.append(await socket.receive_str())
                await asyncio.sleep(5)
        return answers

    simulation.names["chat.example"] = "10.0.0.1"
    application = web.Application()
    application.router.add_get("/", talk)
    with simulation.host("10.0.0.1"):
        runner = web.AppRunner(application)
        await runner.setup()
        await web.TCPSite(runner, "0.0.0.0", 80).start()
    tasks = []
    for number in range(2):
        with simulation.host(f"10.0.1.{number}"):
            tasks.append(asyncio.create_task(ask(number)))
    answers = [answer for task in tasks for answer in await task]
    await runner.cleanup()
    return answers

"""uvicorn: serves an application until a signal asks it to end."""

from __future__ import annotations

import asyncio
import signal
from typing import Any

import uvicorn

from transfer.simulation import Link, Simulation, scenario


@scenario(link=Link(delay_s=0.02, jitter_s=0.005))
async def run_program(simulation: Simulation) -> str:
    async def application(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"5")]})
            await send({"type": "http.response.body", "body": b"hello"})

    server = uvicorn.Server(uvicorn.Config(application, host="0.0.0.0", port=80, log_config=None, lifespan="off"))
    with simulation.host("10.0.0.1"):
        signal.signal(signal.SIGTERM, lambda number, frame: None)  # what is left when the server has ended
        serving = asyncio.create_task(server.serve())
    await asyncio.sleep(1)
    with simulation.host("10.0.0.2"):
        reader, writer = await asyncio.open_connection("10.0.0.1", 80)
        writer.write(b"GET / HTTP/1.1\r\nHost: example\r\nConnection: close\r\n\r\n")
        answer = await reader.read()
        writer.close()
    simulation.send_signal("10.0.0.1", signal.SIGTERM)
    await serving
    return answer.decode().splitlines()[0]

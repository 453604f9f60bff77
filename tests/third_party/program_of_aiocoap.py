"""aiocoap: a resource is read and written."""

from __future__ import annotations

from typing import Any

import aiocoap
from aiocoap import resource

from transfer.simulation import Link, Simulation, scenario


@scenario(link=Link(delay_s=0.02, jitter_s=0.005))
async def run_program(simulation: Simulation) -> list[str]:
    class Lamp(resource.Resource):
        state = b"off"

        async def render_get(self, request: Any) -> Any:
            return aiocoap.Message(payload=self.state)

        async def render_put(self, request: Any) -> Any:
            self.state = request.payload
            return aiocoap.Message(code=aiocoap.CHANGED, payload=self.state)

    site = resource.Site()
    site.add_resource(["lamp"], Lamp())
    with simulation.host("10.0.0.1"):
        server = await aiocoap.Context.create_server_context(
            site, bind=("10.0.0.1", 5683), transports=["simplesocketserver"]
        )
    answers = []
    with simulation.host("10.0.0.2"):
        client = await aiocoap.Context.create_client_context(transports=["simple6"])
        for code, payload in ((aiocoap.GET, b""), (aiocoap.PUT, b"on"), (aiocoap.GET, b"")):
            message = aiocoap.Message(code=code, payload=payload, uri="coap://10.0.0.1/lamp")
            answers.append((await client.request(message).response).payload.decode())
    await client.shutdown()
    await server.shutdown()
    return answers

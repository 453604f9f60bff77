"""aiomqtt: two clients and a broker of forty lines; the library connects with a blocking socket in a thread."""

from __future__ import annotations

import asyncio

import aiomqtt

from transfer.simulation import Link, Simulation, scenario


class Broker:
    """MQTT 3.1.1 without anything that this program does not use."""

    def __init__(self) -> None:
        self._subscribers: list[asyncio.StreamWriter] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                kind = (await reader.readexactly(1))[0] >> 4
                size = shift = 0
                while True:
                    byte = (await reader.readexactly(1))[0]
                    size |= (byte & 0x7F) << shift
                    shift += 7
                    if byte < 0x80:
                        break
                self._answer(kind, await reader.readexactly(size), writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    def _answer(self, kind: int, body: bytes, writer: asyncio.StreamWriter) -> None:
        if kind == 1:
            writer.write(b"\x20\x02\x00\x00")
        elif kind == 8:
            self._subscribers.append(writer)
            writer.write(b"\x90\x03" + body[:2] + b"\x00")
        elif kind == 3:
            for subscriber in self._subscribers:
                subscriber.write(bytes((0x30, len(body))) + body)
        elif kind == 12:
            writer.write(b"\xd0\x00")


@scenario(link=Link(delay_s=0.02, jitter_s=0.005))
async def run_program(simulation: Simulation) -> list[bytes]:
    async def listen() -> list[bytes]:
        heard = []
        async with aiomqtt.Client("broker.example", identifier="listener") as client:
            await client.subscribe("weather")
            async for message in client.messages:
                heard.append(bytes(message.payload))
                if len(heard) == 2:
                    break
        return heard

    simulation.names["broker.example"] = "10.0.0.1"
    broker = Broker()
    with simulation.host("10.0.0.1"):
        server = await asyncio.start_server(broker.serve, "0.0.0.0", 1883)
    with simulation.host("10.0.0.2"):
        listening = asyncio.create_task(listen())
    await asyncio.sleep(1)
    with simulation.host("10.0.0.3"):
        async with aiomqtt.Client("broker.example") as client:
            await client.publish("weather", b"rain", qos=0)
            await asyncio.sleep(120)
            await client.publish("weather", b"sun", qos=0)
    heard = await listening
    server.close()
    await server.wait_closed()
    return heard

"""redis: its client, against a server of thirty lines that knows SET and GET."""

from __future__ import annotations

import asyncio

import redis.asyncio

from transfer.simulation import Link, Simulation, scenario


@scenario(link=Link(delay_s=0.02, jitter_s=0.005))
async def run_program(simulation: Simulation) -> list[bytes | None]:
    values: dict[bytes, bytes] = {}

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            words = []
            for _ in range(int(line[1:])):
                size = int((await reader.readline())[1:])
                words.append((await reader.readexactly(size + 2))[:-2])
            match words[0].upper():
                case b"SET":
                    values[words[1]] = words[2]
                    writer.write(b"+OK\r\n")
                case b"GET":
                    found = values.get(words[1])
                    writer.write(b"$-1\r\n" if found is None else b"$%d\r\n%s\r\n" % (len(found), found))
                case b"HELLO":
                    writer.write(b"-ERR unknown command\r\n")
                case _:
                    writer.write(b"+OK\r\n")
        writer.close()

    with simulation.host("10.0.0.1"):
        server = await asyncio.start_server(serve, "0.0.0.0", 6379)
    with simulation.host("10.0.0.2"):
        client = redis.asyncio.Redis(host="10.0.0.1", protocol=2)
        await client.set("colour", "green")
        answers = [await client.get("colour"), await client.get("shape")]
        await client.aclose()
    server.close()
    await server.wait_closed()
    return answers

"""Run in a namespace: answers on a port over TCP and UDP, has it mapped, and says what became of it, a line each time.

Arguments: the port, the protocol ("PCP", "NAT-PMP", "UPnP"), how often mappings are looked at, and the own address.
"""

from __future__ import annotations

import asyncio
import json
import sys
from random import SystemRandom
from typing import Any

from transfer import PortMapConfig, PortMapMethod, PortMapper, PortMapStatus


class Echo(asyncio.DatagramProtocol):
    transport: Any

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, addr: object) -> None:
        self.transport.sendto(data, addr)


async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"hello")
    writer.close()


def say(status: PortMapStatus) -> None:
    external = str(status.external) if status.external is not None else None
    fields: dict[str, object] = {"method": status.method, "external": external, "udp_port": status.udp_port}
    fields |= {"renewals": status.renewals, "restarts": status.gateway_restarts, "failures": dict(status.failures)}
    print(json.dumps(fields), flush=True)


async def main(port: int, method: str, look_s: float, host: str) -> None:
    loop = asyncio.get_running_loop()
    server = await asyncio.start_server(greet, host, port)
    transport, _ = await loop.create_datagram_endpoint(Echo, local_addr=(host, port))
    config = PortMapConfig(methods=(PortMapMethod(method),), look_interval_s=look_s, retry_s=look_s)
    async with PortMapper(port, host=host, rng=SystemRandom(), on_change=say, config=config):
        await loop.run_in_executor(None, sys.stdin.read)
    transport.close()
    server.close()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), sys.argv[2], float(sys.argv[3]), sys.argv[4]))

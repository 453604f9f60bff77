"""dnspython: its resolver asks a name server that answers the second time only."""

from __future__ import annotations

import asyncio
from typing import Any

import dns.asyncresolver
import dns.message
import dns.rrset

from transfer.simulation import Link, Simulation, scenario


class NameServer(asyncio.DatagramProtocol):
    """Knows one answer, and is deaf at first."""

    def __init__(self) -> None:
        self.asked = 0

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self.asked += 1
        if self.asked == 1:
            return
        question = dns.message.from_wire(data)
        answer = dns.message.make_response(question)
        answer.answer.append(dns.rrset.from_text(question.question[0].name, 60, "IN", "A", "10.0.0.7"))
        self.transport.sendto(answer.to_wire(), addr)


@scenario(link=Link(delay_s=0.02, jitter_s=0.005))
async def run_program(simulation: Simulation) -> tuple[list[str], int]:
    with simulation.host("10.0.0.1"):
        transport, server = await asyncio.get_running_loop().create_datagram_endpoint(NameServer, ("0.0.0.0", 53))
    with simulation.host("10.0.0.2"):
        resolver = dns.asyncresolver.Resolver(configure=False)
        resolver.nameservers = ["10.0.0.1"]
        answer = await resolver.resolve("files.example.", "A")
    transport.close()
    return [record.to_text() for record in answer], server.asked

"""grpclib: one call over HTTP/2, its messages being plain bytes."""

from __future__ import annotations

from typing import Any

from grpclib.client import Channel, UnaryUnaryMethod
from grpclib.const import Cardinality, Handler
from grpclib.encoding.base import CodecBase
from grpclib.server import Server

from transfer.simulation import Link, Simulation, scenario


class Plain(CodecBase):
    """Bytes as they are."""

    __content_subtype__ = "plain"

    def encode(self, message: Any, message_type: Any) -> bytes:
        return bytes(message)

    def decode(self, data: bytes, message_type: Any) -> bytes:
        return data


class Greeter:
    """A service of one method."""

    async def greet(self, stream: Any) -> None:
        await stream.send_message(b"hello " + await stream.recv_message())

    def __mapping__(self) -> dict[str, Handler]:
        return {"/Greeter/Greet": Handler(self.greet, Cardinality.UNARY_UNARY, bytes, bytes)}


@scenario(link=Link(delay_s=0.02, jitter_s=0.005))
async def run_program(simulation: Simulation) -> bytes:
    with simulation.host("10.0.0.1"):
        server = Server([Greeter()], codec=Plain())
        await server.start("0.0.0.0", 50051)
    with simulation.host("10.0.0.2"):
        async with Channel("10.0.0.1", 50051, codec=Plain()) as channel:
            answer: bytes = await UnaryUnaryMethod(channel, "/Greeter/Greet", bytes, bytes)(b"world")
    server.close()
    await server.wait_closed()
    return answer

"""Gateways to be asked for mappings, which do as they are told: NAT-PMP and PCP over UDP, UPnP over SSDP and HTTP.

They build their bytes by themselves, from the RFCs, and share no code with the product.
"""

from __future__ import annotations

import asyncio
import re
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

OUTER = "11.22.33.44"
PROTOCOLS = {"TCP": 6, "UDP": 17}


@dataclass
class Box:
    """A gateway's table, whatever it is asked in.

    Attributes:
        taken: outer ports that other hosts have.
        gives_next: whether a port that is taken leads to the next one instead of a refusal.
        max_lifetime_s: no mapping lasts longer.
        started_at: the epoch counts from here.
    """

    outer: str = OUTER
    taken: set[int] = field(default_factory=set)
    gives_next: bool = True
    max_lifetime_s: int = 86_400
    started_at: float = 0.0
    mappings: dict[tuple[int, int], tuple[str, int]] = field(default_factory=dict)
    asked: list[tuple[float, int, int, int]] = field(default_factory=list)
    """When, protocol, outer port wished for, lifetime."""

    def epoch(self) -> int:
        return int(asyncio.get_running_loop().time() - self.started_at)

    def restart(self) -> None:
        """The table is lost."""
        self.started_at = asyncio.get_running_loop().time()
        self.mappings.clear()

    def map(self, client: str, protocol: int, inner: int, wished: int, lifetime_s: int) -> tuple[int, int] | None:
        """The outer port and the lifetime, or None where the port is taken."""
        self.asked.append((asyncio.get_running_loop().time(), protocol, wished, lifetime_s))
        own = [
            outer for (number, outer), place in self.mappings.items() if number == protocol and place == (client, inner)
        ]
        if not lifetime_s:
            for outer in own:
                del self.mappings[protocol, outer]
            return 0, 0
        if own:
            return own[0], min(lifetime_s, self.max_lifetime_s)
        while self.gives_next and wished in self.taken:
            wished += 1
        if wished in self.taken:
            return None
        self.mappings[protocol, wished] = client, inner
        return wished, min(lifetime_s, self.max_lifetime_s)


class DatagramBox(asyncio.DatagramProtocol):
    """Answers NAT-PMP and PCP.

    Args:
        speaks: "pcp", "natpmp", both, or neither, which is silence.
        twist: what becomes of each answer before it is sent; None: it is not sent.
        natpmp_code: what NAT-PMP refuses with; 0 to do as asked.
        pcp_code: the same for PCP.
    """

    def __init__(
        self,
        box: Box,
        *,
        speaks: tuple[str, ...] = ("pcp", "natpmp"),
        twist: Callable[[bytes], bytes | None] = lambda answer: answer,
        natpmp_code: int = 0,
        pcp_code: int = 0,
    ) -> None:
        self.box = box
        self.speaks = speaks
        self.twist = twist
        self.natpmp_code = natpmp_code
        self.pcp_code = pcp_code
        self.transport: Any = None
        self.heard: list[bytes] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self.heard.append(data)
        answer = self._pcp(data) if data[0] == 2 else self._natpmp(data, addr[0])
        twisted = self.twist(answer) if answer is not None else None
        if twisted is not None:
            self.transport.sendto(twisted, addr)

    def _natpmp(self, data: bytes, client: str) -> bytes | None:
        if "natpmp" not in self.speaks:
            return struct.pack(">BBBBII12x", 2, data[1] | 128, 0, 1, 0, self.box.epoch()) if self.speaks else None
        head = struct.pack(">BBHI", 0, data[1] | 128, self.natpmp_code, self.box.epoch())
        if data[1] == 0:
            return head + bytes(map(int, self.box.outer.split(".")))
        inner, wished, lifetime_s = struct.unpack(">HHI", data[4:12])
        if self.natpmp_code:
            return head + struct.pack(">HHI", inner, 0, 0)
        made = self.box.map(client, 6 if data[1] == 2 else 17, inner, wished, lifetime_s)
        if made is None:
            return struct.pack(">BBHI", 0, data[1] | 128, 4, self.box.epoch()) + struct.pack(">HHI", inner, 0, 0)
        return head + struct.pack(">HHI", inner, *made)

    def _pcp(self, data: bytes) -> bytes | None:
        if "pcp" not in self.speaks:
            return struct.pack(">BBHI", 0, data[1] | 128, 1, self.box.epoch()) if self.speaks else None
        lifetime_s = struct.unpack(">I", data[4:8])[0]
        client = ".".join(map(str, data[20:24]))
        protocol, inner, wished = data[36], *struct.unpack(">HH", data[40:44])
        code, made = self.pcp_code, (0, 0)
        if not code:
            found = self.box.map(client, protocol, inner, wished, lifetime_s)
            code, made = (0, found) if found is not None else (11, (0, 0))
        head = struct.pack(">BBBBII12x", 2, data[1] | 128, 0, code, made[1], self.box.epoch())
        outer = bytes(10) + b"\xff\xff" + bytes(map(int, self.box.outer.split(".")))
        return head + data[24:40] + struct.pack(">HH", inner, made[0]) + outer


@asynccontextmanager
async def datagram_box(box: Box, host: str, *, port: int = 5351, **options: Any) -> AsyncIterator[DatagramBox]:
    """A gateway at that address."""
    protocol = DatagramBox(box, **options)
    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(lambda: protocol, local_addr=(host, port))
    try:
        yield protocol
    finally:
        transport.close()


DESCRIPTION = """<?xml version="1.0"?>
<root xmlns="urn:schemas-upnp-org:device-1-0"><device>
<deviceType>urn:schemas-upnp-org:device:InternetGatewayDevice:1</deviceType><deviceList><device><deviceList><device>
<serviceList><service><serviceType>urn:schemas-upnp-org:service:WANIPConnection:1</serviceType>
<controlURL>/control</controlURL></service></serviceList></device></deviceList></device></deviceList></device></root>"""


class UpnpBox:
    """Answers SSDP searches and SOAP calls.

    Attributes:
        description: what it says of itself; `location` where, if not here.
        faults: codes by action.
        only_permanent: it refuses mappings that end (725).
        hangs: it takes connections and says nothing.
        raw: said instead of every answer over HTTP.
    """

    def __init__(self, box: Box) -> None:
        self.box = box
        self.description = DESCRIPTION
        self.location: str | None = None
        self.faults: dict[str, int] = {}
        self.only_permanent = False
        self.hangs = False
        self.raw: bytes | None = None
        self.calls: list[tuple[str, dict[str, str]]] = []
        self.port = 0
        self.host = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            length = re.search(rb"content-length: *(\d+)", head, re.IGNORECASE)
            body = await reader.readexactly(int(length[1])) if length else b""
            if self.hangs:
                await reader.read()  # until the other side has had enough
            if self.raw is not None:
                writer.write(self.raw)
            elif head.startswith(b"GET"):
                writer.write(_http(200, self.description))
            else:
                writer.write(self._call(head, body, writer.get_extra_info("peername")[0]))
            await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    def _call(self, head: bytes, body: bytes, client: str) -> bytes:
        found = re.search(rb'soapaction: *"[^#]*#(\w+)"', head, re.IGNORECASE)
        assert found is not None
        action = found[1].decode()
        arguments = dict(re.findall(r"<(New\w+)>([^<]*)</", body.decode()))
        self.calls.append((action, arguments))
        if action in self.faults:
            return _fault(self.faults[action])
        answers: dict[str, str] = {}
        if action == "GetExternalIPAddress":
            answers = {"NewExternalIPAddress": self.box.outer}
        else:
            key = PROTOCOLS[arguments["NewProtocol"]], int(arguments["NewExternalPort"])
            if action == "AddPortMapping":
                if self.only_permanent and arguments["NewLeaseDuration"] != "0":
                    return _fault(725)
                if key[1] in self.box.taken:
                    return _fault(718)
                self.box.mappings[key] = arguments["NewInternalClient"], int(arguments["NewInternalPort"])
            elif key not in self.box.mappings:
                if action == "GetSpecificPortMappingEntry":
                    return _fault(714)
            elif action == "DeletePortMapping":
                del self.box.mappings[key]
            else:
                host, port = self.box.mappings[key]
                answers = {"NewInternalPort": str(port), "NewInternalClient": host, "NewLeaseDuration": "9"}
        inside = "".join(f"<{name}>{text}</{name}>" for name, text in answers.items())
        return _http(
            200, f'<Envelope><Body><u:{action}Response xmlns:u="x">{inside}</u:{action}Response></Body></Envelope>'
        )


class _Ssdp(asyncio.DatagramProtocol):
    def __init__(self, box: UpnpBox) -> None:
        self._box = box
        self._transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        if data.startswith(b"M-SEARCH") and b"InternetGatewayDevice:1" in data:
            location = self._box.location or f"http://{self._box.host}:{self._box.port}/root.xml"
            kind = "urn:schemas-upnp-org:device:InternetGatewayDevice:1"
            self._transport.sendto(f"HTTP/1.1 200 OK\r\nST: {kind}\r\nLOCATION: {location}\r\n\r\n".encode(), addr)


@asynccontextmanager
async def upnp_box(box: Box, host: str, *, ssdp_port: int = 1900) -> AsyncIterator[UpnpBox]:
    """A gateway at that address."""
    loop = asyncio.get_running_loop()
    made = UpnpBox(box)
    made.host = host
    server = await asyncio.start_server(made.serve, host, 0)
    made.port = server.sockets[0].getsockname()[1]
    transport, _ = await loop.create_datagram_endpoint(lambda: _Ssdp(made), local_addr=(host, ssdp_port))
    try:
        yield made
    finally:
        transport.close()
        server.close()


def _fault(code: int) -> bytes:
    return _http(
        500,
        '<s:Envelope xmlns:s="s"><s:Body><s:Fault><detail><UPnPError xmlns="urn:schemas-upnp-org:control-1-0">'
        f"<errorCode>{code}</errorCode><errorDescription>no</errorDescription></UPnPError></detail></s:Fault></s:Body>"
        "</s:Envelope>",
    )


def _http(status: int, body: str) -> bytes:
    data = body.encode()
    return f"HTTP/1.1 {status} x\r\nContent-Length: {len(data)}\r\nConnection: close\r\n\r\n".encode() + data

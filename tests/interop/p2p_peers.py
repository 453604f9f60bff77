"""Other implementations of libp2p as processes: js-libp2p, py-libp2p, and the daemon of go-libp2p.

Each serves /test/echo/1.0.0, which sends back what comes, and /test/reset/1.0.0, which resets the stream.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Protocol

from tests.interop.ports import free_port
from tests.interop.programs import JsonChild, end_process
from tests.interop.require import missing, require_program
from tests.machine import CHECKOUT
from transfer.host.delimited import delimited
from transfer.wire import protobuf

FOLDER = CHECKOUT / ".tox" / "p2p"
CHILDREN = Path(__file__).parent / "p2p"
ECHO, RESET, UNKNOWN = "/test/echo/1.0.0", "/test/reset/1.0.0", "/test/unknown/1.0.0"


class Peer(Protocol):
    """A foreign host."""

    address: str
    peer_id: str

    async def connect(self, address: str) -> None:
        """Calls a peer."""

    async def known(self, peer_id: str) -> dict[str, Any]:
        """What it knows of a peer: protocols, addresses."""

    async def ping(self, address: str) -> float:
        """Seconds."""

    async def echo(self, address: str, *, size: int, streams: int = 1) -> bool:
        """Sends bytes through that many streams at once and reads them back, each half-closed behind its bytes."""

    async def reset(self, address: str) -> str:
        """What it sees of a stream that the other side resets."""

    async def refused(self, address: str) -> str:
        """What it sees of a protocol that the other side does not speak."""


class Child(JsonChild):
    """One that is told what to do by JSON lines."""

    address: str
    peer_id: str

    async def start(self) -> None:
        told = await self.do("addresses")
        self.peer_id = told["peer_id"]
        address = next(each for each in told["addresses"] if "/127.0.0.1/" in each)
        self.address = address if "/p2p/" in address else f"{address}/p2p/{self.peer_id}"

    async def connect(self, address: str) -> None:
        await self.do("connect", address=address)

    async def known(self, peer_id: str) -> dict[str, Any]:
        return await self.do("known", peer_id=peer_id)

    async def ping(self, address: str) -> float:
        return float((await self.do("ping", address=address))["milliseconds"]) / 1000

    async def echo(self, address: str, *, size: int, streams: int = 1) -> bool:
        answer = await self.do("echo", address=address, size=size, streams=streams)
        return bool(answer["same"]) and answer["bytes"] == [size] * streams

    async def reset(self, address: str) -> str:
        return str((await self.do("reset", address=address))["error_name"])

    async def refused(self, address: str) -> str:
        return str((await self.do("refused", address=address))["error_name"])


@asynccontextmanager
async def js_peer() -> AsyncIterator[Child]:
    """js-libp2p."""
    modules = FOLDER / "js" / "node_modules"
    if not modules.is_dir():
        missing("js-libp2p is not installed: tests/interop/p2p/install")
    node = require_program("node", "nodejs")
    async with Child([str(CHILDREN / "child.mjs"), str(modules), str(free_port())], program=node) as child:
        await child.start()
        yield child


@asynccontextmanager
async def py_peer() -> AsyncIterator[Child]:
    """py-libp2p, on a Python of its own."""
    python = FOLDER / "python" / "bin" / "python"
    if not python.exists():
        missing("py-libp2p is not installed: tests/interop/p2p/install")
    command = ["-I", str(CHILDREN / "python_child.py"), str(free_port())]
    async with Child(command, program=str(python)) as child:
        await child.start()
        yield child


@asynccontextmanager
async def go_peer(*arguments: str) -> AsyncIterator[GoPeer]:
    """The daemon of go-libp2p, which calls nobody."""
    program = FOLDER / "go" / "p2pd"
    if not program.exists():
        missing("go-libp2p is not installed: tests/interop/p2p/install")
    folder = Path(tempfile.mkdtemp(prefix="p2pd-"))
    port = free_port()
    options = ["-listen", f"/unix{folder}/control", "-hostAddrs", f"/ip4/127.0.0.1/tcp/{port}", *arguments]
    process = await asyncio.create_subprocess_exec(
        str(program), *options, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
    )
    peer = GoPeer(folder, port)
    try:
        assert process.stdout is not None
        async with asyncio.timeout(20):
            while not (line := (await process.stdout.readline()).decode()).startswith("Peer ID:"):
                assert line, "p2pd ended at once"
            peer.peer_id = line.split()[-1]
            peer.address = f"/ip4/127.0.0.1/tcp/{port}/p2p/{peer.peer_id}"
            while "Peer Addrs" not in (await process.stdout.readline()).decode():
                pass
        await peer.start()
        yield peer
    finally:
        await peer.aclose()
        await end_process(process)
        shutil.rmtree(folder)


class GoPeer:
    """go-libp2p, whose streams end in this process: requests and streams go over Unix sockets.

    The daemon closes both directions of a stream when one ends, so half-closing is shown with go's own protocols.
    """

    address: str
    peer_id: str

    def __init__(self, folder: Path, port: int) -> None:
        self._folder = folder
        self._port = port
        self._servers: list[asyncio.Server] = []
        self._serving: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Serves echo and reset."""
        for protocol, serve in ((ECHO, self._serve_echo), (RESET, self._serve_reset)):
            path = self._folder / protocol.split("/")[2]
            self._servers.append(await asyncio.start_unix_server(serve, path))
            await self._ask(type=3, streamHandler=_HANDLER(addr=_unix(path), proto=[protocol], balanced=False))

    async def aclose(self) -> None:
        for server in self._servers:
            server.close()

    async def connect(self, address: str) -> None:
        where, peer = _split(address)
        await self._ask(type=1, connect=_CONNECT(peer=peer, addrs=[where]))

    async def known(self, peer_id: str) -> dict[str, Any]:
        raise NotImplementedError("p2pd does not tell")

    async def ping(self, address: str) -> float:
        """Its daemon has no such command: the test speaks the protocol on a stream of it."""
        loop = asyncio.get_running_loop()
        reader, writer = await self.open_stream(address, "/ipfs/ping/1.0.0")
        sent = os.urandom(32)
        started_at = loop.time()
        writer.write(sent)
        assert await reader.readexactly(32) == sent
        writer.close()
        return loop.time() - started_at

    async def echo(self, address: str, *, size: int, streams: int = 1) -> bool:
        async def one() -> bool:
            reader, writer = await self.open_stream(address, ECHO)
            data = os.urandom(size)
            reading = asyncio.create_task(reader.readexactly(size))
            writer.write(data)
            received = await reading
            writer.close()
            return received == data

        return all(await asyncio.gather(*(one() for _ in range(streams))))

    async def reset(self, address: str) -> str:
        reader, writer = await self.open_stream(address, RESET)
        writer.write(b"\1")
        try:
            data = await reader.read()
        except OSError as error:
            return type(error).__name__
        writer.close()
        return "end" if not data else ""

    async def refused(self, address: str) -> str:
        try:
            await self.open_stream(address, UNKNOWN)
        except RuntimeError as error:
            return str(error)
        return ""

    async def open_stream(self, address: str, protocol: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A stream of the daemon's, as a Unix socket."""
        await self.connect(address)
        _, peer = _split(address)
        reader, writer = await asyncio.open_unix_connection(self._folder / "control", limit=1 << 20)
        try:
            await self._exchange(reader, writer, type=2, streamOpen=_OPEN(peer=peer, proto=[protocol]))
        except BaseException:
            writer.close()
            raise
        return reader, writer

    async def _ask(self, **request: Any) -> Any:
        reader, writer = await asyncio.open_unix_connection(self._folder / "control")
        try:
            return await self._exchange(reader, writer, **request)
        finally:
            writer.close()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, **request: Any) -> Any:
        writer.write(delimited(protobuf.encode(_REQUEST(**request))))
        response = protobuf.decode(_RESPONSE, await _read_delimited(reader), max_bytes=1 << 20)
        if response.type:
            raise RuntimeError(f"p2pd: {response.error.msg}")
        return response

    async def _serve_echo(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await _read_delimited(reader)  # who calls
        while data := await reader.read(1 << 18):
            writer.write(data)
            await writer.drain()
        writer.close()

    async def _serve_reset(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """The daemon resets a stream when its socket breaks off."""
        await _read_delimited(reader)
        await reader.read(1)
        writer.transport.abort()


async def _read_delimited(reader: asyncio.StreamReader) -> bytes:
    size = shift = 0
    while True:
        byte = (await reader.readexactly(1))[0]
        size |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return await reader.readexactly(size)


def _split(address: str) -> tuple[bytes, bytes]:
    from transfer.multiaddr.multiaddr import Multiaddr

    parsed = Multiaddr.parse(address)
    assert parsed.peer_id is not None
    return bytes(parsed.without_peer_id or b""), parsed.peer_id.multihash


def _unix(path: Path) -> bytes:
    from transfer.wire.varint import encode_varint

    text = str(path).encode()
    return encode_varint(400) + encode_varint(len(text)) + text


_TYPES = protobuf.message_types(
    "tests.p2pd",
    Request={
        "type": (1, "required int32"),
        "connect": (2, "optional Connect"),
        "streamOpen": (3, "optional StreamOpen"),
        "streamHandler": (4, "optional StreamHandler"),
    },
    Connect={"peer": (1, "required bytes"), "addrs": (2, "repeated bytes")},
    StreamOpen={"peer": (1, "required bytes"), "proto": (2, "repeated string")},
    StreamHandler={"addr": (1, "required bytes"), "proto": (2, "repeated string"), "balanced": (3, "required bool")},
    Response={"type": (1, "required int32"), "error": (2, "optional Error")},
    Error={"msg": (1, "required string")},
)
_REQUEST, _CONNECT, _OPEN = _TYPES["Request"], _TYPES["Connect"], _TYPES["StreamOpen"]
_HANDLER, _RESPONSE = _TYPES["StreamHandler"], _TYPES["Response"]
PEERS = {"go": go_peer, "js": js_peer, "py": py_peer}

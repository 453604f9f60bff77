"""Servers of the DHTs of go-libp2p, js-libp2p and py-libp2p, told what to do: all speak /ipfs/kad/1.0.0 on loopback."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Protocol

from kademlia_core import content_key
from tests.interop.p2p_peers import CHILDREN, FOLDER, Child, GoPeer, _read_delimited, go_peer
from tests.interop.ports import free_port
from tests.interop.require import missing, require_program
from transfer.host.delimited import delimited
from transfer.identity.peer_id import PeerId
from transfer.multiaddr.multiaddr import Multiaddr
from transfer.wire import protobuf

TIMEOUT_S = 20


class KadPeer(Protocol):
    """A foreign server. Values are of the namespace that it knows: go's are IPNS records, the others' under /v."""

    address: str
    peer_id: str

    async def join(self, address: str) -> None:
        """Meets another server."""

    async def knows(self, peer_id: str) -> bool:
        """Whether a server is in its table."""

    async def provide(self, cid: str) -> None:
        """Announces itself."""

    async def find_providers(self, cid: str) -> dict[str, list[str]]:
        """Who has a content, and where they are."""

    async def put(self, key: bytes, value: bytes) -> None:
        """Stores a value."""

    async def get(self, key: bytes) -> bytes | None:
        """Looks for a value."""

    async def find_peer(self, peer_id: str) -> list[str]:
        """Where a peer is."""


class JsonKadPeer(Child):
    """js or py: a child that takes JSON. py wants multihashes, js content ids."""

    is_js = True

    async def join(self, address: str) -> None:
        await self.do("connect", address=address)

    async def knows(self, peer_id: str) -> bool:
        return peer_id in (await self.do("table"))["peers"]

    async def provide(self, cid: str) -> None:
        await self.do("provide", **self._content(cid))

    async def find_providers(self, cid: str) -> dict[str, list[str]]:
        found: dict[str, list[str]] = (await self.do("find_providers", **self._content(cid)))["found"]
        return found

    async def put(self, key: bytes, value: bytes) -> None:
        await self.do("put", key=key.hex(), value=value.hex())

    async def get(self, key: bytes) -> bytes | None:
        value = (await self.do("get", key=key.hex()))["value"]
        return bytes.fromhex(value) if value is not None else None

    async def find_peer(self, peer_id: str) -> list[str]:
        return list((await self.do("find_peer", peer_id=peer_id))["addresses"])

    def _content(self, cid: str) -> dict[str, str]:
        return {"cid": cid} if self.is_js else {"key": content_key(cid).hex()}


class PyKadPeer(JsonKadPeer):
    """py-libp2p."""

    is_js = False


class GoKadPeer:
    """The daemon of go-libp2p with its DHT."""

    def __init__(self, peer: GoPeer) -> None:
        self._peer = peer
        self.address, self.peer_id = peer.address, peer.peer_id

    async def join(self, address: str) -> None:
        await self._peer.connect(address)

    async def knows(self, peer_id: str) -> bool:
        """It does not tell its table, but whom it is connected with it finds."""
        return bool(await self.find_peer(peer_id))

    async def provide(self, cid: str) -> None:
        await self._ask(8, cid=_cid(cid))

    async def find_providers(self, cid: str) -> dict[str, list[str]]:
        found = [each.peer for each in await self._ask(2, cid=_cid(cid), count=20)]
        return {str(PeerId(info.id)): [str(Multiaddr(each)) for each in info.addrs] for info in found}

    async def put(self, key: bytes, value: bytes) -> None:
        await self._ask(7, key=key, value=value)

    async def get(self, key: bytes) -> bytes | None:
        return bytes((await self._ask(5, key=key))[0].value)

    async def find_peer(self, peer_id: str) -> list[str]:
        found = (await self._ask(0, peer=PeerId.parse(peer_id).multihash))[0].peer
        return [str(Multiaddr(each)) for each in found.addrs]

    async def _ask(self, kind: int, **request: Any) -> list[Any]:
        """A question to the DHT; the answers come one by one between a beginning and an end."""
        reader, writer = await asyncio.open_unix_connection(self._peer._folder / "control")
        try:
            asked = _REQUEST(type=4, dht=_DHT(type=kind, timeout=TIMEOUT_S, **request))
            writer.write(delimited(protobuf.encode(asked)))
            response = protobuf.decode(_RESPONSE, await _read_delimited(reader), max_bytes=1 << 20)
            if response.type:
                raise RuntimeError(f"p2pd: {response.error.msg}")
            if not response.HasField("dht"):
                return []
            if response.dht.type != BEGIN:
                return [response.dht]
            found: list[Any] = []
            while True:
                each = protobuf.decode(_ANSWER, await _read_delimited(reader), max_bytes=1 << 20)
                if each.type == END:
                    return found
                found.append(each)
        finally:
            writer.close()


@asynccontextmanager
async def go_kad() -> AsyncIterator[GoKadPeer]:
    """go-libp2p."""
    async with go_peer("-dhtServer") as peer:
        yield GoKadPeer(peer)


@asynccontextmanager
async def js_kad() -> AsyncIterator[JsonKadPeer]:
    """js-libp2p."""
    modules = FOLDER / "js" / "node_modules"
    if not (modules / "@libp2p" / "kad-dht").is_dir():
        missing("js-libp2p's DHT is not installed: tests/interop/p2p/install")
    node = require_program("node", "nodejs")
    async with JsonKadPeer([str(CHILDREN / "kad.mjs"), str(modules), str(free_port())], program=node) as child:
        await child.start()
        yield child


@asynccontextmanager
async def py_kad() -> AsyncIterator[PyKadPeer]:
    """py-libp2p, on a Python of its own."""
    python = FOLDER / "python" / "bin" / "python"
    if not python.exists():
        missing("py-libp2p is not installed: tests/interop/p2p/install")
    command = ["-I", str(CHILDREN / "kad_python.py"), str(free_port())]
    async with PyKadPeer(command, program=str(python)) as child:
        await child.start()
        yield child


def _cid(text: str) -> bytes:
    return b"\x01\x55" + content_key(text)


BEGIN, END = 0, 2
_TYPES = protobuf.message_types(
    "tests.p2pd.dht",
    Request={"type": (1, "required int32"), "dht": (5, "optional Dht")},
    Dht={
        "type": (1, "required int32"),
        "peer": (2, "optional bytes"),
        "cid": (3, "optional bytes"),
        "key": (4, "optional bytes"),
        "value": (5, "optional bytes"),
        "count": (6, "optional int32"),
        "timeout": (7, "optional int64"),
    },
    Response={"type": (1, "required int32"), "error": (2, "optional Error"), "dht": (5, "optional Answer")},
    Error={"msg": (1, "required string")},
    Answer={"type": (1, "required int32"), "peer": (2, "optional Info"), "value": (3, "optional bytes")},
    Info={"id": (1, "required bytes"), "addrs": (2, "repeated bytes")},
)
_REQUEST, _DHT, _RESPONSE, _ANSWER = (_TYPES[name] for name in ("Request", "Dht", "Response", "Answer"))
KAD_PEERS: dict[str, Any] = {"go": go_kad, "js": js_kad, "py": py_kad}

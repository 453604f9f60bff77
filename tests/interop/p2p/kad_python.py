"""A server of py-libp2p's DHT that is told what to do in JSON: a command a line on standard input, an answer a line on
its output.

Run by the Python of `.tox/p2p/python`, which has nothing of this project:

    python kad_python.py PORT
"""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import AsyncIterator
from typing import Any

import trio
from libp2p import new_host
from libp2p.crypto.ed25519 import create_new_key_pair
from libp2p.kad_dht.kad_dht import DHTMode, KadDHT
from libp2p.peer.id import ID
from libp2p.peer.peerinfo import info_from_p2p_addr
from libp2p.records.validator import Validator
from libp2p.tools.anyio_service.context import background_trio_service
from multiaddr import Multiaddr

logging.disable(logging.CRITICAL)


class AnyValue(Validator):  # type: ignore[misc]
    """The namespace /v."""

    def validate(self, key: Any, value: bytes) -> None:
        pass

    def select(self, key: Any, values: list[bytes]) -> int:
        return 0


class Child:
    def __init__(self, port: int) -> None:
        self.listen = [Multiaddr(f"/ip4/127.0.0.1/tcp/{port}")]
        self.host = new_host(key_pair=create_new_key_pair(os.urandom(32)))
        self.dht = KadDHT(self.host, DHTMode.SERVER)
        self.dht.register_validator("v", AnyValue())

    async def run(self) -> None:
        async with self.host.run(listen_addrs=self.listen), background_trio_service(self.dht):
            async for line in lines():
                command = json.loads(line)
                number, name = command.pop("id"), command.pop("do")
                try:
                    answer = await getattr(self, f"do_{name}")(**command)
                except Exception as error:  # noqa: BLE001
                    answer = {"error": f"{type(error).__name__}: {error}"}
                print(json.dumps({"id": number, **answer}), flush=True)

    async def do_addresses(self) -> dict[str, Any]:
        return {"peer_id": str(self.host.get_id()), "addresses": [str(each) for each in self.host.get_addrs()]}

    async def do_connect(self, address: str) -> dict[str, Any]:
        info = info_from_p2p_addr(Multiaddr(address))
        await self.host.connect(info)
        await self.dht.add_peer(info.peer_id)
        return {}

    async def do_table(self) -> dict[str, Any]:
        return {"peers": [str(each) for each in self.dht.routing_table.get_peer_ids()]}

    async def do_provide(self, key: str) -> dict[str, Any]:
        return {"done": await self.dht.provider_store.provide(bytes.fromhex(key))}

    async def do_find_providers(self, key: str) -> dict[str, Any]:
        found = await self.dht.provider_store.find_providers(bytes.fromhex(key))
        return {"found": {str(info.peer_id): [str(each) for each in info.addrs] for info in found}}

    async def do_put(self, key: str, value: str) -> dict[str, Any]:
        await self.dht.put_value(bytes.fromhex(key).decode(), bytes.fromhex(value))
        return {}

    async def do_get(self, key: str) -> dict[str, Any]:
        value = await self.dht.get_value(bytes.fromhex(key).decode())
        return {"value": value.hex() if value is not None else None}

    async def do_find_peer(self, peer_id: str) -> dict[str, Any]:
        info = await self.dht.find_peer(ID.from_string(peer_id))
        return {"addresses": [str(each) for each in info.addrs] if info is not None else []}


async def lines() -> AsyncIterator[str]:
    while line := await trio.to_thread.run_sync(sys.stdin.readline):
        yield line


if __name__ == "__main__":
    trio.run(Child(int(sys.argv[1])).run)

"""A py-libp2p host that is told what to do in JSON: a command a line on standard input, an answer a line on its output.

Run by the Python of `.tox/p2p/python`, which has nothing of this project:

    python python_child.py PORT

It serves /test/echo, which sends back what comes, and /test/reset, which resets the stream after the first bytes.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import sys
from collections.abc import AsyncIterator
from typing import Any

import trio
from libp2p import new_host
from libp2p.crypto.ed25519 import create_new_key_pair
from libp2p.custom_types import TProtocol
from libp2p.host.ping import PingService
from libp2p.peer.id import ID
from libp2p.peer.peerinfo import info_from_p2p_addr
from multiaddr import Multiaddr

logging.disable(logging.CRITICAL)
ECHO, RESET, UNKNOWN = TProtocol("/test/echo/1.0.0"), TProtocol("/test/reset/1.0.0"), TProtocol("/test/unknown/1.0.0")
ENDS = ("StreamEOF", "StreamReset", "StreamClosed", "StreamError", "MuxedStreamEOF", "MuxedStreamReset")


class Child:
    def __init__(self, port: int) -> None:
        self.listen = [Multiaddr(f"/ip4/127.0.0.1/tcp/{port}")]
        self.host = new_host(key_pair=create_new_key_pair(os.urandom(32)))
        self.host.set_stream_handler(ECHO, serve_echo)
        self.host.set_stream_handler(RESET, serve_reset)

    async def run(self) -> None:
        async with self.host.run(listen_addrs=self.listen):
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
        return {"peer_id": str(info.peer_id)}

    async def do_ping(self, address: str) -> dict[str, Any]:
        return {"milliseconds": (await PingService(self.host).ping(await self._peer(address)))[0]}

    async def do_known(self, peer_id: str) -> dict[str, Any]:
        peer, store = ID.from_string(peer_id), self.host.get_peerstore()
        try:
            return {"protocols": store.get_protocols(peer), "addresses": [str(each) for each in store.addrs(peer)]}
        except Exception:  # noqa: BLE001
            return {}

    async def do_echo(self, address: str, size: int, streams: int) -> dict[str, Any]:
        peer = await self._peer(address)
        found: list[tuple[int, bool]] = []

        async def one() -> None:
            stream = await self.host.new_stream(peer, [ECHO])
            data = os.urandom(size)
            received = bytearray()

            async def write() -> None:
                for start in range(0, size, 65536):
                    await stream.write(data[start : start + 65536])
                await stream.close_write()

            async with trio.open_nursery() as nursery:
                nursery.start_soon(write)
                while len(received) < size:
                    try:
                        received += await stream.read(65536)
                    except Exception as error:
                        if type(error).__name__ in ENDS:
                            break
                        raise
            found.append((len(received), hashlib.sha256(received).digest() == hashlib.sha256(data).digest()))
            await stream.close()

        async with trio.open_nursery() as nursery:
            for _ in range(streams):
                nursery.start_soon(one)
        return {"bytes": [size for size, _ in found], "same": all(same for _, same in found)}

    async def do_reset(self, address: str) -> dict[str, Any]:
        stream = await self.host.new_stream(await self._peer(address), [RESET])
        await stream.write(b"\1")
        try:
            data = await stream.read(1)
        except Exception as error:  # noqa: BLE001
            return {"error_name": type(error).__name__}
        return {"error_name": "" if data else "end"}

    async def do_refused(self, address: str) -> dict[str, Any]:
        try:
            await self.host.new_stream(await self._peer(address), [UNKNOWN])
        except Exception as error:  # noqa: BLE001
            return {"error_name": type(error).__name__}
        return {"error_name": ""}

    async def do_handle(self, protocol: str) -> dict[str, Any]:
        self.host.set_stream_handler(TProtocol(protocol), serve_reset)
        return {}

    async def _peer(self, address: str) -> ID:
        info = info_from_p2p_addr(Multiaddr(address))
        await self.host.connect(info)
        return info.peer_id


async def lines() -> AsyncIterator[str]:
    while True:
        line = await trio.to_thread.run_sync(sys.stdin.readline, abandon_on_cancel=True)
        if not line:
            return
        yield line


async def serve_echo(stream: Any) -> None:
    try:
        while data := await stream.read(65536):
            await stream.write(data)
    except Exception as error:  # noqa: BLE001  # one that leaves a handler ends all streams of the connection
        if type(error).__name__ not in ENDS:
            return
    try:
        await stream.close()
    except Exception:  # noqa: BLE001
        return


async def serve_reset(stream: Any) -> None:
    try:
        await stream.read(1)
        await stream.reset()
    except Exception:  # noqa: BLE001
        return


if __name__ == "__main__":
    trio.run(Child(int(sys.argv[1])).run)

"""Two namespaces with a line between them that takes only so much: uTP over it, by a process in each.

`unshare -rn python -m tests.interop.path_mtu_child OURS THEIRS` sends from a device with the MTU OURS to one with
THEIRS, and prints what the sender knows in the end. What is larger than the other end's device takes is dropped there
without a word, as by many a tunnel; what is larger than one's own is refused by the kernel.
"""

from __future__ import annotations

import asyncio
import json
import random
import subprocess
import sys
from dataclasses import asdict
from typing import Any

from transfer import Address, UtpTransport, listen_streams, open_stream

CONTENT = random.Random(1).randbytes(600_000)
SERVER, CALLER = "10.9.0.2", "10.9.0.1"


def configure(device: str, address: str, mtu: str) -> None:
    for command in (
        f"ip address add {address}/24 dev {device}",
        f"ip link set {device} mtu {mtu} up",
    ):
        subprocess.run(command.split(), check=True)


async def serve(mtu: str) -> None:
    """Takes one connection, and answers with how much of what came is right."""
    print("here", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    configure("line1", SERVER, mtu)
    done = asyncio.Event()

    async def receive(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        got = await reader.read(-1)
        writer.write(b"right" if got == CONTENT else b"wrong")
        writer.close()
        await writer.wait_closed()
        done.set()

    async with UtpTransport() as transport, await listen_streams(transport, receive, Address(SERVER, 7)):
        print("listens", flush=True)
        await done.wait()


async def call() -> dict[str, Any]:
    """Sends the content, and says what became of it."""
    async with UtpTransport() as transport:
        reader, writer = await open_stream(transport, Address(SERVER, 7))
        writer.write(CONTENT)
        writer.write_eof()
        answer = await reader.read(-1)
        stats = writer.get_extra_info("utp_stats")
        writer.close()
        await writer.wait_closed()
    return {"answer": answer.decode(), **asdict(stats)}


def main(ours: str, theirs: str) -> None:
    program = ["unshare", "-n", sys.executable, "-m", "tests.interop.path_mtu_child", "serve", theirs]
    with subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        assert server.stdout.readline() == "here\n"
        subprocess.run(f"ip link add line0 type veth peer name line1 netns {server.pid}".split(), check=True)
        configure("line0", CALLER, ours)
        print("go", file=server.stdin, flush=True)
        assert server.stdout.readline() == "listens\n"
        print(json.dumps(asyncio.run(call())), flush=True)


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        asyncio.run(serve(sys.argv[2]))
    else:
        main(*sys.argv[1:])

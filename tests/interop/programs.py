"""Foreign programs as async context managers: started on free loopback ports, ended by their process id."""

from __future__ import annotations

import asyncio
import base64
import itertools
import json
import socket
import sys
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from transfer.address import Address

CHILD = Path(__file__).with_name("libtorrent_child.py")


def free_port() -> int:
    """A port that nobody uses for TCP or UDP right now. The number may be taken before it is used: start at once."""
    for _ in range(50):
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as tcp:
            tcp.bind(("127.0.0.1", 0))
            port: int = tcp.getsockname()[1]
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
                try:
                    udp.bind(("127.0.0.1", port))
                except OSError:
                    continue
                return port
    raise RuntimeError("no free port on 127.0.0.1")


async def wait_until(condition: Callable[[], Awaitable[bool]], *, what: str, within_s: float = 60.0) -> None:
    """Polls a foreign program, which can only be asked, until `condition` holds."""
    try:
        async with asyncio.timeout(within_s):
            while not await condition():  # noqa: ASYNC110  # another process has no event to wait for
                await asyncio.sleep(0.05)
    except TimeoutError:
        raise AssertionError(f"not within {within_s} s: {what}") from None


async def end_process(process: asyncio.subprocess.Process, *, grace_s: float = 5.0) -> None:
    """Asks the process to end, then makes it."""
    if process.returncode is not None:
        return
    process.terminate()
    try:
        async with asyncio.timeout(grace_s):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()


class JsonChild:
    """A process of ours that is told what to do by JSON lines on its standard input, and ends with it.

    Args:
        command: what Python runs: a script, or `-m` and a module; then `options` as JSON.
    """

    def __init__(self, command: Sequence[str], options: dict[str, Any]) -> None:
        self._command = (*command, json.dumps(options))
        self._numbers = itertools.count(1)
        self._process: asyncio.subprocess.Process | None = None
        self._turn = asyncio.Lock()

    async def __aenter__(self) -> Self:
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            *self._command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=1 << 24,
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.close()
        await end_process(self._process)

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    async def do(self, name: str, **arguments: Any) -> dict[str, Any]:
        """Runs `Child.do_<name>` in the child and returns its answer; an exception there is a RuntimeError here."""
        assert self._process is not None
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        async with self._turn:
            number = next(self._numbers)
            self._process.stdin.write(json.dumps({"id": number, "do": name, **arguments}).encode() + b"\n")
            await self._process.stdin.drain()
            line = await self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"the child process ended while it was asked to {name}")
        answer: dict[str, Any] = json.loads(line)
        if answer.pop("id") != number:
            raise RuntimeError(f"the child process answered another question than {name}")
        if answer.get("error"):
            raise RuntimeError(f"the child process: {name}: {answer['error']}")
        return answer


class LibtorrentPeer(JsonChild):
    """A libtorrent session in a child process, on `host` and a free port.

    Args:
        dht: switch its DHT node on; `add_dht_node` gives it an entry point.
        settings: libtorrent settings that override the quiet local defaults of `libtorrent_child`.
    """

    def __init__(self, *, host: str = "127.0.0.1", dht: bool = False, settings: dict[str, Any] | None = None) -> None:
        self.address = Address(host, free_port())
        options = {"listen_interfaces": f"{self.address}", "enable_dht": dht, **(settings or {})}
        super().__init__([str(CHILD)], options)

    async def __aenter__(self) -> Self:
        await super().__aenter__()

        async def listens() -> bool:
            answer = await self.do("port")
            return bool(answer["port"] == self.address.port)

        await wait_until(listens, what="libtorrent listens", within_s=20)
        return self

    async def add(self, save_path: Path, *, torrent: bytes = b"", magnet: str = "", seed: bool = False) -> str:
        """Adds a torrent; returns its info-hash in hex."""
        answer = await self.do(
            "add", save_path=str(save_path), torrent=base64.b64encode(torrent).decode(), magnet=magnet, seed=seed
        )
        info_hash: str = answer["info_hash"]
        return info_hash

    async def connect(self, info_hash: str, address: Address) -> None:
        await self.do("connect", info_hash=info_hash, host=address.host, port=address.port)

    async def status(self, info_hash: str) -> dict[str, Any]:
        return await self.do("status", info_hash=info_hash)

    async def wait_seeding(self, info_hash: str, *, within_s: float = 120.0) -> None:
        async def seeds() -> bool:
            return bool((await self.status(info_hash))["is_seeding"])

        await wait_until(seeds, what=f"libtorrent has all of {info_hash}", within_s=within_s)
        await self.do("flush", info_hash=info_hash)


async def run_aria2(torrent: bytes, download_dir: Path, *, within_s: float = 90.0) -> None:
    """Downloads a torrent with aria2, which finds peers through the tracker alone; an AssertionError shows its log."""
    download_dir.mkdir(parents=True, exist_ok=True)
    path = download_dir.with_suffix(".torrent")
    path.write_bytes(torrent)
    process = await asyncio.create_subprocess_exec(
        "aria2c",
        "--no-conf=true",
        "--seed-time=0",
        # Without its DHT aria2 has no UDP socket, and so no UDP trackers; the DHT knows nobody.
        "--enable-dht=true",
        f"--dht-listen-port={free_port()}",
        f"--dht-file-path={download_dir.with_suffix('.dht')}",
        f"--dht-entry-point=127.0.0.1:{free_port()}",
        "--enable-dht6=false",
        "--bt-enable-lpd=false",
        "--enable-peer-exchange=false",
        "--file-allocation=none",
        "--console-log-level=warn",
        "--summary-interval=0",
        f"--listen-port={free_port()}",
        f"--dir={download_dir}",
        str(path),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        async with asyncio.timeout(within_s):
            output, _ = await process.communicate()
    except TimeoutError:
        raise AssertionError(f"aria2 did not finish within {within_s} s") from None
    finally:
        await end_process(process)
    assert process.returncode == 0, output.decode(errors="replace")[-2000:]

"""aria2: run to the end of one download, or as a client that is told what to do over its JSON-RPC."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import aiohttp

from bittorrent import Magnet, Metainfo
from tests.interop.ports import free_port
from tests.interop.programs import Program, end_process, wait_until
from transfer.address import Address

QUIET_LOCAL = (
    "--no-conf=true",
    "--enable-dht6=false",
    "--file-allocation=none",
    "--console-log-level=warn",
    "--summary-interval=0",
)


class Aria2(Program):
    """A client at `address`, which seeds what it has until it is closed.

    It finds peers by itself only through a tracker, a DHT, other peers, or in the local network, and listens from its
    first torrent on.

    Args:
        dht: an entry point of a DHT; without one its own knows nobody. Without a DHT of its own it would have no UDP
            socket, and so no UDP trackers.
        settings: of its command line, by name.
    """

    name = "aria2c"
    package = "aria2"
    grace_s = 0.0  # it says goodbye to everybody for a second

    def __init__(
        self,
        *,
        host: str = "127.0.0.1",
        dht: Address | None = None,
        local_discovery: bool = False,
        settings: dict[str, str] | None = None,
    ) -> None:
        super().__init__(host=host)
        self._rpc = Address("127.0.0.1", free_port())
        self._dht_port = free_port()
        self._dht = dht or Address("127.0.0.1", free_port())
        self._settings = {
            "interface": host,
            "bt-enable-lpd": "true" if local_discovery else "false",
            "bt-lpd-interface": host,
            **(settings or {}),
        }
        self._downloads: dict[str, str] = {}  # its numbers by info-hash

    def arguments(self) -> Sequence[str]:
        return (
            *QUIET_LOCAL,
            "--enable-rpc=true",
            f"--rpc-listen-port={self._rpc.port}",
            "--seed-ratio=0.0",  # for ever
            "--disk-cache=0",
            f"--listen-port={self.address.port}",
            f"--dht-listen-port={self._dht_port}",
            f"--dht-file-path={self.directory / 'dht'}",
            f"--dht-entry-point={self._dht}",
            f"--dir={self.directory}",
            *(f"--{name}={value}" for name, value in self._settings.items()),
        )

    async def serves(self) -> bool:
        await self._call("getVersion")
        return True

    async def add(
        self,
        folder: Path,
        source: Metainfo | Magnet,
        *,
        seed: bool = False,
        select: Sequence[int] = (),
        resume_data: str = "",
        **options: str,
    ) -> str:
        """Starts a torrent; returns its info-hash in hex once it can be connected to.

        Args:
            seed: everything is there already, and need not be checked.
            select: the numbers of the files that it shall fetch, from 0.
            resume_data: what `stop` said; without it everything is checked.
            options: for this torrent, by name.
        """
        given = {
            "dir": str(folder),
            "bt-seed-unverified": "true" if seed else "false",
            "check-integrity": "false" if seed or resume_data else "true",
            **({"select-file": ",".join(str(number + 1) for number in select)} if select else {}),
            **{name.replace("_", "-"): value for name, value in options.items()},
        }
        info_hash = source.info_hash.hex()
        if isinstance(source, Metainfo):
            encoded = base64.b64encode(source.to_bytes()).decode()
            self._downloads[info_hash] = await self._call("addTorrent", encoded, [], given)
        else:
            self._downloads[info_hash] = await self._call("addUri", [str(source)], given)
        await wait_until(self._listens, what="aria2 listens", within_s=20)
        return info_hash

    async def stop(self, info_hash: str) -> str:
        """Pauses a torrent. What aria2 wants to know when it starts again is in a file beside the others."""
        gid = self._downloads[info_hash]
        await self._call("pause", gid)

        async def is_paused() -> bool:
            return bool((await self.status(info_hash))["status"] == "paused")

        await wait_until(is_paused, what="aria2 has paused", within_s=20)
        return "as it was left"

    async def status(self, info_hash: str) -> dict[str, Any]:
        """What it says about a torrent; behind a magnet link about its content as soon as there is one."""
        status: dict[str, Any] = await self._call("tellStatus", self._downloads[info_hash])
        if "followedBy" in status:
            status = await self._call("tellStatus", status["followedBy"][0])
        return status

    async def pieces(self, info_hash: str) -> set[int]:
        """What it has verified."""
        bits = bytes.fromhex((await self.status(info_hash)).get("bitfield", ""))
        return {index for index in range(8 * len(bits)) if bits[index // 8] >> (7 - index % 8) & 1}

    async def ports(self, info_hash: str) -> list[int]:
        """The other ends of its connections."""
        peers = await self._call("getPeers", (await self.status(info_hash))["gid"])
        return [int(peer["port"]) for peer in peers]

    async def wait_complete(self, info_hash: str, *, within_s: float = 60.0) -> None:
        """Returns once everything that is wanted is in its file."""

        async def seeds() -> bool:
            status = await self.status(info_hash)
            assert status["status"] != "error", status
            return bool(status.get("seeder") == "true")

        await wait_until(seeds, what=f"aria2 has all of {info_hash}", within_s=within_s)

    async def _listens(self) -> bool:
        try:
            return await super().serves()
        except OSError:
            return False

    async def _call(self, method: str, *parameters: Any) -> Any:
        question = {"jsonrpc": "2.0", "id": "1", "method": f"aria2.{method}", "params": parameters}
        async with (
            aiohttp.ClientSession() as http,
            http.post(f"http://{self._rpc}/jsonrpc", json=question) as response,
        ):
            answer = await response.json(content_type=None)
        if "error" in answer:
            raise RuntimeError(f"aria2: {method}: {answer['error']['message']}")
        return answer["result"]


async def run_aria2(torrent: bytes, download_dir: Path, *, within_s: float = 90.0) -> None:
    """Downloads a torrent with aria2, which finds peers through the tracker alone; an AssertionError shows its log."""
    download_dir.mkdir(parents=True, exist_ok=True)
    path = download_dir.with_suffix(".torrent")
    path.write_bytes(torrent)
    process = await asyncio.create_subprocess_exec(
        Aria2.name,
        *QUIET_LOCAL,
        "--seed-time=0",
        # Without its DHT aria2 has no UDP socket, and so no UDP trackers; the DHT knows nobody.
        f"--dht-listen-port={free_port()}",
        f"--dht-file-path={download_dir.with_suffix('.dht')}",
        f"--dht-entry-point=127.0.0.1:{free_port()}",
        "--bt-enable-lpd=false",
        "--enable-peer-exchange=false",
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

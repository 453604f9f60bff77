"""transmission-daemon: a client that is told what to do over its RPC."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import aiohttp

from bittorrent import Magnet, Metainfo
from tests.interop.ports import free_port
from tests.interop.programs import Program, wait_until
from transfer.address import Address


class Transmission(Program):
    """A client at `address`, which seeds what it has until it is closed.

    It never connects to an address of 127.0.0.0/8: somebody else has to call. Its DHT and local discovery are off.

    Args:
        utp: whether it speaks uTP as well.
    """

    name = "transmission-daemon"
    package = "transmission-daemon"

    def __init__(self, *, utp: bool = False, insists_on_encryption: bool = False) -> None:
        super().__init__()
        self._utp = utp
        self._encryption = "required" if insists_on_encryption else "tolerated"
        self._rpc = Address("127.0.0.1", free_port())
        self._session_id = ""

    def arguments(self) -> Sequence[str]:
        return (
            "--foreground",
            *("--config-dir", str(self.directory / "config"), "--download-dir", str(self.directory)),
            *("--rpc-bind-address", self._rpc.host, "--port", str(self._rpc.port), "--no-auth"),
            *("--bind-address-ipv4", self.address.host, "--bind-address-ipv6", "::1"),
            *("--peerport", str(self.address.port), "--no-portmap"),
            *("--no-dht", "--no-lpd", "--utp" if self._utp else "--no-utp"),
            *(f"--encryption-{self._encryption}", "--no-incomplete-dir"),
        )

    async def serves(self) -> bool:
        await self._call(
            "session-get"
        )  # its port for peers is open by then; it takes one handshake of a host at a time
        return True

    async def add(
        self, folder: Path, source: Metainfo | Magnet, *, seed: bool = False, select: Sequence[int] = ()
    ) -> str:
        """Starts a torrent, which begins with a check of what is there; returns its info-hash in hex.

        Args:
            seed: wait until the check has found that everything is there.
            select: the numbers of the files that it shall fetch, from 0.
        """
        arguments: dict[str, Any] = {"download-dir": str(folder), "paused": False}
        if isinstance(source, Metainfo):
            arguments["metainfo"] = base64.b64encode(source.to_bytes()).decode()
            if select:
                arguments["files-unwanted"] = [n for n in range(len(source.files)) if n not in select]
        else:
            arguments["filename"] = str(source)
        answer = await self._call("torrent-add", **arguments)
        info_hash: str = answer["torrent-added"]["hashString"]
        await self._call("torrent-verify", ids=[info_hash])
        await wait_until(lambda: self._is_checked(info_hash), what="transmission has checked the files", within_s=20)
        if seed:
            await self.wait_complete(info_hash)
        return info_hash

    async def status(self, info_hash: str) -> dict[str, Any]:
        fields = ["status", "leftUntilDone", "haveValid", "metadataPercentComplete", "error", "errorString", "peers"]
        answer = await self._call("torrent-get", ids=[info_hash], fields=fields)
        status: dict[str, Any] = answer["torrents"][0]
        return status

    async def wait_complete(self, info_hash: str, *, within_s: float = 60.0) -> None:
        """Returns once everything that is wanted is in its file."""

        async def seeds() -> bool:
            status = await self.status(info_hash)
            assert not status["error"], status
            return bool(status["metadataPercentComplete"] == 1 and status["status"] == SEEDING)

        await wait_until(seeds, what=f"transmission has all of {info_hash}", within_s=within_s)

    async def _is_checked(self, info_hash: str) -> bool:
        return (await self.status(info_hash))["status"] in (DOWNLOADING, SEEDING)

    async def _call(self, method: str, **arguments: Any) -> dict[str, Any]:
        question = {"method": method, "arguments": arguments}
        async with aiohttp.ClientSession() as http:
            for _ in range(2):  # the first time it only says which session id it wants to hear
                headers = {SESSION_ID: self._session_id}
                async with http.post(
                    f"http://{self._rpc}/transmission/rpc", json=question, headers=headers
                ) as response:
                    if response.status == 409:
                        self._session_id = response.headers[SESSION_ID]
                        continue
                    answer = await response.json(content_type=None)
                    if answer["result"] != "success":
                        raise RuntimeError(f"transmission: {method}: {answer['result']}")
                    result: dict[str, Any] = answer["arguments"]
                    return result
        raise RuntimeError("transmission takes no session id")


SESSION_ID = "X-Transmission-Session-Id"
DOWNLOADING = 4
SEEDING = 6

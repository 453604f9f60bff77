"""qbittorrent-nox: a client that is told what to do over its web API."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import aiohttp

from bittorrent import Magnet, Metainfo
from tests.interop.ports import free_port
from tests.interop.programs import Program, wait_until
from transfer.address import Address


class QBittorrent(Program):
    """A client at `address`, which seeds what it has until it is closed. Its DHT, local discovery, peer exchange and
    uTP are off; it speaks plain or encrypted, as others like."""

    name = "qbittorrent-nox"
    package = "qbittorrent-nox"

    def __init__(self, *, insists_on_encryption: bool = False) -> None:
        super().__init__()
        self._encryption = 1 if insists_on_encryption else 0
        self._web = Address("127.0.0.1", free_port())

    def arguments(self) -> Sequence[str]:
        settings = self.directory / "qBittorrent" / "config" / "qBittorrent.conf"
        settings.parent.mkdir(parents=True)
        settings.write_text(
            CONFIGURATION.format(
                host=self.address.host,
                port=self.address.port,
                web_port=self._web.port,
                folder=self.directory,
                encryption=self._encryption,
            )
        )
        return (f"--profile={self.directory}",)

    async def serves(self) -> bool:
        return bool(await self._get("app/version"))

    async def add(
        self,
        folder: Path,
        source: Metainfo | Magnet,
        *,
        seed: bool = False,
        select: Sequence[int] = (),
        peers: Sequence[Address] = (),
    ) -> str:
        """Starts a torrent, which begins with a check of what is there; returns its info-hash in hex.

        Args:
            folder: where the file or the folder of the torrent is, or goes.
            seed: wait until the check has found that everything is there.
            select: the numbers of the files that it shall fetch, from 0.
            peers: whom it calls.
        """
        info_hash = source.info_hash.hex()
        form = aiohttp.FormData({"savepath": str(folder), "paused": "true" if select else "false"})
        if isinstance(source, Metainfo):
            form.add_field("torrents", source.to_bytes(), filename="it.torrent")
        else:
            form.add_field("urls", str(source))
        await self._post("torrents/add", form)

        async def is_there() -> bool:
            return bool(await self._get("torrents/info", hashes=info_hash))

        await wait_until(is_there, what="qbittorrent has the torrent", within_s=20)
        if select:
            assert isinstance(source, Metainfo)
            others = "|".join(str(number) for number in range(len(source.files)) if number not in select)
            await self._post("torrents/filePrio", {"hash": info_hash, "id": others, "priority": "0"})
            await self._post("torrents/resume", {"hashes": info_hash})
        for peer in peers:
            await self.add_peer(info_hash, *peer)
        if seed:
            await self.wait_complete(info_hash)
        return info_hash

    async def add_peer(self, info_hash: str, host: str, port: int) -> None:
        await self._post("torrents/addPeers", {"hashes": info_hash, "peers": f"{host}:{port}"})

    async def status(self, info_hash: str) -> dict[str, Any]:
        (status,) = await self._get("torrents/info", hashes=info_hash)
        return dict(status)

    async def wait_complete(
        self, info_hash: str, *, peer: tuple[str, int] | None = None, within_s: float = 60.0
    ) -> None:
        """Returns once everything that is wanted is in its file. `peer` is called as long as there is no connection."""

        async def is_complete() -> bool:
            status = await self.status(info_hash)
            assert status["state"] not in ("error", "missingFiles"), status
            if peer is not None and not status["num_seeds"] and not status["num_leechs"]:
                await self.add_peer(info_hash, *peer)
            return status["state"] in SEEDING and status["amount_left"] == 0

        await wait_until(is_complete, what=f"qbittorrent has all of {info_hash}", within_s=within_s)

    async def _get(self, method: str, **parameters: str) -> Any:
        async with (
            aiohttp.ClientSession() as http,
            http.get(f"http://{self._web}/api/v2/{method}", params=parameters) as response,
        ):
            response.raise_for_status()
            is_json = response.content_type == "application/json"
            return await response.json() if is_json else await response.text()

    async def _post(self, method: str, form: aiohttp.FormData | dict[str, str]) -> None:
        async with (
            aiohttp.ClientSession() as http,
            http.post(f"http://{self._web}/api/v2/{method}", data=form) as response,
        ):
            response.raise_for_status()


SEEDING = ("uploading", "stalledUP", "forcedUP", "queuedUP")
CONFIGURATION = r"""
[LegalNotice]
Accepted=true

[BitTorrent]
Session\AddTorrentPaused=false
Session\BTProtocol=TCP
Session\DHTEnabled=false
Session\DefaultSavePath={folder}
Session\Encryption={encryption}
Session\InterfaceAddress={host}
Session\LSDEnabled=false
Session\MultiConnectionsPerIp=true
Session\PeXEnabled=false
Session\Port={port}
Session\Preallocation=false
Session\QueueingSystemEnabled=false

[Core]
AutoDeleteAddedTorrentFile=Never

[Network]
PortForwardingEnabled=false

[Preferences]
WebUI\Address=127.0.0.1
WebUI\CSRFProtection=false
WebUI\HostHeaderValidation=false
WebUI\LocalHostAuth=false
WebUI\Port={web_port}
WebUI\UseUPnP=false
"""

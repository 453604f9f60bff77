"""WebTorrent on Node, over TCP, told what to do by JSON lines."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bittorrent import Magnet, Metainfo
from tests.interop.ports import free_port
from tests.interop.programs import JsonChild, wait_until
from tests.interop.require import missing, require_program
from tests.machine import CHECKOUT
from transfer.address import Address

MODULES = CHECKOUT / ".tox" / "webtorrent" / "node_modules"
CHILD = Path(__file__).parent / "webtorrent" / "child.mjs"


class WebTorrent(JsonChild):
    """A client at `address`, which seeds what it has until it is closed."""

    def __init__(self) -> None:
        node = require_program("node", "nodejs")
        if not MODULES.is_dir():
            missing("webtorrent is not installed: tests/interop/webtorrent/install")
        self.address = Address("127.0.0.1", free_port())
        self._chosen: dict[str, Sequence[int]] = {}
        super().__init__([str(CHILD), str(MODULES), str(self.address.port)], program=node)

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
        self._chosen[info_hash] = select
        is_torrent = isinstance(source, Metainfo)
        torrent = base64.b64encode(source.to_bytes()).decode() if isinstance(source, Metainfo) else str(source)
        names = [str(peer) for peer in peers]
        await self.do("add", info_hash=info_hash, torrent=torrent, folder=str(folder), peers=names, select=list(select))
        if is_torrent:

            async def is_ready() -> bool:
                return bool((await self.status(info_hash))["ready"])

            await wait_until(is_ready, what="WebTorrent has checked the files", within_s=30)
        if seed:
            await self.wait_complete(info_hash)
        return info_hash

    async def add_peer(self, info_hash: str, host: str, port: int) -> None:
        await self.do("peer", info_hash=info_hash, peer=str(Address(host, port)))

    async def status(self, info_hash: str) -> dict[str, Any]:
        return await self.do("status", info_hash=info_hash)

    async def wait_complete(
        self, info_hash: str, *, peer: tuple[str, int] | None = None, within_s: float = 60.0
    ) -> None:
        """Returns once everything that is wanted is in its file. `peer` is called as long as there is no connection."""

        async def is_complete() -> bool:
            status = await self.status(info_hash)
            if peer is not None and not status["peers"]:
                await self.add_peer(info_hash, *peer)
            chosen = self._chosen[info_hash]
            return all(status["files"][number] for number in chosen) if chosen else bool(status["done"])

        await wait_until(is_complete, what=f"WebTorrent has all of {info_hash}", within_s=within_s)

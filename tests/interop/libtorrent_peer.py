"""libtorrent: a client in a child process of ours, which is told what to do by JSON lines."""

from __future__ import annotations

import base64
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

from bittorrent import Magnet, Metainfo
from tests.interop.ports import free_port
from tests.interop.programs import JsonChild, wait_until
from transfer.address import Address


class LibtorrentPeer(JsonChild):
    """A libtorrent session in a child process, on `host` and a free port.

    Args:
        dht: switch its DHT node on, perhaps with an entry point; `add_dht_node` gives it more.
        settings: libtorrent settings that override the quiet local defaults of `libtorrent_child`.
        inside: the beginning of the command that runs it, as `NatLab` has it.
    """

    def __init__(
        self,
        *,
        host: str = "127.0.0.1",
        dht: bool | Address = False,
        local_discovery: bool = False,
        settings: dict[str, Any] | None = None,
        inside: Sequence[str] = (),
    ) -> None:
        self.address = Address(host, free_port())
        options = {
            "listen_interfaces": f"{self.address}",
            "enable_dht": bool(dht),
            "dht_bootstrap_nodes": str(dht) if isinstance(dht, Address) else "",
            "enable_lsd": local_discovery,
            **(settings or {}),
        }
        command = (*inside, sys.executable, str(CHILD))
        super().__init__(command[1:], options, program=command[0])

    async def __aenter__(self) -> Self:
        await super().__aenter__()

        async def listens() -> bool:
            answer = await self.do("port")
            return bool(answer["port"] == self.address.port)

        await wait_until(listens, what="libtorrent listens", within_s=20)
        return self

    async def add(
        self,
        folder: Path,
        source: Metainfo | Magnet,
        *,
        seed: bool = False,
        select: Sequence[int] = (),
        resume_data: str = "",
        **flags: bool,
    ) -> str:
        """Starts a torrent; returns its info-hash in hex when what is there has been checked.

        Args:
            seed: everything is there already, and need not be checked.
            select: the numbers of the files that it shall fetch, from 0.
            resume_data: what `stop` said.
            flags: of libtorrent's `torrent_flags`, by name.
        """
        is_torrent = isinstance(source, Metainfo)
        answer = await self.do(
            "add",
            save_path=str(folder),
            torrent=base64.b64encode(source.to_bytes()).decode() if isinstance(source, Metainfo) else "",
            magnet="" if is_torrent else str(source),
            seed=seed,
            select=list(select),
            resume_data=resume_data,
            flags=flags,
        )
        info_hash: str = answer["info_hash"]

        async def is_checked() -> bool:  # it takes no connections before
            return not (await self.status(info_hash))["state"].startswith("checking")

        await wait_until(is_checked, what="libtorrent has checked the files", within_s=20)
        return info_hash

    async def connect(self, info_hash: str, address: Address) -> None:
        await self.do("connect", info_hash=info_hash, host=address.host, port=address.port)

    async def status(self, info_hash: str) -> dict[str, Any]:
        return await self.do("status", info_hash=info_hash)

    async def ports(self, info_hash: str) -> list[int]:
        """The other ends of its connections."""
        return [peer["port"] for peer in (await self.do("peers", info_hash=info_hash))["peers"]]

    async def pieces(self, info_hash: str) -> set[int]:
        """What it has verified."""
        return {index for index, has in enumerate((await self.do("pieces", info_hash=info_hash))["pieces"]) if has}

    async def stop(self, info_hash: str) -> str:
        """Pauses a torrent; returns what libtorrent wants to know of it when it starts again."""
        answer = await self.do("stop", info_hash=info_hash)
        return str(answer["resume_data"])

    async def wait_complete(self, info_hash: str, *, within_s: float = 60.0) -> None:
        """Returns once everything that is wanted is in its file."""

        async def is_finished() -> bool:
            status = await self.status(info_hash)
            assert not status["error"], status
            return bool(status["is_finished"])

        await wait_until(is_finished, what=f"libtorrent has all of {info_hash}", within_s=within_s)
        await self.do("flush", info_hash=info_hash)


CHILD = Path(__file__).with_name("libtorrent_child.py")

"""The programs that are compared, each as a process of its own with the same commands."""

from __future__ import annotations

import base64
import resource
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from bittorrent import Metainfo
from tests.interop.aria2 import run_aria2
from tests.interop.ports import free_port
from tests.interop.programs import JsonChild, wait_until
from transfer import Address


class Peer(JsonChild):
    """What ours and libtorrent have in common."""

    def __init__(self, command: list[str], options: dict[str, Any], addresses: list[Address]) -> None:
        super().__init__(command, options)
        self.addresses = addresses

    async def __aenter__(self) -> Self:
        await super().__aenter__()

        async def listens() -> bool:
            answer = await self.do("port")
            return bool(answer["port"] == self.addresses[0].port)

        await wait_until(listens, what=f"{type(self).__name__} listens", within_s=30)
        return self

    async def add(self, metainfo: Metainfo, folder: Path, *, seed: bool = False, **options: Any) -> None:
        """Adds a torrent; a seed is ready when this returns."""
        encoded = base64.b64encode(metainfo.to_bytes()).decode()
        await self.do("add", save_path=str(folder), torrent=encoded, seed=seed, **options)

    async def connect(self, metainfo: Metainfo, addresses: Iterable[Address]) -> None:
        await self.do("connect", info_hash=metainfo.info_hash.hex(), peers=[list(address) for address in addresses])

    async def wait_verified(self, metainfo: Metainfo) -> None:
        await self.do("wait_verified", info_hash=metainfo.info_hash.hex())


class Ours(Peer):
    """A `Session`."""

    name = "ours"

    def __init__(self, *, uvloop: bool = False, **settings: Any) -> None:
        address = Address("127.0.0.1", free_port())
        options = {"host": address.host, "port": address.port, "uvloop": uvloop, **settings}
        super().__init__(["-m", "benchmarks.bittorrent.our_child"], options, [address])


class Libtorrent(Peer):
    """A libtorrent session, or several that share nothing but the process."""

    name = "libtorrent"

    def __init__(self, *, sessions: int = 1, settings: dict[str, Any] | None = None) -> None:
        port = free_port()
        hosts = [f"127.0.0.{number + 1}" for number in range(sessions)]
        options = {"hosts": hosts, "port": port, "settings": settings or {}}
        super().__init__(
            ["-m", "benchmarks.bittorrent.libtorrent_child"], options, [Address(host, port) for host in hosts]
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Used:
    """What one program needed in one run. Times and bytes of other ends are in `others_cpu_s` only.

    Attributes:
        wall_s: until every piece was verified and given to the system.
        synced_s: until it had left the system's caches as well, where the program waits for that.
        latency_p99_s: how late a coroutine in the same event loop woke up.
        latency_max_s: see `latency_p99_s`.
    """

    wall_s: float
    cpu_s: float
    others_cpu_s: float = 0.0
    peak_rss_bytes: int = 0
    synced_s: float | None = None
    latency_p99_s: float | None = None
    latency_max_s: float | None = None


async def download_with_aria2(metainfo: Metainfo, folder: Path) -> Used:
    """From a tracker in the torrent; the wall time includes the program's start, some tens of milliseconds."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    started_at = time.perf_counter()
    await run_aria2(metainfo.to_bytes(), folder)
    wall_s = time.perf_counter() - started_at
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Used(wall_s=wall_s, cpu_s=used)

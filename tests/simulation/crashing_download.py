"""A downloader that loses power again and again, on a disk that tears what was not synced."""

from __future__ import annotations

import asyncio
import hashlib
import random
from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any

from bittorrent.aio.session import Session
from bittorrent.aio.torrent import Torrent
from bittorrent.config import SessionConfig
from bittorrent.errors import MissingDataError, StorageError
from bittorrent.metainfo.torrent import Metainfo
from bittorrent.stats import TorrentState
from transfer.address import Address
from transfer.simulation import Disk, DiskConfig, DiskStorage, Link, Simulation, scenario
from transfer.wire import bencode

PORT = 6881
CONFIG = SessionConfig(connect_timeout_s=3.0)


class Content:
    """Random bytes, and the torrent of them."""

    def __init__(self, rng: random.Random, size: int, piece_length: int) -> None:
        self.data = rng.randbytes(size)
        pieces = [self.data[start : start + piece_length] for start in range(0, size, piece_length)]
        info: dict[str, bencode.Encodable] = {
            "length": size,
            "name": NAME,
            "piece length": piece_length,
            "pieces": b"".join(hashlib.sha1(piece, usedforsecurity=False).digest() for piece in pieces),
        }
        self.metainfo = Metainfo.from_info(bencode.encode(info))


class Peer:
    """One session on one host, with its own disk; the session can be started anew after a crash."""

    def __init__(self, simulation: Simulation, number: int, content: Content) -> None:
        self.address = Address(f"10.0.{number // 250}.{number % 250 + 1}", PORT)
        self.disk = simulation.disk(self.address.host)
        self.torrent: Torrent
        self._simulation = simulation
        self._content = content
        self._rng = random.Random(simulation.rng.getrandbits(64))
        self._session: Session

    def fill(self) -> None:
        """Puts the whole content on the disk."""
        self.disk.write(NAME, 0, self._content.data)
        self.disk.sync(NAME)

    async def start(self, peers: Iterable[Address]) -> None:
        with self._simulation.host(self.address.host):
            self._session = Session(
                "/nowhere",
                port=PORT,
                config=CONFIG,
                rng=random.Random(self._rng.getrandbits(64)),
                open_storage=partial(_open, self.disk),
            )
            await self._session.__aenter__()
            self.torrent = await self._session.add(self._content.metainfo, peers=peers)

    async def stop(self) -> None:
        await self._session.aclose()

    async def wait_checked(self) -> None:
        """Until the torrent knows what is on its disk."""
        async for statistics in self.torrent.progress(interval_s=0.001):
            if statistics.state not in (TorrentState.METADATA, TorrentState.CHECKING):
                break

    def check_honesty(self) -> int:
        """How many pieces the torrent counts, which may not be more than there are."""
        counted = self.torrent.statistics().done_pieces
        size, length = self.disk.size(NAME) or 0, self._content.metainfo.piece_length
        data = self.disk.read(NAME, 0, size) if size else b""
        starts = range(0, len(self._content.data), length)
        right = sum(data[start : start + length] == self._content.data[start : start + length] for start in starts)
        assert counted <= right, f"{counted} pieces are counted, but only {right} are right"
        return counted

    @property
    def is_correct(self) -> bool:
        return self.disk.size(NAME) == len(self._content.data) and (
            self.disk.read(NAME, 0, len(self._content.data)) == self._content.data
        )


async def crash_and_restart(simulation: Simulation, *, size: int, piece_length: int, crashes: int) -> list[int]:
    """A downloader loses power at random moments, with torn writes; how many pieces each start found on the disk.

    At no moment it counts more pieces than are right on its disk.
    """
    content = Content(simulation.rng, size, piece_length)
    seeder, victim = Peer(simulation, 0, content), Peer(simulation, 1, content)
    simulation.set_access(seeder.address.host, up_bytes_per_s=size / COPY_S)
    simulation.disk(victim.address.host, DiskConfig(writeback_s=2.0))
    seeder.fill()
    await seeder.start(())
    found: list[int] = []
    for _ in range(crashes):
        await victim.start([seeder.address])
        await victim.wait_checked()
        found.append(victim.check_honesty())
        end = simulation.now + simulation.rng.uniform(0.0, COPY_S / 5)
        while simulation.now < end:
            await asyncio.sleep(simulation.rng.uniform(0.0, 0.5))
            victim.check_honesty()
        with simulation.crash(victim.address.host):
            await asyncio.sleep(simulation.rng.uniform(0.1, 5.0))
    await victim.start([seeder.address])
    async with asyncio.timeout(3600):
        await victim.torrent.wait_complete()
    assert victim.is_correct
    found.append(victim.check_honesty())
    await victim.stop()
    await seeder.stop()
    return found


@scenario(link=Link(delay_s=0.03))
async def small(simulation: Simulation) -> list[int]:
    """Small enough for a test."""
    return await crash_and_restart(simulation, size=SMALL_PIECES << 15, piece_length=1 << 15, crashes=10)


def _open(disk: Disk, files: Sequence[Any], root: object, /, *, writable: bool) -> DiskStorage:
    total = sum(entry.length for entry in files)
    return DiskStorage(disk, NAME, total, failure=StorageError.from_os_error, missing=MissingDataError.from_os_error)


NAME = "content"
COPY_S = 60.0  # how long one copy takes in the scenario with crashes
SMALL_PIECES = 64

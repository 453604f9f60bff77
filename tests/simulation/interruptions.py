"""A download over a slow line that is interrupted every few seconds, in any way; the files are real."""

from __future__ import annotations

import asyncio
import random
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from bittorrent.aio.session import Session
from bittorrent.aio.torrent import Torrent
from bittorrent.config import SessionConfig
from bittorrent.metainfo.magnet import Magnet
from bittorrent.metainfo.torrent import Metainfo
from bittorrent.rate_limits import RateLimits
from tests.simulation.content_sessions import PORT, add, session_on
from tests.simulation.shared_content import NAME, SharedContent
from transfer.address import Address
from transfer.simulation import Link, Simulation

MAX_INTERRUPTIONS = 20
US, SEEDER = "10.0.0.1", "10.0.0.2"
SEEDERS_ADDRESS = Address(SEEDER, PORT)
LINK = Link(delay_s=0.02)


@dataclass(frozen=True, slots=True, kw_only=True)
class Interrupted:
    """What came of it; `sent_bytes` is what the seeder sent altogether, `fetched_bytes` what of it came as blocks."""

    sent_bytes: int
    fetched_bytes: int
    content_bytes: int
    blamed: int  # pieces that failed, and bans
    left_over: list[str]
    is_right: bool
    largest_kept_bytes: int

    @property
    def share_twice(self) -> float:
        """How much of the content was fetched more than once."""
        return self.fetched_bytes / self.content_bytes - 1

    @property
    def share_sent_twice(self) -> float:
        """The same, with what was under way when a connection ended."""
        return self.sent_bytes / self.content_bytes - 1


async def interrupt(
    simulation: Simulation,
    way: str,
    *,
    size: int,
    piece_length: int,
    rate_bytes_per_s: float,
    every_s: tuple[float, float],
    times: int,
) -> Interrupted:
    """Interrupts a download so often; then lets it end.

    Args:
        way: "close" (the session ends, as by SIGINT), "remove" (the torrent ends, the session does not), "kill" (the
            process ends at once), or "power" (so does the machine, and a few sectors written last are lost).
        every_s: the bounds of the time between two interruptions.
    """
    content = SharedContent.make(size, piece_length, simulation.rng)
    with tempfile.TemporaryDirectory() as tmp:
        victim = Victim(simulation, content, Path(tmp))
        async with session_on(simulation, SEEDER, content, complete=True) as seeder:
            seeder.set_rate_limits(RateLimits(local_upload_bytes_per_s=rate_bytes_per_s))
            source = await add(simulation, SEEDER, seeder, content.metainfo, seed_only=True)
            await source.wait_complete()
            for _ in range(times):
                await victim.start()
                await asyncio.sleep(simulation.rng.uniform(*every_s))
                if not victim.torrent.left_bytes:
                    break
                await victim.end(way)
            await victim.start()
            async with asyncio.timeout(3600):
                await victim.torrent.wait_complete()
            await victim.end("close")
            sent = source.statistics().uploaded_bytes
        return Interrupted(
            sent_bytes=sent,
            fetched_bytes=victim.fetched_bytes,
            content_bytes=size,
            blamed=victim.blamed,
            left_over=sorted(path.name for path in victim.folder.iterdir() if path.name != NAME),
            is_right=(victim.folder / NAME).read_bytes() == content.data,
            largest_kept_bytes=victim.largest_kept_bytes,
        )


async def interrupt_metadata(simulation: Simulation, way: str, *, metadata_bytes: int, rate_bytes_per_s: float) -> int:
    """A magnet link whose metadata takes longer than the time between interruptions; how many it takes."""
    content = SharedContent.make(1 << 16, 1 << 15, simulation.rng, padding=metadata_bytes)
    with tempfile.TemporaryDirectory() as tmp:
        victim = Victim(simulation, content, Path(tmp))
        victim.source = Magnet(v1=content.metainfo.info_hash)
        async with session_on(simulation, SEEDER, content, complete=True, up_bytes_per_s=rate_bytes_per_s) as seeder:
            await (await add(simulation, SEEDER, seeder, content.metainfo, seed_only=True)).wait_complete()
            interruptions = 0
            while interruptions < MAX_INTERRUPTIONS:
                await victim.start()
                try:
                    async with asyncio.timeout(8.0):
                        await victim.torrent.wait_complete()
                    break
                except TimeoutError:
                    interruptions += 1
                    await victim.end(way)
            await victim.end("close")
        assert not list(victim.folder.glob(".kad/*.metadata"))
        assert (victim.folder / NAME).read_bytes() == content.data
        return interruptions


class Victim:
    """The downloader: one session after another."""

    def __init__(self, simulation: Simulation, content: SharedContent, folder: Path) -> None:
        self.torrent: Torrent
        self.source: Metainfo | Magnet = content.metainfo
        self.fetched_bytes = 0
        self.blamed = 0
        self.largest_kept_bytes = 0
        self._simulation = simulation
        self._content = content
        self._root = folder
        self._runs = 0
        self.folder = folder / "0"
        self._session: Session | None = None

    async def start(self) -> None:
        with self._simulation.host(US):
            if self._session is None:
                self._session = Session(
                    self.folder, host=US, port=PORT, rng=random.Random(self._runs), config=SessionConfig()
                )
                await self._session.__aenter__()
            self.torrent = await self._session.add(self.source, peers=[(SEEDER, PORT)])

    async def end(self, way: str) -> None:
        assert self._session is not None
        if way in ("kill", "power"):
            # What is left is what was in the file system at that moment, whatever the session does after it.
            self._runs += 1
            old, self.folder = self.folder, self._root / str(self._runs)
            if old.exists():
                shutil.copytree(old, self.folder)
        if way == "power":
            self._tear()
            with self._simulation.crash(US):
                await asyncio.sleep(0.1)
        elif way == "remove":
            await self._session.remove(self.torrent)
        else:
            await self._session.aclose()
        self.largest_kept_bytes = max([self.largest_kept_bytes, *(path.stat().st_size for path in self._kept())])
        if way != "remove":
            self._session = None
        self.fetched_bytes += self.torrent.statistics().downloaded_bytes + self.torrent.statistics().wasted_bytes
        self.blamed += self.torrent.statistics().failed_pieces + self.torrent.swarm.peers.is_banned(SEEDERS_ADDRESS)

    def _kept(self) -> list[Path]:
        return list(self.folder.glob(".kad/*.blocks"))

    def _tear(self) -> None:
        """A third of the last sectors is lost, of the first one, too."""
        rng = self._simulation.rng
        for path in self._kept():
            data = bytearray(path.read_bytes())
            for start in range(max(0, len(data) - 40 * 4096), len(data), 4096):
                if rng.random() < 1 / 3:
                    data[start : start + 4096] = bytes(len(data[start : start + 4096]))
            path.write_bytes(data[: rng.randrange(len(data) - 4096, len(data))] if len(data) > 4096 else data)

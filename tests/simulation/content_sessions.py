"""Real `Session`s on simulated hosts, all with the same torrent."""

from __future__ import annotations

import asyncio
import random
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from bittorrent.aio.session import Session
from bittorrent.aio.torrent import Torrent
from bittorrent.config import SessionConfig
from tests.simulation.shared_content import SharedContent
from transfer.simulation import DiskStorage, Host, Nat, Simulation

PORT = 6881


@asynccontextmanager
async def session_on(
    simulation: Simulation,
    host: str,
    content: SharedContent,
    *,
    complete: bool = False,
    lies: bool = False,
    storage: type[DiskStorage] = DiskStorage,
    up_bytes_per_s: float | None = None,
    behind: Nat | None = None,
    **config: Any,
) -> AsyncIterator[Session]:
    """A session whose storage is the host's disk; `config` are fields of `SessionConfig`.

    Peers are met over TCP only, unless it says otherwise: on full lines a race to uTP would be won now and then, and
    which transport carries what is not what most scenarios look at.

    Args:
        behind: the box that the host is behind.
    """
    rng = random.Random(simulation.rng.getrandbits(64))
    kept = tempfile.TemporaryDirectory()  # what is kept of a magnet link must not meet the next run
    with simulation.host(host, behind=behind) as machine:
        if up_bytes_per_s is not None:
            simulation.set_access(machine, up_bytes_per_s=up_bytes_per_s)
        opens = content.on(simulation.disk(machine), complete=complete, lies=lies, storage=storage)
        settings = SessionConfig(**{"utp": None, **config})
        session = Session(kept.name, host=host, port=PORT, rng=rng, open_storage=opens, config=settings)
        await session.__aenter__()
    try:
        yield session
    finally:
        await session.aclose()
        kept.cleanup()


async def add(simulation: Simulation, host: str | Host, session: Session, source: Any, **options: Any) -> Torrent:
    """`Session.add`, on its host."""
    with simulation.host(host):
        return await session.add(source, **options)


async def until(condition: Callable[[], bool], *, within_s: float = 3600.0, every_s: float = 0.25) -> None:
    """Looks again and again: in virtual time that is exact enough, and costs little."""
    async with asyncio.timeout(within_s):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(every_s)

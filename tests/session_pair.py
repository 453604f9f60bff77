"""A torrent of a few files, and two sessions: one that has all of it, one that has nothing."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from bittorrent import Metainfo, Session, create_metainfo


def make_files(folder: Path, sizes: Mapping[str, int], *, piece_length: int) -> Metainfo:
    """Writes `folder`/seed/files, with the same random bytes each time."""
    rng = random.Random(1)
    for name, size in sizes.items():
        path = folder / "seed" / "files" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(rng.randbytes(size))
    return create_metainfo(folder / "seed" / "files", piece_length=piece_length)


@asynccontextmanager
async def session_pair(folder: Path, shared: Metainfo) -> AsyncIterator[tuple[Session, Session]]:
    """The seed, which is ready, and the leech, which knows nothing of it. All must be over in half a minute."""
    async with (
        Session(folder / "seed", host="127.0.0.1") as seed,
        Session(folder / "leech", host="127.0.0.1") as leech,
        asyncio.timeout(30),
    ):
        torrent = await seed.add(shared, seed_only=True)
        await torrent.wait_complete()
        yield seed, leech

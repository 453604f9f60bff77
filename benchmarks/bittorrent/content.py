"""The file that is shared, and room for its copies in the page cache."""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from bittorrent import Metainfo, create_metainfo
from tests.interop.version2 import made_by_libtorrent

MIB = 1 << 20


def make_content(folder: Path, size_mib: int, piece_length: int, kind: str = "v1") -> Metainfo:
    """A random file of that size in `folder`, out of the way of later writes, and its torrent.

    Args:
        kind: "v1", or as libtorrent makes it "v2" or "hybrid".
    """
    folder.mkdir(parents=True)
    rng = random.Random(1)
    path = folder / "content.bin"
    with path.open("wb") as file:
        for _ in range(size_mib):
            file.write(rng.randbytes(MIB))
        file.flush()
        os.fsync(file.fileno())
    if kind != "v1":
        return made_by_libtorrent(path, kind, piece_length=piece_length)
    return create_metainfo(path, piece_length=piece_length)


@asynccontextmanager
async def warm_pages(folder: Path, size_bytes: int, copies: Path) -> AsyncIterator[None]:
    """Keeps pages for `size_bytes` in use, and frees them as fast as files below `copies` grow.

    Many virtual machines hand free memory back to their host within seconds. The first write to such a page costs
    more than receiving and hashing what is written to it, and how many pages are of that kind is chance.
    """
    path = folder / "warm pages"
    chunk = bytes(MIB)
    with path.open("wb") as file:
        for _ in range(-(-size_bytes // MIB)):
            file.write(chunk)

    async def lend() -> None:
        while True:
            kept = size_bytes - _allocated(copies) - PAGES_AHEAD_BYTES
            os.truncate(path, max(0, kept))
            await asyncio.sleep(0.02)

    lender = asyncio.create_task(lend())
    try:
        yield
    finally:
        lender.cancel()
        await asyncio.wait([lender])
        path.unlink()


def _allocated(folder: Path) -> int:
    """Bytes on disk of all files below a folder."""
    total = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            with suppress(FileNotFoundError):
                total += os.stat(os.path.join(parent, name)).st_blocks * 512
    return total


async def is_same(first: Path, second: Path) -> bool:
    """Whether two files hold the same bytes."""

    def compare() -> bool:
        with first.open("rb") as one, second.open("rb") as other:
            while True:
                ours, theirs = one.read(MIB), other.read(MIB)
                if ours != theirs:
                    return False
                if not ours:
                    return True

    return await asyncio.to_thread(compare)


PAGES_AHEAD_BYTES = 256 * MIB

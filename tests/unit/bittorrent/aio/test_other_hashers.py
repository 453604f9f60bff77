"""A torrent whose pieces are hashed in another way takes the same path: checked, downloaded, kept and checked again."""

from __future__ import annotations

import asyncio
import os
import random
from dataclasses import replace
from pathlib import Path

import pytest

from bittorrent import FileStorage, Metainfo, Session, Torrent, create_metainfo, verify_pieces
from bittorrent.events import PieceFailed
from tests.tree_hasher import TreeHasher

PIECE_LENGTH = 1 << 16


def tree_torrent(path: Path) -> Metainfo:
    """With no SHA-1 in it that could help anybody."""
    metainfo = create_metainfo(path, piece_length=PIECE_LENGTH)
    wrong = bytes(len(metainfo.piece_hashes))
    return replace(metainfo, hasher=TreeHasher.of(path, PIECE_LENGTH), piece_hashes=wrong)


@pytest.fixture
def shared(tmp_path: Path) -> Metainfo:
    folder = tmp_path / "seed" / "album"
    folder.mkdir(parents=True)
    rng = random.Random(4)
    (folder / "a.bin").write_bytes(rng.randbytes(200_001))
    (folder / "b.bin").write_bytes(bytes(150_000))
    (folder / "c.bin").write_bytes(rng.randbytes(99_999))
    return tree_torrent(folder)


async def complete(torrent: Torrent) -> None:
    async with asyncio.timeout(20):
        await torrent.wait_complete()


async def test_it_is_downloaded_and_checked(tmp_path: Path, shared: Metainfo) -> None:
    async with Session(tmp_path / "seed", host="127.0.0.1") as seed:
        await complete(await seed.add(shared, seed_only=True))
        async with Session(tmp_path / "leech", host="127.0.0.1") as leech:
            torrent = await leech.add(shared, peers=[seed.address])
            await complete(torrent)
            assert torrent.statistics().downloaded_bytes == shared.total_bytes
        damaged = tmp_path / "leech" / "album" / "a.bin"
        content = bytearray(damaged.read_bytes())
        content[PIECE_LENGTH + 5] ^= 1
        damaged.write_bytes(content)
        storage = FileStorage(shared.files, tmp_path / "leech", writable=False)
        try:
            assert [index for index, is_right in verify_pieces(shared, storage) if not is_right] == [1]
        finally:
            storage.close()
        async with Session(tmp_path / "leech", host="127.0.0.1") as leech:
            torrent = await leech.add(shared, peers=[seed.address])
            await complete(torrent)
            assert torrent.statistics().downloaded_bytes == PIECE_LENGTH
    for name in ("a.bin", "b.bin", "c.bin"):
        expected = (tmp_path / "seed" / "album" / name).read_bytes()
        assert (tmp_path / "leech" / "album" / name).read_bytes() == expected


async def test_a_wrong_piece_is_noticed_by_its_tree(tmp_path: Path, shared: Metainfo) -> None:
    other = bytearray(shared.hasher.digests)  # type: ignore[attr-defined]
    other[2 * 32] ^= 1
    expecting = replace(shared, hasher=TreeHasher(bytes(other)))
    async with (
        Session(tmp_path / "seed", host="127.0.0.1") as seed,
        Session(tmp_path / "leech", host="127.0.0.1") as leech,
    ):
        await complete(await seed.add(shared, seed_only=True))
        torrent = await leech.add(expecting)
        async with torrent.events() as events:
            torrent.add_peers([seed.address])
            async with asyncio.timeout(20):
                failed = await anext(event async for event in events if isinstance(event, PieceFailed))
        assert failed.index == 2


def test_holes_are_told_apart_from_zeros_by_the_tree(tmp_path: Path, shared: Metainfo) -> None:
    folder = tmp_path / "sparse" / "album"
    folder.mkdir(parents=True)
    for entry in shared.files:
        with open(folder / entry.path[-1], "wb") as file:
            os.truncate(file.fileno(), entry.length)
    zeros = [4]  # the only piece of nothing else: all others reach into a.bin or c.bin
    storage = FileStorage(shared.files, tmp_path / "sparse", writable=False)
    try:
        assert [index for index, is_right in verify_pieces(shared, storage) if is_right] == zeros
    finally:
        storage.close()

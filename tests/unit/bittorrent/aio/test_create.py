"""Torrents made beside a running event loop."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import pytest

from bittorrent import create_metainfo, create_torrent
from bittorrent.errors import StorageError

MIB = 1 << 20


async def test_it_gives_what_the_synchronous_call_gives(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "f").write_bytes(bytes(20 * MIB))
    (tmp_path / "d" / "g").write_bytes(b"g")
    arguments = {"piece_length": MIB, "private": True, "align": True}
    made = await create_torrent(tmp_path / "d", trackers=["http://t/"], piece_length=MIB, private=True, align=True)
    assert made == create_metainfo(tmp_path / "d", trackers=["http://t/"], **arguments)  # type: ignore[arg-type]


async def test_it_has_the_same_defaults(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    for name in "fg":
        (tmp_path / "d" / name).write_bytes(bytes(100))
    assert await create_torrent(tmp_path / "d") == create_metainfo(tmp_path / "d")


async def test_errors_arrive(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="no data"):
        await create_torrent(tmp_path)


async def test_a_cancelled_hashing_leaves_no_thread(tmp_path: Path) -> None:
    with (tmp_path / "f").open("wb") as file:
        file.truncate(400 * MIB)
    hashing = asyncio.create_task(create_torrent(tmp_path / "f"))
    while not any(thread.name.startswith("hash") for thread in threading.enumerate()):  # noqa: ASYNC110
        await asyncio.sleep(0)
    hashing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await hashing
    assert not any(thread.name.startswith("hash") for thread in threading.enumerate())

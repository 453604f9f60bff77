"""Reading files of a torrent that is not complete."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from bittorrent import Metainfo, Session, Torrent
from bittorrent.aio import stream
from bittorrent.aio.stream import FileStream
from bittorrent.errors import SelectionError, TorrentStoppedError
from bittorrent.picker.picker import PiecePicker
from tests.session_pair import make_files, session_pair
from transfer.errors import LocalProtocolError

PIECE = 1 << 14
SIZES = {"a.mkv": 20 * PIECE + 100, "b.txt": 300, "c.mkv": 4 * PIECE}


@pytest.fixture
def shared(tmp_path: Path) -> Metainfo:
    return make_files(tmp_path, SIZES, piece_length=PIECE)


def original(tmp_path: Path, name: str) -> bytes:
    return (tmp_path / "seed" / "files" / name).read_bytes()


async def read_all(file: FileStream, size: int = -1) -> bytes:
    parts = []
    while part := await file.read(size):
        parts.append(part)
    return b"".join(parts)


def deadlines(torrent: Torrent) -> bool:
    picker = torrent.swarm.core.picker
    return picker is not None and picker.has_deadlines


def waiting(torrent: Torrent) -> int:
    return len(torrent._life.arrivals)


@pytest.mark.parametrize("is_magnet", [False, True])
async def test_a_file_is_read_while_it_comes(tmp_path: Path, shared: Metainfo, is_magnet: bool) -> None:
    async with session_pair(tmp_path, shared) as (seed, leech):
        torrent = await leech.add(shared.magnet_link() if is_magnet else shared, peers=[seed.address])
        async with torrent.open("a.mkv") as file:
            assert (file.path, file.size, file.tell()) == ("files/a.mkv", SIZES["a.mkv"], 0)
            assert await read_all(file, 10_000) == original(tmp_path, "a.mkv")
            assert file.tell() == file.size
            assert await file.read(1) == b""
        assert not deadlines(torrent)


async def test_what_is_needed_next_is_told_once_for_each_piece_however_small_the_reads(
    tmp_path: Path, shared: Metainfo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "REFRESH_S", 1000.0)  # in all this time only pieces count
    async with session_pair(tmp_path, shared) as (seed, leech):
        torrent = await leech.add(shared, peers=[seed.address])
        await torrent.wait_complete()  # nobody has to wait, which would be told, too
        told: list[int] = []
        monkeypatch.setattr(PiecePicker, "set_deadlines", lambda picker, reader, deadlines: told.append(reader))
        async with torrent.open("a.mkv") as file:
            counts = []
            for _ in range(4 * 16):
                await file.read(PIECE // 16)
                counts.append(len(told))
        assert len(set(counts)) == 5, "at the first place, and when each of four pieces was read"


async def test_any_place_can_be_read(tmp_path: Path, shared: Metainfo) -> None:
    expected = original(tmp_path, "a.mkv")
    async with session_pair(tmp_path, shared) as (seed, leech):
        torrent = await leech.add(shared, peers=[seed.address])
        async with torrent.open("a.mkv") as file:
            assert await file.seek(-10, os.SEEK_END) == len(expected) - 10
            assert await read_all(file) == expected[-10:]
            assert await file.seek(5 * PIECE - 3) == 5 * PIECE - 3
            assert (await file.read(6))[:1] == expected[5 * PIECE - 3 :][:1]
            place = await file.seek(1, os.SEEK_CUR)
            assert await file.read(1) == expected[place : place + 1]
            assert await file.read(0) == b""
            with pytest.raises(ValueError, match="outside"):
                await file.seek(1, os.SEEK_END)
            assert file.tell() == place + 1


async def test_what_is_read_is_fetched_first(tmp_path: Path, shared: Metainfo) -> None:
    async with session_pair(tmp_path, shared) as (seed, leech):
        torrent = await leech.add(shared)
        async with torrent.open("c.mkv") as file:
            reading = asyncio.create_task(file.read(1))
            await asyncio.sleep(0)
            torrent.add_peers([seed.address])
            assert await reading == original(tmp_path, "c.mkv")[:1]
            picker = torrent.swarm.core.picker
            assert picker is not None
            first = (SIZES["a.mkv"] + SIZES["b.txt"]) // PIECE
            assert first in picker.have


async def test_several_readers_at_once(tmp_path: Path, shared: Metainfo) -> None:
    async with session_pair(tmp_path, shared) as (seed, leech):
        torrent = await leech.add(shared, peers=[seed.address])

        async def read(name: str) -> bytes:
            async with torrent.open(name) as file:
                return await read_all(file, 5000)

        names = [*SIZES, *SIZES]
        assert await asyncio.gather(*map(read, names)) == [original(tmp_path, name) for name in names]


async def test_a_read_can_be_cancelled_and_repeated(tmp_path: Path, shared: Metainfo) -> None:
    async with session_pair(tmp_path, shared) as (seed, leech):
        torrent = await leech.add(shared)
        async with torrent.open("a.mkv") as file:
            for _ in range(3):
                reading = asyncio.create_task(file.read(100))
                await asyncio.sleep(0)
                assert waiting(torrent) == 1
                reading.cancel()
                await asyncio.wait([reading])
                assert reading.cancelled()
                assert (file.tell(), waiting(torrent)) == (0, 0)
            torrent.add_peers([seed.address])
            assert await file.read(100) == original(tmp_path, "a.mkv")[:100]


async def test_closing_takes_the_deadlines_back(tmp_path: Path, shared: Metainfo) -> None:
    async with session_pair(tmp_path, shared) as (_, leech):
        torrent = await leech.add(shared)
        seen = [deadlines(torrent)]
        async with torrent.open("a.mkv") as one:
            async with torrent.open("c.mkv"):
                seen.append(deadlines(torrent))
            seen.append(deadlines(torrent))
        seen.append(deadlines(torrent))
        assert seen == [False, True, True, False]
        one.close()
        with pytest.raises(LocalProtocolError, match="closed"):
            await one.read(1)
        with pytest.raises(LocalProtocolError, match="only once"):
            await one.__aenter__()
        with pytest.raises(LocalProtocolError, match="not open"):
            torrent.open("a.mkv").tell()


async def test_nobody_waits_for_what_will_not_come(tmp_path: Path, shared: Metainfo) -> None:
    async with session_pair(tmp_path, shared) as (_, leech):
        torrent = await leech.add(shared, select=["a.mkv"])
        with pytest.raises(SelectionError, match=r"c\.mkv is not selected"):
            async with torrent.open("c.mkv"):
                pass
        for name, why in (("d.mkv", "is no file"), ("*.mkv", "means 2 files")):
            with pytest.raises(SelectionError, match=why):
                async with torrent.open(name):
                    pass
        async with torrent.open("a.mkv") as file:
            reading = asyncio.create_task(file.read(1))
            await asyncio.sleep(0)
            await torrent.set_priorities(files={"a.mkv": 0})
            with pytest.raises(SelectionError, match="not selected"):
                await reading
            await torrent.set_priorities(files={"a.mkv": 4})
            reading = asyncio.create_task(file.read(1))
            await asyncio.sleep(0)
            file.close()
            with pytest.raises(LocalProtocolError, match="closed"):
                await reading
        async with torrent.open("a.mkv") as file:
            reading = asyncio.create_task(file.read(1))
            await asyncio.sleep(0)
            await leech.remove(torrent)
            with pytest.raises(TorrentStoppedError):
                await reading
        with pytest.raises(TorrentStoppedError):
            async with torrent.open("a.mkv"):
                pass


async def test_a_seed_reads_its_own_files(tmp_path: Path, shared: Metainfo) -> None:
    async with Session(tmp_path / "seed", host="127.0.0.1") as session:
        torrent = await session.add(shared, seed_only=True)
        async with torrent.open(1) as file:
            assert await file.read() == original(tmp_path, "b.txt")

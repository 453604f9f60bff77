"""Sessions that share torrents of version 2 and hybrid ones: all of it, a part, again, as a stream, from a web seed."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from aiohttp import web

from bittorrent import Metainfo, MetainfoError, Session, Torrent
from tests.version2 import build

PIECE_LENGTH = 1 << 15
SIZES = {"a": 40_000, "b/empty": 0, "b/small": 5, "c": 70_001, "z": 16_384}


@pytest.fixture
def files() -> dict[str, bytes]:
    rng = random.Random(52)
    return {path: rng.randbytes(size) for path, size in SIZES.items()}


@pytest.fixture(params=["v2", "hybrid"])
def shared(request: pytest.FixtureRequest, tmp_path: Path, files: dict[str, bytes]) -> Metainfo:
    for path, content in files.items():
        place = tmp_path / "seed" / "album" / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)
    return Metainfo.from_bytes(build(files, PIECE_LENGTH, hybrid=request.param == "hybrid").data)


def on_disk(folder: Path) -> dict[str, bytes]:
    root = folder / "album"
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


@asynccontextmanager
async def seeding(folder: Path, shared: Metainfo) -> AsyncIterator[Session]:
    async with Session(folder / "seed", host="127.0.0.1") as seed, asyncio.timeout(30):
        await (await seed.add(shared, seed_only=True)).wait_complete()
        yield seed


def assert_done(torrent: Torrent) -> None:
    stats = torrent.statistics()
    assert stats.done_bytes == stats.wanted_bytes == stats.total_bytes == stats.verified_bytes == sum(SIZES.values())
    assert stats.needed_bytes == 0
    assert [file.done_bytes for file in torrent.files()] == list(SIZES.values())


async def test_all_of_it_and_again(tmp_path: Path, shared: Metainfo, files: dict[str, bytes]) -> None:
    async with seeding(tmp_path, shared) as seed:
        async with Session(tmp_path / "leech", host="127.0.0.1") as leech:
            torrent = await leech.add(shared, peers=[seed.address])
            await torrent.wait_complete()
            assert_done(torrent)
            stats = torrent.statistics()
            assert (stats.info_hash, stats.info_hash_v2) == (shared.info_hash, shared.torrent_id.v2)
            if shared.torrent_id.v1 is None:
                assert stats.downloaded_bytes == stats.total_bytes, "blocks end with their file"
        assert on_disk(tmp_path / "leech") == files
        async with Session(tmp_path / "leech", host="127.0.0.1") as again:
            torrent = await again.add(shared)
            await torrent.wait_complete()
            assert_done(torrent)
            assert torrent.statistics().downloaded_bytes == 0


async def test_what_is_damaged_is_fetched_again(tmp_path: Path, shared: Metainfo, files: dict[str, bytes]) -> None:
    for path, content in files.items():
        place = tmp_path / "leech" / "album" / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content[:-1] + b"?" if path == "c" else content)
    async with seeding(tmp_path, shared) as seed, Session(tmp_path / "leech", host="127.0.0.1") as leech:
        torrent = await leech.add(shared, peers=[seed.address])
        await torrent.wait_complete()
        assert_done(torrent)
        assert torrent.statistics().downloaded_bytes <= PIECE_LENGTH
    assert on_disk(tmp_path / "leech") == files


async def test_one_file_alone(tmp_path: Path, shared: Metainfo, files: dict[str, bytes]) -> None:
    """Pieces have one file each, so nothing of the others is fetched, and nothing lies beside the files."""
    async with seeding(tmp_path, shared) as seed, Session(tmp_path / "leech", host="127.0.0.1") as leech:
        torrent = await leech.add(shared, peers=[seed.address], select=["album/c"])
        await torrent.wait_complete()
        stats = torrent.statistics()
        assert stats.done_bytes == stats.wanted_bytes == SIZES["c"]
        assert stats.total_bytes == sum(SIZES.values())
        assert not list((tmp_path / "leech").rglob("*.parts"))
        await torrent.select(["*"])
        await torrent.wait_complete()
        assert_done(torrent)
    assert on_disk(tmp_path / "leech") == files


@pytest.mark.parametrize("path", ["c", "b/small"])
async def test_a_stream_ends_with_its_file(
    tmp_path: Path, shared: Metainfo, files: dict[str, bytes], path: str
) -> None:
    async with seeding(tmp_path, shared) as seed, Session(tmp_path / "leech", host="127.0.0.1") as leech:
        torrent = await leech.add(shared, peers=[seed.address])
        async with torrent.open(f"album/{path}") as stream:
            assert stream.size == SIZES[path]
            await stream.seek(SIZES[path] // 2)
            found = b""
            while data := await stream.read():
                found += data
        assert found == files[path][SIZES[path] // 2 :]


async def test_from_a_web_seed(tmp_path: Path, shared: Metainfo, files: dict[str, bytes]) -> None:
    asked: list[str] = []

    async def answer(request: web.Request) -> web.StreamResponse:
        asked.append(request.match_info["path"])
        return web.FileResponse(tmp_path / "seed" / request.match_info["path"])

    application = web.Application()
    application.router.add_get("/{path:.*}", answer)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        async with Session(tmp_path / "leech", host="127.0.0.1") as leech, asyncio.timeout(30):
            url = f"http://127.0.0.1:{runner.addresses[0][1]}/"
            torrent = await leech.add(shared, web_seeds=[url])
            await torrent.wait_complete()
            assert_done(torrent)
    finally:
        await runner.cleanup()
    assert on_disk(tmp_path / "leech") == files
    assert set(asked) == {"album/a", "album/b/small", "album/c", "album/z"}, "padding is at no server"


@pytest.mark.parametrize("is_here", [True, False])
async def test_halves_that_disagree_end_the_torrent_by_name(tmp_path: Path, is_here: bool) -> None:
    """Found by the check of what is here, or by a piece from a peer."""
    content = random.Random(7).randbytes(3 * PIECE_LENGTH)
    (tmp_path / "seed").mkdir()
    (tmp_path / "seed" / "one").write_bytes(content)
    built = build({"one": content}, PIECE_LENGTH, name="one", hybrid=True)
    lying = build({"one": content[:-1] + b"?"}, PIECE_LENGTH, name="one", hybrid=True)
    built.info["pieces"] = built.info["pieces"][:40] + lying.info["pieces"][40:]
    bad = Metainfo.from_bytes(built.data)
    by_version_2 = Metainfo.from_bytes(build({"one": content}, PIECE_LENGTH, name="one").data)
    async with (
        Session(tmp_path / "seed", host="127.0.0.1") as seed,
        Session(tmp_path / ("seed" if is_here else "leech"), host="127.0.0.1") as leech,
        asyncio.timeout(30),
    ):
        if not is_here:
            await (await seed.add(replace(bad, hasher=by_version_2.hasher), seed_only=True)).wait_complete()
        torrent = await leech.add(bad, peers=[seed.address])
        with pytest.raises(MetainfoError, match="halves of the torrent disagree"):
            await torrent.wait_complete()

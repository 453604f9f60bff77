"""What every client must do with us, whichever of us has the files: plain downloads, magnet links, chosen files."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from pathlib import Path

import pytest

from bittorrent import Metainfo, Session, SessionConfig, create_metainfo
from bittorrent.files.entry import FileEntry
from tests.interop.aria2 import Aria2
from tests.interop.clients import CLIENTS, Client
from tests.interop.content import MIB, digests, make_file, make_many_files
from tests.interop.opentracker import OpenTracker

pytestmark = pytest.mark.interop

PIECE = 1 << 15
BLOCK = 1 << 14


def make_shared(where: Path, *, align: bool = False) -> Metainfo:
    return create_metainfo(make_many_files(where / "shared"), piece_length=PIECE, align=align)


async def complete(session: Session, metainfo: Metainfo) -> None:
    torrent = session.torrents[metainfo.info_hash]
    async with asyncio.timeout(30):
        await torrent.wait_complete()


# Many files that share pieces, over both families


@pytest.mark.parametrize("host", ["127.0.0.1", pytest.param("::1", marks=pytest.mark.ipv6)], ids=["ipv4", "ipv6"])
@CLIENTS
async def test_we_download(client: Client, host: str, tmp_path: Path) -> None:
    metainfo = make_shared(tmp_path / "theirs")
    async with client(host=host) as peer, Session(tmp_path / "ours", host=host) as session:
        await peer.add(tmp_path / "theirs", metainfo, seed=True)
        torrent = await session.add(metainfo, peers=[peer.address])
        await complete(session, metainfo)
        stats = torrent.statistics()
    assert digests(tmp_path / "ours" / "shared") == digests(tmp_path / "theirs" / "shared")
    assert [source.address for source in stats.sources] == [peer.address]
    assert stats.downloaded_bytes == metainfo.total_bytes
    assert stats.failed_pieces == 0


@pytest.mark.parametrize("host", ["127.0.0.1", pytest.param("::1", marks=pytest.mark.ipv6)], ids=["ipv4", "ipv6"])
@CLIENTS
async def test_they_download(client: Client, host: str, tmp_path: Path) -> None:
    metainfo = make_shared(tmp_path / "ours")
    async with client(host=host) as peer, Session(tmp_path / "ours", host=host) as session:
        info_hash = await peer.add(tmp_path / "theirs", metainfo)
        torrent = await session.add(metainfo, seed_only=True, peers=[peer.address])
        await peer.wait_complete(info_hash)
        assert torrent.statistics().uploaded_bytes == metainfo.total_bytes
    assert digests(tmp_path / "theirs" / "shared") == digests(tmp_path / "ours" / "shared")


# Without a seed


@CLIENTS
async def test_two_halves_become_a_whole(client: Client, tmp_path: Path) -> None:
    """Each has what the other lacks, and both learn piece by piece what the other has got meanwhile."""
    metainfo = create_metainfo(make_file(tmp_path / "whole" / "shared.bin", 4 * MIB), piece_length=PIECE)
    whole = (tmp_path / "whole" / "shared.bin").read_bytes()
    for folder, kept in (("ours", slice(2 * MIB)), ("theirs", slice(2 * MIB, None))):
        half = bytearray(len(whole))
        half[kept] = whole[kept]
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "shared.bin").write_bytes(half)
    async with client() as peer, Session(tmp_path / "ours", host="127.0.0.1") as session:
        info_hash = await peer.add(tmp_path / "theirs", metainfo)
        torrent = await session.add(metainfo, peers=[peer.address])
        await complete(session, metainfo)
        await peer.wait_complete(info_hash)
        stats = torrent.statistics()
        assert (stats.downloaded_bytes, stats.uploaded_bytes) == (2 * MIB, 2 * MIB)
    assert (tmp_path / "ours" / "shared.bin").read_bytes() == whole
    assert (tmp_path / "theirs" / "shared.bin").read_bytes() == whole


# Found through a tracker, with a torrent or just a magnet link


ALLOW = SessionConfig(allow_private=True)  # a magnet link names a tracker on this machine


@pytest.mark.parametrize("by", ["http", "udp", "magnet"])
@CLIENTS
async def test_we_find_them_through_a_tracker(client: Client, by: str, tmp_path: Path) -> None:
    path = make_file(tmp_path / "theirs" / "shared.bin", MIB)
    async with OpenTracker([create_metainfo(path).info_hash]) as tracker, client() as peer:
        metainfo = create_metainfo(path, trackers=((tracker.udp_url if by == "udp" else tracker.http_url,),))
        await peer.add(tmp_path / "theirs", metainfo, seed=True)
        await tracker.wait_for_peer(metainfo.info_hash)
        async with Session(tmp_path / "ours", host="127.0.0.1", config=ALLOW) as session:
            await session.add(metainfo.magnet() if by == "magnet" else metainfo)
            await complete(session, metainfo)
    assert digests(tmp_path / "ours" / "shared.bin") == digests(path)


@pytest.mark.parametrize("by", ["http", "udp", "magnet"])
@CLIENTS
async def test_they_find_us_through_a_tracker(client: Client, by: str, tmp_path: Path) -> None:
    path = make_file(tmp_path / "ours" / "shared.bin", MIB)
    async with OpenTracker([create_metainfo(path).info_hash]) as tracker, client() as peer:
        metainfo = create_metainfo(path, trackers=((tracker.udp_url if by == "udp" else tracker.http_url,),))
        async with Session(tmp_path / "ours", host="127.0.0.1", config=ALLOW) as session:
            torrent = await session.add(metainfo, seed_only=True)
            await torrent.wait_announced()
            info_hash = await peer.add(tmp_path / "theirs", metainfo.magnet() if by == "magnet" else metainfo)
            await peer.wait_complete(info_hash)
            assert torrent.statistics().uploaded_bytes == metainfo.total_bytes
    assert digests(tmp_path / "theirs" / "shared.bin") == digests(path)


# Chosen files


@pytest.mark.parametrize("align", [False, True], ids=["packed", "aligned"])
@CLIENTS
async def test_we_choose_files(client: Client, align: bool, tmp_path: Path) -> None:
    metainfo = make_shared(tmp_path / "theirs", align=align)
    if client is Aria2:  # for it padding is just more files
        write_padding(metainfo, tmp_path / "theirs")
    wanted = every_third_file(metainfo)
    async with client() as peer, Session(tmp_path / "ours", host="127.0.0.1") as session:
        await peer.add(tmp_path / "theirs", metainfo, seed=True)
        torrent = await session.add(metainfo, peers=[peer.address], select=wanted)
        await complete(session, metainfo)
        assert torrent.statistics().downloaded_bytes == asked_bytes(metainfo, wanted)
    theirs = digests(tmp_path / "theirs" / "shared")
    names = [str(metainfo.files[number]) for number in wanted]
    assert digests(tmp_path / "ours" / "shared") == {name: theirs[name] for name in names}


@pytest.mark.parametrize("align", [False, True], ids=["packed", "aligned"])
@CLIENTS
async def test_they_choose_files(client: Client, align: bool, tmp_path: Path) -> None:
    metainfo = make_shared(tmp_path / "ours", align=align)
    wanted = every_third_file(metainfo)
    async with client() as peer, Session(tmp_path / "ours", host="127.0.0.1") as session:
        info_hash = await peer.add(tmp_path / "theirs", metainfo, select=wanted)
        torrent = await session.add(metainfo, seed_only=True, peers=[peer.address])
        await peer.wait_complete(info_hash)
        asked = asked_bytes(metainfo, wanted, knows_padding=client is not Aria2)
        assert torrent.statistics().uploaded_bytes == asked
    ours, theirs = digests(tmp_path / "ours" / "shared"), digests(tmp_path / "theirs" / "shared")
    for name in [str(metainfo.files[number]) for number in wanted]:
        assert theirs[name] == ours[name]


def every_third_file(metainfo: Metainfo) -> list[int]:
    """So that pieces are shared with files that nobody wants."""
    return [number for number, entry in enumerate(metainfo.files) if not entry.is_padding][::3]


def asked_bytes(metainfo: Metainfo, files: list[int], *, knows_padding: bool = True) -> int:
    """The bytes of all blocks in the pieces of some files; who knows padding does not ask for what is nothing else."""

    def spans(entries: Iterable[FileEntry], size: int) -> set[int]:
        return {
            n for entry in entries if entry.length for n in range(entry.offset // size, (entry.end - 1) // size + 1)
        }

    pieces = spans((metainfo.files[number] for number in files), PIECE)
    blocks = spans((entry for entry in metainfo.files if not (entry.is_padding and knows_padding)), BLOCK)
    asked = [block * BLOCK for block in blocks if block * BLOCK // PIECE in pieces]
    return sum(min(BLOCK, metainfo.geometry.total_bytes - start) for start in asked)


def write_padding(metainfo: Metainfo, where: Path) -> None:
    for entry in metainfo.files:
        if entry.is_padding:
            path = where.joinpath(metainfo.name, *entry.path)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(bytes(entry.length))

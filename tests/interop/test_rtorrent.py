"""rtorrent, both ways: torrents, and magnet links with much metadata."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from bittorrent import Metainfo, Session, create_metainfo
from tests.interop.content import digests, make_many_files
from tests.interop.rtorrent import Rtorrent

pytestmark = pytest.mark.interop

METADATA_PIECE = 16384


def make_torrent(where: Path, *, seed: int) -> Metainfo:
    """Fifty files, and so many pieces that the metadata has several pieces too."""
    folder = make_many_files(where / "folder", seed=seed)
    (folder / "long").mkdir()
    for number in range(200):
        (folder / "long" / f"{number:03} {'x' * 150}").write_bytes(b"%d" % number)
    metainfo = create_metainfo(folder, piece_length=1 << 14)
    assert len(metainfo.info_bytes) > 2 * METADATA_PIECE
    return metainfo


@pytest.mark.parametrize("kind", ["torrent", "magnet"])
async def test_we_download_from_rtorrent(tmp_path: Path, kind: str) -> None:
    """rtorrent 0.9.8 answers only the first of several requests for metadata: the link never became a torrent."""
    metainfo = make_torrent(tmp_path / "theirs", seed=1)
    async with Rtorrent() as rtorrent, Session(tmp_path / "ours", host="127.0.0.1") as session:
        await rtorrent.add(tmp_path / "theirs" / "folder", metainfo, seed=True)
        source = metainfo.magnet() if kind == "magnet" else metainfo
        torrent = await session.add(source, peers=[rtorrent.address])
        async with asyncio.timeout(60):
            await torrent.wait_complete()
    assert digests(tmp_path / "ours" / "folder") == digests(tmp_path / "theirs" / "folder")


@pytest.mark.parametrize("kind", ["torrent", "magnet"])
async def test_rtorrent_downloads_from_us(tmp_path: Path, kind: str) -> None:
    metainfo = make_torrent(tmp_path / "ours", seed=2)
    async with Rtorrent() as rtorrent, Session(tmp_path / "ours", host="127.0.0.1") as session:
        await (await session.add(metainfo, seed_only=True)).wait_complete()
        source = metainfo.magnet() if kind == "magnet" else metainfo
        info_hash = await rtorrent.add(tmp_path / "theirs" / "folder", source)
        await rtorrent.wait_complete(info_hash, peer=session.address)
        await rtorrent.stop(info_hash)
    assert digests(tmp_path / "theirs" / "folder") == digests(tmp_path / "ours" / "folder")

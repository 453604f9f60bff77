"""qBittorrent, rtorrent and WebTorrent: torrents, magnet links and chosen files, in both directions."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import TypeAlias

import pytest

from bittorrent import Magnet, Metainfo, Session, create_metainfo
from tests.interop.content import digests, make_many_files, seed_of
from tests.interop.qbittorrent import QBittorrent
from tests.interop.rtorrent import Rtorrent
from tests.interop.webtorrent_peer import WebTorrent

pytestmark = pytest.mark.interop

PIECE = 1 << 15
CHOSEN = (0, 1, 2, 17, 18)
DesktopClient: TypeAlias = type[QBittorrent] | type[Rtorrent] | type[WebTorrent]
CLIENTS = pytest.mark.parametrize(
    "client", [QBittorrent, Rtorrent, WebTorrent], ids=["qbittorrent", "rtorrent", "webtorrent"]
)
WISHES = pytest.mark.parametrize("wish", ["torrent", "magnet", "chosen files"])


def make_torrent(where: Path) -> Metainfo:
    return create_metainfo(make_many_files(where / "many", seed=seed_of(where)), piece_length=PIECE)


def source_of(metainfo: Metainfo, wish: str) -> Metainfo | Magnet:
    return metainfo.magnet() if wish == "magnet" else metainfo


def chosen(wish: str) -> Sequence[int]:
    return CHOSEN if wish == "chosen files" else ()


def place_of(client: DesktopClient, folder: Path, metainfo: Metainfo) -> Path:
    """What a client is told: rtorrent wants the folder that holds the files, others the one around it."""
    return folder / metainfo.name if client is Rtorrent else folder


def check_files(metainfo: Metainfo, original: Path, copy: Path, wish: str, *, empty: bool) -> None:
    """Every file that was wanted is the same; some clients make no `empty` ones."""
    expected, found = digests(original / metainfo.name), digests(copy / metainfo.name)
    numbers = chosen(wish) or range(len(metainfo.files))
    wanted = [metainfo.files[number] for number in numbers if metainfo.files[number].length or empty]
    assert len(wanted) >= 4
    assert [str(entry) for entry in wanted if found.get(str(entry)) != expected[str(entry)]] == []


@CLIENTS
@WISHES
async def test_we_download(client: DesktopClient, wish: str, tmp_path: Path) -> None:
    metainfo = make_torrent(tmp_path / "theirs")
    async with client() as peer, Session(tmp_path / "ours", host="127.0.0.1") as session:
        await peer.add(place_of(client, tmp_path / "theirs", metainfo), metainfo, seed=True)
        torrent = await session.add(source_of(metainfo, wish), peers=[peer.address], select=chosen(wish))
        async with asyncio.timeout(60):
            await torrent.wait_complete()
        fetched = torrent.statistics().downloaded_bytes
    assert fetched == metainfo.total_bytes or (wish == "chosen files" and fetched < metainfo.total_bytes / 2)
    check_files(metainfo, tmp_path / "theirs", tmp_path / "ours", wish, empty=True)


@CLIENTS
@WISHES
async def test_they_download(client: DesktopClient, wish: str, tmp_path: Path) -> None:
    metainfo = make_torrent(tmp_path / "ours")
    async with client() as peer, Session(tmp_path / "ours", host="127.0.0.1") as session:
        torrent = await session.add(metainfo, seed_only=True)
        await torrent.wait_complete()
        place = place_of(client, tmp_path / "theirs", metainfo)
        info_hash = await peer.add(place, source_of(metainfo, wish), select=chosen(wish))
        await peer.wait_complete(info_hash, peer=session.address)
        sent = torrent.statistics().uploaded_bytes
    assert sent == metainfo.total_bytes or (wish == "chosen files" and sent < metainfo.total_bytes / 2)
    check_files(metainfo, tmp_path / "ours", tmp_path / "theirs", wish, empty=False)

"""Version 2 and hybrid torrents with libtorrent, both ways, from torrent files and from links to one hash or both."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from bittorrent import DialPath, Encryption, Magnet, PathConfig, Session, SessionConfig
from tests.interop.content import digests
from tests.interop.libtorrent_peer import LibtorrentPeer
from tests.interop.test_encryption import LIBTORRENT
from tests.interop.version2 import link_to, made_by_libtorrent, make_album
from tests.machine import is_long

pytestmark = pytest.mark.interop

KINDS = [("v2", ""), ("v2", "v2"), ("hybrid", ""), ("hybrid", "v1"), ("hybrid", "v2"), ("hybrid", "v1 v2")]
SMALL, LARGE = 1 << 14, 1 << 16  # pieces

ONLY_UTP = {
    "enable_outgoing_utp": True,
    "enable_incoming_utp": True,
    "enable_outgoing_tcp": False,
    "enable_incoming_tcp": False,
}
UTP = SessionConfig(paths=PathConfig(paths=(DialPath(transport="utp"),)))


def in_ci(every: list[tuple[Any, ...]], *chosen: tuple[Any, ...]) -> list[Any]:
    """All cases under `tox -e long`, some of them in CI; each is called by its words and numbers."""
    return [pytest.param(*case, id="-".join(map(str, case))) for case in every if is_long() or case in chosen]


@pytest.mark.parametrize(
    ("kind", "names", "piece_length"),
    in_ci(
        [(*kind, size) for kind in KINDS for size in (SMALL, LARGE)],
        *((*kind, (SMALL, LARGE)[number % 2]) for number, kind in enumerate(KINDS)),
    ),
)
async def test_we_download_from_libtorrent(tmp_path: Path, kind: str, names: str, piece_length: int) -> None:
    metainfo = made_by_libtorrent(make_album(tmp_path / "theirs" / "album"), kind, piece_length=piece_length)
    async with LibtorrentPeer() as libtorrent, Session(tmp_path / "ours", host="127.0.0.1") as session:
        await libtorrent.add(tmp_path / "theirs", metainfo)
        torrent = await session.add(link_to(metainfo, names), peers=[libtorrent.address])
        async with asyncio.timeout(30):
            await torrent.wait_complete()
    assert torrent.torrent_id == metainfo.torrent_id
    assert digests(tmp_path / "ours" / "album") == digests(tmp_path / "theirs" / "album")


@pytest.mark.parametrize("kind", in_ci([("v2",), ("hybrid",)], ("v2",)))
async def test_20_bytes_of_a_version_2_hash_are_enough(tmp_path: Path, kind: str) -> None:
    """A bare info-hash, a pointer of BEP 46 and an old link have no room for more, and do not say of which version."""
    metainfo = made_by_libtorrent(make_album(tmp_path / "theirs" / "album"), kind)
    link = Magnet(v1=metainfo.torrent_id.v2_short)
    async with LibtorrentPeer() as libtorrent, Session(tmp_path / "ours", host="127.0.0.1") as session:
        await libtorrent.add(tmp_path / "theirs", metainfo)
        torrent = await session.add(link, peers=[libtorrent.address])
        async with asyncio.timeout(30):
            await torrent.wait_complete()
        assert await session.add(metainfo) is torrent
    assert torrent.torrent_id == metainfo.torrent_id
    assert digests(tmp_path / "ours" / "album") == digests(tmp_path / "theirs" / "album")


@pytest.mark.parametrize(
    ("kind", "names", "we_call"),
    in_ci(
        [(*kind, we_call) for kind in KINDS for we_call in (False, True)],
        *((*kind, False) for kind in KINDS),
        ("hybrid", "v1", True),
        ("hybrid", "v2", True),
    ),
)
async def test_libtorrent_downloads_from_us(tmp_path: Path, kind: str, names: str, we_call: bool) -> None:
    metainfo = made_by_libtorrent(make_album(tmp_path / "ours" / "album"), kind)
    async with LibtorrentPeer() as libtorrent, Session(tmp_path / "ours", host="127.0.0.1") as session:
        torrent = await session.add(metainfo, seed_only=True)
        await torrent.wait_complete()
        info_hash = await libtorrent.add(tmp_path / "theirs", link_to(metainfo, names))
        if we_call:
            torrent.add_peers([libtorrent.address])
        else:
            await libtorrent.connect(info_hash, session.address)
        await libtorrent.wait_complete(info_hash, within_s=30)
    assert digests(tmp_path / "theirs" / "album") == digests(tmp_path / "ours" / "album")


CARRIERS: dict[str, tuple[dict[str, Any], SessionConfig]] = {
    "utp": (ONLY_UTP, UTP),
    "they-insist": (LIBTORRENT["forced-rc4"], SessionConfig()),
    "we-insist": (LIBTORRENT["enabled"], SessionConfig(encryption=Encryption.REQUIRED)),
    "encrypted-utp": ({**ONLY_UTP, **LIBTORRENT["forced-rc4"]}, UTP),
}


@pytest.mark.parametrize(
    ("carrier", "kind", "we_seed"),
    in_ci(
        [(carrier, kind, we_seed) for carrier in CARRIERS for kind in ("v2", "hybrid") for we_seed in (False, True)],
        *((carrier, "v2", False) for carrier in CARRIERS),
        *((carrier, "hybrid", True) for carrier in CARRIERS),
    ),
)
async def test_over_other_carriers(tmp_path: Path, carrier: str, kind: str, we_seed: bool) -> None:
    """Each side has a link to the version 2 hash when it downloads, and calls."""
    settings, config = CARRIERS[carrier]
    names = "v2"
    metainfo = made_by_libtorrent(make_album(tmp_path / "seed" / "album"), kind)
    ours, theirs = (tmp_path / "seed", tmp_path / "leech") if we_seed else (tmp_path / "leech", tmp_path / "seed")
    async with LibtorrentPeer(settings=settings) as libtorrent, Session(ours, host="127.0.0.1", config=config) as us:
        if we_seed:
            await (await us.add(metainfo, seed_only=True)).wait_complete()
            info_hash = await libtorrent.add(theirs, link_to(metainfo, names))
            await libtorrent.connect(info_hash, us.address)
            await libtorrent.wait_complete(info_hash, within_s=30)
        else:
            await libtorrent.add(theirs, metainfo)
            torrent = await us.add(link_to(metainfo, names), peers=[libtorrent.address])
            async with asyncio.timeout(30):
                await torrent.wait_complete()
    assert digests(tmp_path / "leech" / "album") == digests(tmp_path / "seed" / "album")

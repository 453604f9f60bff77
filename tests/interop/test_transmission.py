"""transmission-daemon, both ways at once: it takes ten seconds to decide who may have something."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from bittorrent import Magnet, Metainfo, Session, Torrent, create_metainfo
from tests.interop.content import digests, make_many_files
from tests.interop.programs import wait_until
from tests.interop.transmission import Transmission

pytestmark = pytest.mark.interop

PIECE = 1 << 15


def make_torrent(where: Path, name: str, *, seed: int) -> Metainfo:
    return create_metainfo(make_many_files(where / name, seed=seed), piece_length=PIECE)


async def test_torrents_magnet_links_and_chosen_files_go_both_ways(tmp_path: Path) -> None:
    ours = [make_torrent(tmp_path / "ours", name, seed=number) for number, name in enumerate(NAMES)]
    theirs = [make_torrent(tmp_path / "theirs", name, seed=number) for number, name in enumerate(NAMES, start=10)]
    async with Transmission() as transmission, Session(tmp_path / "ours", host="127.0.0.1") as session:

        async def connect(torrent: Torrent) -> None:
            async def is_connected() -> bool:
                return torrent.statistics().peers > 0

            torrent.add_peers([transmission.address])  # which takes one handshake of a host at a time
            await wait_until(is_connected, what=f"{torrent.name} has a connection")

        for metainfo in ours:
            torrent = await session.add(metainfo, seed_only=True)
            await torrent.wait_complete()
            await transmission.add(tmp_path / "from us", wish(metainfo), select=files_of(metainfo))
            await connect(torrent)
        for metainfo in theirs:
            await transmission.add(tmp_path / "theirs", metainfo, seed=True)
            where = tmp_path / "from them"
            await connect(await session.add(wish(metainfo), download_dir=where, select=files_of(metainfo)))
        async with asyncio.timeout(60):
            for metainfo in ours:
                await transmission.wait_complete(metainfo.info_hash.hex())
            for metainfo in theirs:
                await session.torrents[metainfo.info_hash].wait_complete()
        uploaded = [session.torrents[metainfo.info_hash].statistics().uploaded_bytes for metainfo in ours]
    assert uploaded[:2] == [metainfo.total_bytes for metainfo in ours[:2]]
    assert uploaded[2] < ours[2].total_bytes / 2
    for kept, copied, torrents in (("ours", "from us", ours), ("theirs", "from them", theirs)):
        for metainfo in torrents:
            expected, found = digests(tmp_path / kept / metainfo.name), digests(tmp_path / copied / metainfo.name)
            for number in files_of(metainfo) or range(len(metainfo.files)):
                entry = metainfo.files[number]
                if entry.length or copied == "from them":  # Transmission 3.00 makes no empty files
                    assert found[str(entry)] == expected[str(entry)]


def wish(metainfo: Metainfo) -> Metainfo | Magnet:
    """What is asked for."""
    return metainfo.magnet() if metainfo.name == "linked" else metainfo


def files_of(metainfo: Metainfo) -> tuple[int, ...]:
    """The files that are chosen; none at all means everything."""
    return (0, 1, 2, 17, 18) if metainfo.name == "partial" else ()


NAMES = ("whole", "linked", "partial")

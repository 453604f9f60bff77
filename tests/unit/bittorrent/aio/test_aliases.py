"""A torrent with two hashes in a session: peers find it by each, and no other torrent may have one of them."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from bittorrent import Metainfo, Session, Torrent, TorrentCollisionError, TorrentId, create_metainfo

V2 = bytes(range(100, 132))


@pytest.fixture
def hybrid(tmp_path: Path) -> Metainfo:
    (tmp_path / "seed").mkdir()
    (tmp_path / "seed" / "file.bin").write_bytes(bytes(range(256)) * 300)
    metainfo = create_metainfo(tmp_path / "seed" / "file.bin")
    return replace(metainfo, torrent_id=TorrentId(metainfo.info_hash, V2))


async def complete(torrent: Torrent) -> None:
    async with asyncio.timeout(20):
        await torrent.wait_complete()


@pytest.mark.parametrize("version", [1, 2])
async def test_peers_of_either_side_are_answered_by_the_hash_that_they_use(
    tmp_path: Path, hybrid: Metainfo, version: int
) -> None:
    theirs = TorrentId(hybrid.info_hash) if version == 1 else TorrentId(v2=V2)
    async with (
        Session(tmp_path / "seed", host="127.0.0.1") as seed,
        Session(tmp_path / "leech", host="127.0.0.1") as leech,
    ):
        await complete(await seed.add(hybrid, seed_only=True))
        torrent = await leech.add(replace(hybrid, torrent_id=theirs), peers=[seed.address])
        await complete(torrent)
        assert torrent.info_hash == (hybrid.info_hash if version == 1 else V2[:20])
        kept = {path.stem for path in (tmp_path / "leech" / ".kad").glob("*.lock")}
        assert kept <= {torrent.info_hash.hex()}
    assert (tmp_path / "leech" / "file.bin").read_bytes() == (tmp_path / "seed" / "file.bin").read_bytes()


async def test_a_link_to_either_hash_is_the_torrent_that_is_there(tmp_path: Path, hybrid: Metainfo) -> None:
    async with Session(tmp_path / "seed", host="127.0.0.1") as session:
        torrent = await session.add(hybrid, seed_only=True)
        assert await session.add(hybrid.magnet_link()) is torrent
        assert await session.add(replace(hybrid, torrent_id=TorrentId(v2=V2))) is torrent
        assert session.torrents == {hybrid.info_hash: torrent}
        assert session.torrents[V2[:20]] is session.torrents[V2] is torrent
        await session.remove(torrent)
        assert not session.torrents
        assert V2 not in session.torrents


async def test_another_torrent_with_one_of_the_hashes_is_refused_by_name(tmp_path: Path, hybrid: Metainfo) -> None:
    forged = replace(hybrid, name="forged", torrent_id=TorrentId(hybrid.info_hash, bytes(32)))
    async with Session(tmp_path / "seed", host="127.0.0.1") as session:
        torrent = await session.add(hybrid, seed_only=True)
        with pytest.raises(TorrentCollisionError, match=r"forged is not file\.bin") as refused:
            await session.add(forged)
        assert refused.value.alias == hybrid.info_hash
        assert session.torrents == {hybrid.info_hash: torrent}

"""Links to one hash of a hybrid torrent: the other one is learnt with the metadata."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

import pytest

from bittorrent import (
    Magnet,
    Metainfo,
    Session,
    Torrent,
    TorrentCollisionError,
    TorrentState,
    create_metainfo,
)

PIECE = 1 << 14


@pytest.fixture
def hybrid(tmp_path: Path) -> Metainfo:
    (tmp_path / "seed").mkdir()
    (tmp_path / "seed" / "file.bin").write_bytes(random.Random(1).randbytes(5 * PIECE))
    return create_metainfo(tmp_path / "seed" / "file.bin", format="hybrid", piece_length=PIECE)


def link_to(metainfo: Metainfo, *, v1: bool = False, v2: bool = False) -> Magnet:
    known = metainfo.torrent_id
    return Magnet(v1=known.v1 if v1 else None, v2=known.v2 if v2 else None)


async def complete(torrent: Torrent) -> None:
    async with asyncio.timeout(20):
        await torrent.wait_complete()


@pytest.mark.parametrize("names", [{"v1": True}, {"v2": True}, {"v1": True, "v2": True}], ids=["v1", "v2", "both"])
async def test_a_torrent_stays_listed_as_it_was_added_and_is_found_by_all_hashes(
    tmp_path: Path, hybrid: Metainfo, names: dict[str, bool]
) -> None:
    link = link_to(hybrid, **names)
    async with (
        Session(tmp_path / "seed", host="127.0.0.1") as seed,
        Session(tmp_path / "leech", host="127.0.0.1") as leech,
    ):
        await complete(await seed.add(hybrid, seed_only=True))
        torrent = await leech.add(link, peers=[seed.address])
        await complete(torrent)
        assert torrent.torrent_id == hybrid.torrent_id
        assert torrent.info_hash == torrent.statistics().info_hash == link.info_hash
        assert torrent.statistics().info_hash_v2 == hybrid.torrent_id.v2
        assert dict(leech.torrents) == {link.info_hash: torrent}
        assert [leech.torrents[alias] for alias in hybrid.torrent_id.aliases] == [torrent] * 3
        assert await leech.add(hybrid) is torrent
        await leech.remove(torrent)
        assert not leech.torrents
    async with Session(tmp_path / "leech", host="127.0.0.1") as again:
        for other in ({"v1": True}, {"v2": True}):  # it was stored under both
            torrent = await again.add(link_to(hybrid, **other))
            await complete(torrent)
            await again.remove(torrent, delete_files=other == {"v2": True})
    assert not list((tmp_path / "leech").rglob("*"))


async def test_two_links_that_turn_out_to_be_one_torrent_are_refused_by_name(tmp_path: Path, hybrid: Metainfo) -> None:
    async with (
        Session(tmp_path / "seed", host="127.0.0.1") as seed,
        Session(tmp_path / "leech", host="127.0.0.1") as leech,
    ):
        await complete(await seed.add(hybrid, seed_only=True))
        first = await leech.add(link_to(hybrid, v1=True))
        second = await leech.add(link_to(hybrid, v2=True), peers=[seed.address])
        with pytest.raises(TorrentCollisionError, match=r"are one torrent, .* and both are here; remove one of them"):
            await complete(second)
        assert second.state is TorrentState.STOPPED
        await leech.remove(second)
        assert dict(leech.torrents) == {first.info_hash: first}
        first.add_peers([seed.address])
        await complete(first)

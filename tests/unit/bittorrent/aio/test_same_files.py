"""Equal files in torrents of one session are fetched once, and one that is on disk already is used (BEP 52)."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

import pytest

from bittorrent import Metainfo, Session, Torrent, TorrentFormat, create_metainfo
from bittorrent.stats import TorrentState

FILM = random.Random(1).randbytes(300_001)
KIB = 1024


def make(folder: Path, files: dict[str, bytes], form: TorrentFormat, piece_length: int) -> Metainfo:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return create_metainfo(folder, format=form, piece_length=piece_length)


async def looked(torrent: Torrent) -> None:
    """Returns when it is known what is on disk."""
    async with asyncio.timeout(20):
        await torrent._life.begun.wait()


async def complete(torrent: Torrent) -> None:
    async with asyncio.timeout(20):
        await torrent.wait_complete()


@pytest.mark.parametrize("form", [TorrentFormat.V2, TorrentFormat.HYBRID])
@pytest.mark.parametrize("piece_length", [16 * KIB, 64 * KIB])
async def test_a_file_on_disk_under_another_torrent_is_used(
    tmp_path: Path, form: TorrentFormat, piece_length: int
) -> None:
    first = make(tmp_path / "have" / "first", {"a": b"x" * 50_000, "film": FILM}, TorrentFormat.V2, 32 * KIB)
    second = make(tmp_path / "elsewhere" / "second", {"again/film": FILM, "z": b"x" * 50_000}, form, piece_length)
    async with Session(tmp_path / "have", host="127.0.0.1") as session:
        await complete(await session.add(first, seed_only=True))
        torrent = await session.add(second)  # which has no peer at all
        await complete(torrent)
        assert torrent.statistics().downloaded_bytes == 0
    assert (tmp_path / "have" / "second" / "again" / "film").read_bytes() == FILM
    assert (tmp_path / "have" / "second" / "z").read_bytes() == b"x" * 50_000


async def test_what_one_torrent_gets_another_has_as_well(tmp_path: Path) -> None:
    first = make(tmp_path / "seed" / "first", {"a": b"x" * 50_000, "film": FILM}, TorrentFormat.V2, 32 * KIB)
    second = make(tmp_path / "elsewhere" / "second", {"film": FILM, "z": b"x" * 50_000}, TorrentFormat.HYBRID, 16 * KIB)
    async with (
        Session(tmp_path / "seed", host="127.0.0.1") as seed,
        Session(tmp_path / "leech", host="127.0.0.1") as session,
    ):
        await complete(await seed.add(first, seed_only=True))
        waiting = await session.add(second)  # its only peer is none of its own
        fetching = await session.add(first, peers=[seed.address])
        await complete(fetching)
        await complete(waiting)
        assert waiting.statistics().downloaded_bytes == 0
        assert waiting.state is TorrentState.SEEDING
    assert (tmp_path / "leech" / "second" / "film").read_bytes() == FILM


async def test_a_torrent_that_comes_later_gives_to_those_that_wait(tmp_path: Path) -> None:
    first = make(tmp_path / "have" / "first", {"film": FILM, "a": b"1"}, TorrentFormat.V2, 32 * KIB)
    second = make(tmp_path / "elsewhere" / "second", {"film": FILM, "b": b"1"}, TorrentFormat.V2, 16 * KIB)
    async with Session(tmp_path / "have", host="127.0.0.1") as session:
        waiting = await session.add(second)
        await looked(waiting)
        assert waiting.statistics().done_bytes == 0
        await complete(await session.add(first, seed_only=True))
        await complete(waiting)


async def test_a_file_that_is_there_twice_is_fetched_once(tmp_path: Path) -> None:
    made = make(tmp_path / "elsewhere" / "d", {"a": FILM, "b": FILM, "c": b"2"}, TorrentFormat.V2, 32 * KIB)
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "b").write_bytes(FILM)
    (tmp_path / "d" / "c").write_bytes(b"2")
    async with Session(tmp_path, host="127.0.0.1") as session:
        await complete(await session.add(made))
    assert (tmp_path / "d" / "a").read_bytes() == FILM


async def test_what_is_not_wanted_is_not_copied(tmp_path: Path) -> None:
    first = make(tmp_path / "have" / "first", {"film": FILM, "a": b"1"}, TorrentFormat.V2, 32 * KIB)
    second = make(tmp_path / "elsewhere" / "second", {"film": FILM, "b": b"1"}, TorrentFormat.V2, 32 * KIB)
    async with Session(tmp_path / "have", host="127.0.0.1") as session:
        await complete(await session.add(first, seed_only=True))
        await complete(await session.add(second, select=["b"]))
    assert not (tmp_path / "have" / "second" / "film").exists()


async def test_a_file_that_was_damaged_since_gives_what_is_right_in_it(tmp_path: Path) -> None:
    first = make(tmp_path / "have" / "first", {"film": FILM, "a": b"1"}, TorrentFormat.V2, 32 * KIB)
    second = make(tmp_path / "elsewhere" / "second", {"film": FILM, "b": b"1"}, TorrentFormat.V2, 32 * KIB)
    async with Session(tmp_path / "have", host="127.0.0.1") as session:
        await complete(await session.add(first, seed_only=True))
        with (tmp_path / "have" / "first" / "film").open("r+b") as file:
            file.seek(70_000)
            file.write(b"damage")
        torrent = await session.add(second)
        await looked(torrent)
        stats = torrent.statistics()
        assert stats.done_pieces == second.piece_count - 1


async def test_a_torrent_that_ended_is_asked_for_nothing(tmp_path: Path) -> None:
    first = make(tmp_path / "have" / "first", {"film": FILM, "a": b"1"}, TorrentFormat.V2, 32 * KIB)
    second = make(tmp_path / "elsewhere" / "second", {"film": FILM, "b": b"1"}, TorrentFormat.V2, 32 * KIB)
    async with Session(tmp_path / "have", host="127.0.0.1") as session:
        ended = await session.add(first, seed_only=True)
        await complete(ended)
        await session.remove(ended)
        torrent = await session.add(second)
        await looked(torrent)
        assert torrent.statistics().done_bytes == 0


@pytest.mark.parametrize("forms", [("v1", "v1"), ("v2", "v1"), ("v1", "hybrid")])
@pytest.mark.parametrize("relation", ["similar", "collection", "none"])
async def test_related_torrents_are_looked_into(tmp_path: Path, forms: tuple[str, str], relation: str) -> None:
    """BEP 38, also where there are no trees: files of the same length are tried, and what fits is taken."""
    for folder, extra in (("have/first", b"1" * 20_000), ("elsewhere/second", b"2" * 7)):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "film").write_bytes(FILM)
        (tmp_path / folder / "a").write_bytes(extra)
    collections = ["films"] if relation == "collection" else []
    first = create_metainfo(
        tmp_path / "have" / "first", format=forms[0], piece_length=32 * KIB, collections=collections
    )
    second = create_metainfo(
        tmp_path / "elsewhere" / "second",
        format=forms[1],
        piece_length=16 * KIB,
        collections=collections,
        similar=[first.info_hash] if relation == "similar" else [],
    )
    async with Session(tmp_path / "have", host="127.0.0.1") as session:
        await complete(await session.add(first, seed_only=True))
        torrent = await session.add(second)
        await looked(torrent)
        done = torrent.statistics().done_pieces
        assert torrent.statistics().downloaded_bytes == 0
    if relation == "none":
        assert done == 0
    else:
        assert done == second.piece_count - 1  # the one that has the other file

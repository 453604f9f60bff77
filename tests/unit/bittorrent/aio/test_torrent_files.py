"""What a torrent remembers of its files between two runs, and what can be done with them while it runs."""

from __future__ import annotations

import asyncio
import errno
import os
import random
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from bittorrent import Metainfo, Session, Torrent, create_metainfo
from bittorrent.errors import StorageError
from bittorrent.stats import TorrentState, TrackerState
from bittorrent.storage import check
from bittorrent.storage.files import FileStorage
from bittorrent.storage.memory import MemoryStorage

SIZES = {"a.bin": 300_000, "sub/b.bin": 200_001, "sub/c.bin": 5}


@pytest.fixture
def shared(tmp_path: Path) -> Metainfo:
    rng = random.Random(1)
    for name, size in SIZES.items():
        path = tmp_path / "seed" / "album" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(rng.randbytes(size))
    return create_metainfo(tmp_path / "seed" / "album", piece_length=1 << 16)


@pytest.fixture
def hashed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The pieces that are hashed on disk from now on."""
    seen: list[int] = []
    real = check.verify_pieces

    def watch(*arguments: object, **options: object) -> object:
        for result in real(*arguments, **options):  # type: ignore[arg-type]
            seen.append(result[0])
            yield result

    monkeypatch.setattr("bittorrent.aio.storage.disk.verify_pieces", watch)
    return seen


@asynccontextmanager
async def seeding(tmp_path: Path, shared: Metainfo) -> AsyncIterator[Session]:
    async with Session(tmp_path / "seed", host="127.0.0.1") as session:
        await complete(await session.add(shared, seed_only=True))
        yield session


async def complete(torrent: Torrent) -> None:
    async with asyncio.timeout(20):
        await torrent.wait_complete()


def files(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


# Resuming


async def fetch(tmp_path: Path, shared: Metainfo, **options: Path) -> None:
    async with (
        seeding(tmp_path, shared) as seed,
        Session(tmp_path / "leech", host="127.0.0.1", **options) as leech,  # type: ignore[arg-type]
    ):
        await complete(await leech.add(shared, peers=[seed.address]))


async def test_with_a_state_dir_nothing_that_has_not_changed_is_hashed_again(
    tmp_path: Path, shared: Metainfo, hashed: list[int]
) -> None:
    await fetch(tmp_path, shared, state_dir=tmp_path / "state")
    assert set(files(tmp_path / "leech")) == {f"album/{name}" for name in SIZES}
    hashed.clear()
    for _ in range(2):
        async with Session(tmp_path / "leech", host="127.0.0.1", state_dir=tmp_path / "state") as session:
            torrent = await session.add(shared, seed_only=True)
            await complete(torrent)
            assert torrent.statistics().checked_pieces == shared.piece_count
    assert hashed == []


async def test_a_file_that_changed_is_hashed_and_only_that(tmp_path: Path, shared: Metainfo, hashed: list[int]) -> None:
    await fetch(tmp_path, shared, state_dir=tmp_path / "state")
    path = tmp_path / "leech" / "album" / "a.bin"
    content = bytearray(path.read_bytes())
    content[0] ^= 1
    status = path.stat()
    path.write_bytes(content)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns + 1))
    hashed.clear()
    async with Session(tmp_path / "leech", host="127.0.0.1", state_dir=tmp_path / "state") as session:
        torrent = await session.add(shared)
        await until(lambda: torrent.statistics().done_pieces == shared.piece_count - 1)
        assert hashed == list(range(-(-SIZES["a.bin"] // (1 << 16))))
        async with seeding(tmp_path, shared) as seed:
            torrent.add_peers([seed.address])
            await complete(torrent)
    assert files(tmp_path / "leech") == files(tmp_path / "seed")


async def test_without_a_state_dir_an_unfinished_download_is_remembered_and_a_finished_one_leaves_nothing(
    tmp_path: Path, shared: Metainfo, hashed: list[int]
) -> None:
    half = tmp_path / "leech" / "album" / "a.bin"
    half.parent.mkdir(parents=True)
    half.write_bytes((tmp_path / "seed" / "album" / "a.bin").read_bytes())
    for _ in range(2):
        async with Session(tmp_path / "leech", host="127.0.0.1") as leech:
            torrent = await leech.add(shared)
            await until(lambda torrent=torrent: torrent.statistics().done_pieces == 4)  # type: ignore[misc]
        assert [path.suffix for path in (tmp_path / "leech" / ".kad").iterdir()] == [".resume"]
    assert hashed == list(range(shared.piece_count)), "only the first run had to"
    await fetch(tmp_path, shared)
    assert files(tmp_path / "leech") == files(tmp_path / "seed")


async def test_a_seed_writes_nothing_without_a_state_dir(tmp_path: Path, shared: Metainfo) -> None:
    before = files(tmp_path / "seed")
    async with seeding(tmp_path, shared):
        pass
    assert files(tmp_path / "seed") == before


# Changes while it runs


async def test_a_torrent_moves_while_it_is_downloaded(tmp_path: Path, shared: Metainfo) -> None:
    async with seeding(tmp_path, shared) as seed, Session(tmp_path / "leech", host="127.0.0.1") as leech:
        torrent = await leech.add(shared, peers=[seed.address])
        await until(lambda: torrent.statistics().state.value != "checking")
        await torrent.move(tmp_path / "elsewhere")
        assert torrent.download_dir == tmp_path / "elsewhere"
        await torrent.rename_file(2, "album/renamed.bin")
        await complete(torrent)
        # Its old place is free, and its new one is not.
        again = create_metainfo(tmp_path / "seed" / "album", piece_length=1 << 15)
        with pytest.raises(StorageError, match="would both be stored"):
            await leech.add(again, download_dir=tmp_path / "elsewhere")
        await complete(await leech.add(again, seed_only=True, download_dir=tmp_path / "seed"))
    expected = {name.replace("sub/c.bin", "renamed.bin"): data for name, data in files(tmp_path / "seed").items()}
    assert files(tmp_path / "elsewhere") == expected
    assert files(tmp_path / "leech") == {}


async def test_new_names_are_remembered(tmp_path: Path, shared: Metainfo, hashed: list[int]) -> None:
    await fetch(tmp_path, shared, state_dir=tmp_path / "state")
    async with Session(tmp_path / "leech", host="127.0.0.1", state_dir=tmp_path / "state") as session:
        torrent = await session.add(shared)
        await complete(torrent)
        await torrent.rename_file(0, "elsewhere/first.bin")
    hashed.clear()
    async with Session(tmp_path / "leech", host="127.0.0.1", state_dir=tmp_path / "state") as session:
        torrent = await session.add(shared)
        await complete(torrent)
        with pytest.raises(StorageError, match="in the way"):
            await torrent.rename_file(1, "elsewhere/first.bin/below")
        with pytest.raises(StorageError, match="there is none"):
            await torrent.rename_file(3, "x")
    assert hashed == []
    assert set(files(tmp_path / "leech")) == {"elsewhere/first.bin", "album/sub/b.bin", "album/sub/c.bin"}


async def test_what_cannot_be_moved_says_why(tmp_path: Path, shared: Metainfo) -> None:
    async with Session(tmp_path / "seed", host="127.0.0.1") as session:
        torrent = await session.add(shared, seed_only=True)
        await complete(torrent)
        with pytest.raises(StorageError, match="only seeded"):
            await torrent.move(tmp_path / "elsewhere")
        await session.remove(torrent)
        with pytest.raises(StorageError, match="not open"):
            await torrent.move(tmp_path / "elsewhere")


async def test_a_download_into_memory(tmp_path: Path, shared: Metainfo) -> None:
    storages: list[MemoryStorage] = []

    def open_storage(*arguments: object, writable: bool) -> MemoryStorage:
        storages.append(MemoryStorage(*arguments, writable=writable))  # type: ignore[arg-type]
        return storages[-1]

    async with (
        seeding(tmp_path, shared) as seed,
        Session(tmp_path / "leech", host="127.0.0.1", open_storage=open_storage) as leech,
    ):
        torrent = await leech.add(shared, peers=[seed.address])
        await complete(torrent)
        with pytest.raises(StorageError, match="not made of files"):
            await torrent.move(tmp_path / "elsewhere")
    assert {name: storages[0].content(name) for name in files(tmp_path / "seed")} == files(tmp_path / "seed")
    assert not (tmp_path / "leech").exists()


# A disk that refuses, damage, and the end


class Full(FileStorage):
    """Takes nothing while `is_full`."""

    is_full = True

    def write(self, offset: int, data: bytes | bytearray | memoryview) -> None:
        if Full.is_full:
            raise StorageError("cannot write: No space left on device; free some space", errno=errno.ENOSPC)
        super().write(offset, data)


async def test_a_full_disk_loses_nothing_and_the_torrent_goes_on_when_there_is_room(
    tmp_path: Path, shared: Metainfo
) -> None:
    Full.is_full = True
    async with (
        seeding(tmp_path, shared) as seed,
        Session(tmp_path / "leech", host="127.0.0.1", open_storage=Full) as leech,
    ):
        torrent = await leech.add(shared, peers=[seed.address])
        with pytest.raises(StorageError, match="free some space"):
            await complete(torrent)
        assert torrent.statistics().state is TorrentState.FAILED
        assert "free some space" in str(torrent.error)
        torrent.resume()
        with pytest.raises(StorageError, match="free some space"):
            await complete(torrent)
        Full.is_full = False
        await leech.add(shared)  # as good as `resume`
        await complete(torrent)
        assert torrent.error is None
        assert torrent.state is TorrentState.SEEDING
        assert torrent.statistics().downloaded_bytes == shared.total_bytes, "nothing was fetched twice"
        torrent.resume()
    assert files(tmp_path / "leech") == files(tmp_path / "seed")


async def test_what_was_damaged_is_found_and_fetched_again(tmp_path: Path, shared: Metainfo) -> None:
    async with seeding(tmp_path, shared) as seed, Session(tmp_path / "leech", host="127.0.0.1") as leech:
        torrent = await leech.add(shared, peers=[seed.address])
        await complete(torrent)
        assert await torrent.recheck() == 0
        assert torrent.state is TorrentState.SEEDING
        path = tmp_path / "leech" / "album" / "a.bin"
        content = bytearray(path.read_bytes())
        content[70_000] ^= 1
        path.write_bytes(content)
        torrent.add_peers([seed.address])
        assert await torrent.recheck() == 1
        assert torrent.statistics().checked_pieces == shared.piece_count
        await complete(torrent)
        assert torrent.state is TorrentState.SEEDING
    assert files(tmp_path / "leech") == files(tmp_path / "seed")


async def test_what_came_by_other_ways_is_found(tmp_path: Path, shared: Metainfo) -> None:
    async with Session(tmp_path / "leech", host="127.0.0.1") as leech:
        torrent = await leech.add(shared)
        await until(lambda: torrent.state is TorrentState.DOWNLOADING)
        shutil.copytree(tmp_path / "seed" / "album", tmp_path / "leech" / "album")
        assert await torrent.recheck() == 0
        await complete(torrent)


async def test_a_seed_whose_recheck_is_given_up_is_a_seed_still(tmp_path: Path, shared: Metainfo) -> None:
    async with seeding(tmp_path, shared) as seed:
        torrent = seed.torrents[shared.info_hash]
        checking = asyncio.create_task(torrent.recheck())
        while torrent.state is not TorrentState.CHECKING:  # noqa: ASYNC110  # which lasts a moment
            await asyncio.sleep(0)
        checking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await checking
        assert torrent.statistics().state is TorrentState.SEEDING


async def test_a_torrent_that_is_only_seeded_ends_with_a_recheck_that_finds_damage(
    tmp_path: Path, shared: Metainfo
) -> None:
    async with seeding(tmp_path, shared) as seed:
        torrent = seed.torrents[shared.info_hash]
        path = tmp_path / "seed" / "album" / "a.bin"
        path.write_bytes(bytes(1000) + path.read_bytes()[1000:])
        with pytest.raises(StorageError, match=r"1 of \d+ pieces of album are missing or damaged") as caught:
            await torrent.recheck()
        assert torrent.state is TorrentState.STOPPED
        assert torrent.error is caught.value


async def test_a_failed_download_that_is_resumed_during_a_recheck_goes_on_after_it(
    tmp_path: Path, shared: Metainfo
) -> None:
    Full.is_full = True
    async with (
        seeding(tmp_path, shared) as seed,
        Session(tmp_path / "leech", host="127.0.0.1", open_storage=Full) as leech,
    ):
        torrent = await leech.add(shared, peers=[seed.address])
        with pytest.raises(StorageError, match="free some space"):
            await complete(torrent)
        Full.is_full = False
        checking = asyncio.create_task(torrent.recheck())
        while torrent.statistics().state is not TorrentState.CHECKING:  # noqa: ASYNC110  # which lasts a moment
            await asyncio.sleep(0)
        torrent.resume()
        await checking
        await complete(torrent)
        assert torrent.state is TorrentState.SEEDING
    assert files(tmp_path / "leech") == files(tmp_path / "seed")


async def test_a_download_that_has_failed_is_failed_still_after_a_recheck_that_finds_damage(
    tmp_path: Path, shared: Metainfo
) -> None:
    Full.is_full = False
    async with (
        seeding(tmp_path, shared) as seed,
        Session(tmp_path / "leech", host="127.0.0.1", open_storage=Full) as leech,
    ):
        torrent = await leech.add(shared, peers=[seed.address], select=["a.bin"])
        await complete(torrent)
        Full.is_full = True
        await torrent.select(["*"])
        with pytest.raises(StorageError, match="free some space"):
            await complete(torrent)
        path = tmp_path / "leech" / "album" / "a.bin"
        path.write_bytes(bytes(1000) + path.read_bytes()[1000:])
        assert await torrent.recheck() == 1
        assert torrent.statistics().state is TorrentState.FAILED
        with pytest.raises(StorageError, match="free some space"):
            await complete(torrent)
        Full.is_full = False
        torrent.resume()
        await complete(torrent)
        assert torrent.state is TorrentState.SEEDING
    assert files(tmp_path / "leech") == files(tmp_path / "seed")


async def test_padding_is_not_fetched(tmp_path: Path, shared: Metainfo) -> None:
    aligned = create_metainfo(tmp_path / "seed" / "album", piece_length=1 << 17, align=True)
    padding = sum(entry.length for entry in aligned.files if entry.is_padding)
    assert padding > 100_000
    async with seeding(tmp_path, aligned) as seed, Session(tmp_path / "leech", host="127.0.0.1") as leech:
        for _ in range(2):
            torrent = await leech.add(aligned, peers=[seed.address])
            await complete(torrent)
            fetched = torrent.statistics().downloaded_bytes
            assert fetched < aligned.total_bytes + 2 * 16384
            assert files(tmp_path / "leech") == files(tmp_path / "seed")
            await leech.remove(torrent, delete_files=True)


async def test_files_are_deleted_on_request(tmp_path: Path, shared: Metainfo) -> None:
    async with seeding(tmp_path, shared) as seed, Session(tmp_path / "leech", host="127.0.0.1") as leech:
        torrent = await leech.add(shared, peers=[seed.address])
        await complete(torrent)
        await torrent.rename_file(0, "elsewhere.bin")
        (tmp_path / "leech" / "album" / "mine").write_text("stays")
        await leech.remove(torrent, delete_files=True)
        assert files(tmp_path / "leech") == {"album/mine": b"stays"}
        with pytest.raises(StorageError, match="only seeded"):
            await seed.remove(next(iter(seed.torrents.values())), delete_files=True)
        assert seed.torrents == {}
    assert len(files(tmp_path / "seed")) == 3


async def test_room_is_reserved_on_request(tmp_path: Path, shared: Metainfo) -> None:
    async with Session(tmp_path / "leech", host="127.0.0.1") as leech:
        torrent = await leech.add(shared, select=[0])
        await until(lambda: torrent.state is TorrentState.DOWNLOADING)
        await torrent.allocate()
    assert {name: len(data) for name, data in files(tmp_path / "leech" / "album").items()} == {"a.bin": SIZES["a.bin"]}


async def test_trackers_are_shown(tmp_path: Path, shared: Metainfo) -> None:
    tiers = [["http://127.0.0.1:1/announce"], ["udp://127.0.0.1/announce"]]
    metainfo = Metainfo.from_info(shared.info_bytes, trackers=tiers)
    async with Session(tmp_path / "seed", host="127.0.0.1") as session:
        torrent = await session.add(metainfo, seed_only=True)
        await until(lambda: all(tracker.state is TrackerState.FAILED for tracker in torrent.trackers()))
        one, two = torrent.trackers()
        assert (one.url, one.tier, one.error) == (tiers[0][0], 0, "http://127.0.0.1:1: nobody listens there")
        assert (two.url, two.tier) == (tiers[1][0], 1)
        assert two.error is not None
        assert "needs a host and a port" in two.error


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110  # a check has no event of its own
            await asyncio.sleep(0.01)


async def test_nothing_is_said_of_files_before_it_is_known_what_is_on_disk(tmp_path: Path, shared: Metainfo) -> None:
    async with Session(tmp_path / "seed", host="127.0.0.1") as session:
        torrent = await session.add(shared, seed_only=True)
        assert torrent.statistics().state is TorrentState.CHECKING
        assert torrent.files() == ()
        await complete(torrent)
        assert [each.done_bytes for each in torrent.files()] == list(SIZES.values())

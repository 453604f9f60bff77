"""One torrent's life between a disk that fails late, metadata from strangers, and files that change under a seed."""

from __future__ import annotations

import asyncio
import errno
import os
import random
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from bittorrent import Metainfo, Session, Torrent, create_metainfo
from bittorrent.errors import MetainfoError, MissingDataError, StorageError, TorrentStoppedError
from bittorrent.identity.torrent_id import TorrentId
from bittorrent.stats import TorrentState
from bittorrent.storage.files import FileStorage
from transfer.wire import bencode

pytestmark = pytest.mark.every_event_loop

SIZE = 700_001


@pytest.fixture
def shared(tmp_path: Path) -> Metainfo:
    return make_shared(tmp_path)


def make_shared(tmp_path: Path, *, size: int = SIZE, piece_length: int = 1 << 16, **options: Any) -> Metainfo:
    path = tmp_path / "seed" / "file.bin"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(random.Random(1).randbytes(size))
    return create_metainfo(path, piece_length=piece_length, **options)


@asynccontextmanager
async def seeding(tmp_path: Path, shared: Metainfo) -> AsyncIterator[tuple[Session, Torrent]]:
    async with Session(tmp_path / "seed", host="127.0.0.1") as session:
        torrent = await session.add(shared, seed_only=True)
        await complete(torrent)
        yield session, torrent


async def complete(torrent: Torrent) -> None:
    async with asyncio.timeout(20):
        await torrent.wait_complete()


def content(tmp_path: Path, where: str) -> bytes:
    return (tmp_path / where / "file.bin").read_bytes()


# The end of a download


async def test_what_the_disk_did_not_keep_after_all_is_not_complete(tmp_path: Path, shared: Metainfo) -> None:
    class FullAtTheEnd(FileStorage):
        def flush(self) -> None:
            raise StorageError("cannot write file.bin: No space left on device", errno=errno.ENOSPC)

    async with (
        seeding(tmp_path, shared) as (seed, _),
        Session(tmp_path / "leech", host="127.0.0.1", open_storage=FullAtTheEnd) as leech,
    ):
        torrent = await leech.add(shared.magnet_link(), peers=[seed.address])
        with pytest.raises(StorageError, match="No space left"):
            await complete(torrent)
        assert isinstance(torrent.error, StorageError)
        kept = {name.partition(".")[2] for name in os.listdir(tmp_path / "leech" / ".kad")}
        assert kept - {"lock"} == {"resume", "torrent"}


async def test_files_are_closed_after_the_last_write_has_ended(tmp_path: Path, shared: Metainfo) -> None:
    begun, may_end = asyncio.Event(), threading.Event()
    loop = asyncio.get_running_loop()
    order: list[str] = []

    class SlowDisk(FileStorage):
        def flush(self) -> None:
            loop.call_soon_threadsafe(begun.set)
            assert may_end.wait(20)
            super().flush()
            order.append("flushed")

        def close(self) -> None:
            order.append("closed")
            super().close()

    async with (
        seeding(tmp_path, shared) as (seed, _),
        Session(tmp_path / "leech", host="127.0.0.1", open_storage=SlowDisk) as leech,
    ):
        torrent = await leech.add(shared, peers=[seed.address])
        async with asyncio.timeout(20):
            await begun.wait()
            assert torrent.state is TorrentState.SEEDING
            closing = asyncio.create_task(torrent.aclose())
            for _ in range(100):
                await asyncio.sleep(0)
            assert not closing.done()
            may_end.set()
            await closing
        assert order == ["flushed", "closed"]


async def test_a_note_that_cannot_be_removed_does_not_spoil_a_complete_download(
    tmp_path: Path, shared: Metainfo
) -> None:
    (tmp_path / "leech" / ".kad" / f"{shared.info_hash.hex()}.torrent").mkdir(parents=True)
    async with seeding(tmp_path, shared) as (seed, _), Session(tmp_path / "leech", host="127.0.0.1") as leech:
        torrent = await leech.add(shared, peers=[seed.address])
        await complete(torrent)
        assert torrent.state is TorrentState.SEEDING
        assert torrent.error is None


async def test_the_metadata_of_a_magnet_link_is_kept_for_the_next_start_and_for_good(
    tmp_path: Path, shared: Metainfo
) -> None:
    note = tmp_path / "leech" / ".kad" / f"{shared.info_hash.hex()}.torrent"
    async with seeding(tmp_path, shared) as (seed, first):
        async with Session(tmp_path / "leech", host="127.0.0.1") as leech:
            torrent = await leech.add(shared.magnet_link(), peers=[seed.address])
            await torrent.wait_metadata()
        assert note.exists()
        await seed.remove(first)
        async with Session(tmp_path / "leech", host="127.0.0.1") as leech:
            torrent = await leech.add(shared.magnet_link())
            async with asyncio.timeout(20):
                assert (await torrent.wait_metadata()).info_bytes == shared.info_bytes  # nobody else has it now
            await complete(await seed.add(shared, seed_only=True))
            torrent.add_peers([seed.address])
            await complete(torrent)
    assert os.listdir(note.parent) == [note.name]
    assert content(tmp_path, "leech") == content(tmp_path, "seed")


async def test_a_magnet_link_that_was_downloaded_is_complete_and_can_be_shared_when_nobody_is_there(
    tmp_path: Path, shared: Metainfo
) -> None:
    async with seeding(tmp_path, shared) as (seed, _), Session(tmp_path / "leech", host="127.0.0.1") as leech:
        await complete(await leech.add(shared.magnet_link(), peers=[seed.address]))
    for seed_only in (False, True):
        async with Session(tmp_path / "leech", host="127.0.0.1") as alone:
            torrent = await alone.add(shared.magnet_link(), seed_only=seed_only)
            await complete(torrent)
            assert torrent.statistics().done_bytes == shared.total_bytes


async def test_the_torrent_of_a_magnet_link_goes_where_its_files_go(tmp_path: Path, shared: Metainfo) -> None:
    async with seeding(tmp_path, shared) as (seed, _), Session(tmp_path / "leech", host="127.0.0.1") as leech:
        torrent = await leech.add(shared.magnet_link(), peers=[seed.address])
        await complete(torrent)
        await torrent.move(tmp_path / "elsewhere")
        assert os.listdir(tmp_path / "leech") == []
        assert sorted(os.listdir(tmp_path / "elsewhere")) == [".kad", "file.bin"]
        await leech.remove(torrent, delete_files=True)
        assert os.listdir(tmp_path / "elsewhere") == []


async def test_what_is_remembered_while_files_move_does_not_stay_in_the_old_place(
    tmp_path: Path, shared: Metainfo, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with seeding(tmp_path, shared) as (seed, _), Session(tmp_path / "leech", host="127.0.0.1") as leech:
        torrent = await leech.add(shared)
        await torrent.set_priorities(pieces={0: 0})
        torrent.add_peers([seed.address])
        await complete(torrent)
        content = torrent._life.content
        assert content is not None
        assert content._watch is not None
        looked_at = content._watch.changes

        async def move_meanwhile() -> Any:
            await content.move(tmp_path / "elsewhere")
            return await looked_at()

        monkeypatch.setattr(content._watch, "changes", move_meanwhile)
        content._kept._stored = None  # as if there were something new
        await torrent._life.on_disk.remember(torrent._life.core)
        monkeypatch.undo()
        assert [path.name for path in (tmp_path / "leech").rglob("*")] == []


async def test_moved_files_keep_the_torrent_of_their_link_in_the_state_folder(tmp_path: Path, shared: Metainfo) -> None:
    state = tmp_path / "state"
    async with (
        seeding(tmp_path, shared) as (seed, _),
        Session(tmp_path / "leech", host="127.0.0.1", state_dir=state) as leech,
    ):
        torrent = await leech.add(shared.magnet_link(), peers=[seed.address])
        await complete(torrent)
        await torrent.move(tmp_path / "elsewhere")
    assert {path.suffix for path in state.iterdir()} == {".torrent", ".resume"}


# Trackers


class ScriptedTracker:
    """An HTTP tracker that knows nobody and remembers the events it was told."""

    def __init__(self) -> None:
        self.events: list[str] = []
        self.changed = asyncio.Event()

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[str]:
        server = await asyncio.start_server(self._answer, "127.0.0.1", 0)
        async with server:
            yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/announce"

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        query = parse_qs(urlsplit(head.split()[1]).query)
        body = bencode.encode({"interval": 1800, "peers": b""})
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s" % (len(body), body))
        with suppress(ConnectionError):
            await writer.drain()
        writer.close()
        self.events += query.get("event", ["none"])
        self.changed.set()

    async def heard(self, *events: str) -> None:
        async with asyncio.timeout(20):
            while self.events[: len(events)] != list(events):
                self.changed.clear()
                await self.changed.wait()


async def test_a_tracker_hears_of_a_completed_download_but_not_of_one_that_was_complete_before(
    tmp_path: Path,
) -> None:
    for_seed, for_leech = ScriptedTracker(), ScriptedTracker()
    async with for_seed.serving() as seed_url, for_leech.serving() as leech_url:
        shared = make_shared(tmp_path, trackers=((seed_url,),))
        async with seeding(tmp_path, shared) as (seed, first):
            async with asyncio.timeout(20):
                await first.wait_announced()
            async with Session(tmp_path / "leech", host="127.0.0.1") as leech:
                torrent = await leech.add(replace(shared, trackers=((leech_url,),)))
                async with asyncio.timeout(20):
                    await torrent.wait_announced()
                torrent.add_peers([seed.address])
                await complete(torrent)
                await for_leech.heard("started", "completed")
        await for_seed.heard("started", "stopped")
        assert for_leech.events == ["started", "completed", "stopped"]


async def test_waiting_for_a_tracker_ends_with_the_torrent(tmp_path: Path, shared: Metainfo) -> None:
    async with seeding(tmp_path, shared) as (_, torrent):
        waiting = asyncio.create_task(torrent.wait_announced())
        await asyncio.sleep(0)
    async with asyncio.timeout(20):
        with pytest.raises(TorrentStoppedError):
            await waiting


# A disk that changes under a seed


async def test_a_seed_whose_file_was_cut_stops_with_the_reason_and_others_go_on(
    tmp_path: Path, shared: Metainfo
) -> None:
    other_path = tmp_path / "seed" / "other.bin"
    other_path.write_bytes(random.Random(2).randbytes(100_000))
    other = create_metainfo(other_path)
    async with seeding(tmp_path, shared) as (seed, torrent), Session(tmp_path / "leech", host="127.0.0.1") as leech:
        await complete(await seed.add(other, seed_only=True))
        os.truncate(tmp_path / "seed" / "file.bin", 10)
        waiting = await leech.add(shared, peers=[seed.address])
        async with asyncio.timeout(20):
            while torrent.state is TorrentState.SEEDING:  # noqa: ASYNC110  # nothing tells, as for any program
                await asyncio.sleep(0.005)
        assert isinstance(torrent.error, MissingDataError)
        assert torrent.statistics().state is TorrentState.STOPPED
        await complete(await leech.add(other, peers=[seed.address]))
        assert waiting.state is TorrentState.DOWNLOADING


async def test_two_torrents_do_not_write_to_the_same_file(tmp_path: Path, shared: Metainfo) -> None:
    other = make_shared(tmp_path, piece_length=1 << 15)
    assert other.info_hash != shared.info_hash
    async with seeding(tmp_path, shared) as (seed, _), Session(tmp_path / "leech", host="127.0.0.1") as leech:
        await complete(await seed.add(other, seed_only=True))  # two that only read disturb nobody
        first = await leech.add(shared, peers=[seed.address])
        with pytest.raises(StorageError, match=r"would both be stored in .*choose another directory"):
            await leech.add(other, peers=[seed.address])
        late = await leech.add(other.magnet_link(), peers=[seed.address])
        with pytest.raises(StorageError, match=r"would both be stored in .*choose another directory"):
            await complete(late)
        await complete(first)
        elsewhere = await leech.add(other, peers=[seed.address], download_dir=tmp_path / "elsewhere")
        await complete(elsewhere)
        await leech.remove(first)
        await leech.remove(elsewhere)
        await complete(await leech.add(other))
    assert content(tmp_path, "leech") == content(tmp_path, "elsewhere") == content(tmp_path, "seed")


# Metadata


async def test_a_magnet_link_to_what_is_on_disk_downloads_nothing_and_serves(tmp_path: Path, shared: Metainfo) -> None:
    for where in ("leech", "copy"):
        (tmp_path / where).mkdir()
    (tmp_path / "leech" / "file.bin").write_bytes(content(tmp_path, "seed"))
    async with (
        seeding(tmp_path, shared) as (seed, first),
        Session(tmp_path / "leech", host="127.0.0.1") as leech,
        Session(tmp_path / "copy", host="127.0.0.1") as third,
    ):
        waiting = await third.add(shared, peers=[leech.address])
        torrent = await leech.add(shared.magnet_link(), peers=[seed.address])
        await complete(torrent)
        assert torrent.statistics().downloaded_bytes == 0
        await seed.remove(first)
        await complete(waiting)
    assert content(tmp_path, "copy") == content(tmp_path, "seed")


@pytest.mark.parametrize(
    "spoil",
    [
        lambda info: {key: value for key, value in info.items() if key != b"pieces"} | {b"meta version": 2},
        lambda info: info | {b"length": 5},
    ],
    ids=["version 2 only", "a wrong piece count"],
)
async def test_metadata_that_is_right_but_of_no_use_stops_the_torrent_with_the_reason(
    tmp_path: Path, shared: Metainfo, spoil: Callable[[dict[bytes, Any]], dict[bytes, Any]]
) -> None:
    info_bytes = bencode.encode(dict(sorted(spoil(bencode.decode_dict(shared.info_bytes)).items())))
    useless = replace(shared, info_bytes=info_bytes, torrent_id=TorrentId.of(info_bytes))
    async with seeding(tmp_path, useless) as (seed, _), Session(tmp_path / "leech", host="127.0.0.1") as leech:
        torrent = await leech.add(f"magnet:?xt=urn:btih:{useless.info_hash.hex()}", peers=[seed.address])
        async with asyncio.timeout(20):
            with pytest.raises(MetainfoError):
                await torrent.wait_metadata()
        with pytest.raises(MetainfoError):
            await complete(torrent)
        assert torrent.statistics().total_bytes == 0
    assert not (tmp_path / "leech").exists()


# Shapes


@pytest.mark.parametrize(
    ("size", "piece_length"), [(1, 1 << 14), (1, 1 << 24), (16384, 16384), (16385, 16384), (3_000_000, 1 << 24)]
)
async def test_the_smallest_torrents_and_the_largest_pieces(tmp_path: Path, size: int, piece_length: int) -> None:
    shared = make_shared(tmp_path, size=size, piece_length=piece_length)
    async with seeding(tmp_path, shared) as (seed, _), Session(tmp_path / "leech", host="127.0.0.1") as leech:
        await complete(await leech.add(shared.magnet_link(), peers=[seed.address]))
    assert content(tmp_path, "leech") == content(tmp_path, "seed")


async def test_empty_files_are_made_too(tmp_path: Path) -> None:
    folder = tmp_path / "seed" / "folder"
    folder.mkdir(parents=True)
    (folder / "empty").write_bytes(b"")
    (folder / "full").write_bytes(b"x")
    shared = create_metainfo(folder)
    async with seeding(tmp_path, shared) as (seed, _), Session(tmp_path / "leech", host="127.0.0.1") as leech:
        await complete(await leech.add(shared, peers=[seed.address]))
    assert {path.name: path.read_bytes() for path in (tmp_path / "leech" / "folder").iterdir()} == {
        "empty": b"",
        "full": b"x",
    }


# States


async def test_every_state_has_statistics(tmp_path: Path, shared: Metainfo) -> None:
    async with seeding(tmp_path, shared) as (seed, first), Session(tmp_path / "leech", host="127.0.0.1") as leech:
        torrent = await leech.add(shared.magnet_link())
        stats = torrent.statistics()
        assert (stats.state, stats.total_bytes, stats.done_bytes, stats.eta_s) == (TorrentState.METADATA, 0, 0, None)
        assert (stats.name, stats.piece_count, torrent.left_bytes) == ("file.bin", 0, 1)
        seen = {stats.state}
        torrent.add_peers([seed.address])
        async with asyncio.timeout(20):
            async for stats in torrent.progress(interval_s=0.0005):
                seen.add(stats.state)
                assert 0 <= stats.done_bytes <= stats.total_bytes
        assert {TorrentState.METADATA, TorrentState.SEEDING} <= seen
        assert (stats.done_bytes, stats.eta_s in (None, 0), torrent.left_bytes) == (SIZE, True, 0)
        await leech.remove(torrent)
        stats = torrent.statistics()
        assert (stats.state, stats.done_bytes, stats.peers) == (TorrentState.STOPPED, SIZE, 0)
        assert first.statistics().uploaded_bytes == SIZE


async def test_a_torrent_file_needs_no_metadata(tmp_path: Path, shared: Metainfo) -> None:
    async with Session(tmp_path / "leech", host="127.0.0.1") as leech:
        torrent = await leech.add(shared)
        assert torrent.state is TorrentState.CHECKING
        assert await torrent.wait_metadata() is shared
        assert torrent.state is TorrentState.CHECKING
        assert torrent.statistics().done_bytes == 0


async def test_what_stopped_a_complete_torrent_can_be_asked(tmp_path: Path, shared: Metainfo) -> None:
    async with seeding(tmp_path, shared) as (seed, torrent):
        before = torrent.error
        await seed.remove(torrent)
        assert before is None
        assert isinstance(torrent.error, TorrentStoppedError)
        await torrent.wait_complete()  # it was

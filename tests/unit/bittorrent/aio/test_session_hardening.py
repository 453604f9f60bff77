"""The life of a session at its edges: closed twice, closed while busy, torrents removed, added again and replaced."""

from __future__ import annotations

import asyncio
import gc
import os
import random
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path

import pytest

from bittorrent import Metainfo, Session, SessionConfig, Torrent, create_metainfo
from bittorrent.errors import StorageError, TorrentStoppedError
from bittorrent.stats import TorrentState
from tests.threads import our_threads
from transfer.address import Address
from transfer.errors import LocalProtocolError

pytestmark = pytest.mark.every_event_loop

SIZE = 700_001


@pytest.fixture
def shared(tmp_path: Path) -> Metainfo:
    path = tmp_path / "seed" / "file.bin"
    path.parent.mkdir()
    path.write_bytes(random.Random(1).randbytes(SIZE))
    return create_metainfo(path, piece_length=1 << 16)


@pytest.fixture(autouse=True)
def nothing_is_left(tmp_path: Path) -> Iterator[None]:
    threads = our_threads()
    yield
    assert our_threads() <= threads, "a thread outlived its session"
    assert not open_files(tmp_path), "a file outlived its session"


def open_files(below: Path) -> list[str]:
    """Files below a directory that this process holds open; nothing where the system does not tell."""
    gc.collect()
    found = []
    for number in os.listdir("/proc/self/fd") if os.path.isdir("/proc/self/fd") else ():
        with suppress(OSError):
            found.append(os.readlink(f"/proc/self/fd/{number}"))
    return [path for path in found if path.startswith(str(below))]


@asynccontextmanager
async def seeding(tmp_path: Path, shared: Metainfo) -> AsyncIterator[tuple[Session, Torrent]]:
    async with Session(tmp_path / "seed", host="127.0.0.1") as session:
        torrent = await session.add(shared, seed_only=True)
        await torrent.wait_complete()
        yield session, torrent


async def complete(torrent: Torrent) -> None:
    async with asyncio.timeout(20):
        await torrent.wait_complete()


def other_tasks() -> set[asyncio.Task[object]]:
    return asyncio.all_tasks() - {task for task in [asyncio.current_task()] if task is not None}


# Torrents that leave and come back


async def test_removing_a_torrent_again_leaves_its_successor_alone(tmp_path: Path, shared: Metainfo) -> None:
    async with seeding(tmp_path, shared) as (seed, first):
        await seed.remove(first)
        second = await seed.add(shared, seed_only=True)
        await complete(second)
        await seed.remove(first)
        assert seed.torrents == {shared.info_hash: second}
        assert second.state is TorrentState.SEEDING
        async with Session(tmp_path / "leech", host="127.0.0.1") as leech:
            await complete(await leech.add(shared, peers=[seed.address]))


async def test_a_torrent_that_stopped_can_be_added_again(tmp_path: Path, shared: Metainfo) -> None:
    obstacle = tmp_path / "leech"
    obstacle.write_text("a file where a directory should be")
    async with seeding(tmp_path, shared) as (seed, _), Session(obstacle, host="127.0.0.1") as leech:
        first = await leech.add(shared, peers=[seed.address])
        with pytest.raises(StorageError):
            await complete(first)
        obstacle.unlink()
        second = await leech.add(shared, peers=[seed.address])
        assert second is not first
        await complete(second)
    assert (obstacle / "file.bin").read_bytes() == (tmp_path / "seed" / "file.bin").read_bytes()


async def test_what_is_added_while_its_forerunner_ends_is_a_new_torrent(tmp_path: Path, shared: Metainfo) -> None:
    async with seeding(tmp_path, shared) as (seed, _), Session(tmp_path / "leech", host="127.0.0.1") as leech:
        first = await leech.add(shared, peers=[seed.address])
        removal = asyncio.create_task(leech.remove(first))
        await asyncio.sleep(0)
        additions = await asyncio.gather(*(leech.add(shared, peers=[seed.address]) for _ in range(3)))
        assert len(set(additions)) == 1
        await complete(additions[0])
        await removal
        assert leech.torrents == {shared.info_hash: additions[0]}
        assert first.state is TorrentState.STOPPED


async def test_a_download_that_is_removed_half_way_goes_on_from_there(tmp_path: Path, shared: Metainfo) -> None:
    async with seeding(tmp_path, shared) as (seed, _), Session(tmp_path / "leech", host="127.0.0.1") as leech:
        first = await leech.add(shared, peers=[seed.address])
        async with asyncio.timeout(20):
            async for stats in first.progress(interval_s=0.001):
                if stats.done_pieces:
                    break
        await leech.remove(first)
        if first.statistics().done_pieces < shared.piece_count:
            with pytest.raises(TorrentStoppedError):
                await complete(first)
        done = first.statistics().done_bytes
        second = await leech.add(shared, peers=[seed.address])
        await complete(second)
        assert second.statistics().downloaded_bytes <= SIZE - done


# Closing


async def test_closing_twice_at_the_same_time_waits_twice(tmp_path: Path, shared: Metainfo) -> None:
    session = Session(tmp_path / "seed", host="127.0.0.1")
    await session.__aenter__()
    torrent = await session.add(shared, seed_only=True)
    await asyncio.gather(session.aclose(), session.aclose(), torrent.aclose())
    await session.aclose()
    assert not other_tasks()
    assert torrent.state is TorrentState.STOPPED


async def test_closing_goes_on_when_who_closes_is_cancelled(tmp_path: Path, shared: Metainfo) -> None:
    async with seeding(tmp_path, shared) as (seed, _):
        session = Session(tmp_path / "leech", host="127.0.0.1")
        await session.__aenter__()
        await session.add(shared, peers=[seed.address])
        for _ in range(3):
            closing = asyncio.create_task(session.aclose())
            await asyncio.sleep(0)
            closing.cancel()
            with pytest.raises(asyncio.CancelledError):
                await closing
        await session.aclose()
        assert session.connection_count == 0
        with pytest.raises(LocalProtocolError):
            _ = session.address
    assert not other_tasks()


async def test_a_session_closes_although_a_torrent_cannot_end_properly(tmp_path: Path, shared: Metainfo) -> None:
    class BrokenError(Exception):
        pass

    async def fail() -> None:
        raise BrokenError

    async with seeding(tmp_path, shared) as (seed, _):
        session = Session(tmp_path / "leech", host="127.0.0.1")
        await session.__aenter__()
        torrent = await session.add(shared, peers=[seed.address])
        await complete(torrent)
        torrent._life.sources.discovery.aclose = fail  # type: ignore[method-assign]
        with pytest.raises(BrokenError):
            await session.aclose()
        assert session.connection_count == 0
    assert not other_tasks()


@pytest.mark.parametrize("steps", range(12))
async def test_a_session_can_be_closed_at_any_moment(tmp_path: Path, shared: Metainfo, steps: int) -> None:
    async with seeding(tmp_path, shared) as (seed, _):
        async with Session(tmp_path / "leech", host="127.0.0.1") as leech:
            source = shared.magnet_link() if steps % 2 else shared
            torrent = await leech.add(source, peers=[seed.address, Address("localhost", seed.address.port)])
            for _ in range(steps * steps):
                await asyncio.sleep(0)
        assert torrent.state is TorrentState.STOPPED
        assert leech.connection_count == 0
    assert not other_tasks()


async def test_what_is_added_while_the_session_closes_is_refused(tmp_path: Path, shared: Metainfo) -> None:
    (tmp_path / "x.torrent").write_bytes(shared.to_bytes())
    session = Session(tmp_path / "seed", host="127.0.0.1")
    await session.__aenter__()
    adding = asyncio.create_task(session.add(tmp_path / "x.torrent"))
    await asyncio.sleep(0)
    closing = asyncio.create_task(session.aclose())
    for _ in range(3):
        await asyncio.sleep(0)
        with pytest.raises(LocalProtocolError, match="not open"):
            await session.add(shared)
    with pytest.raises(LocalProtocolError, match="not open"):
        await adding
    await closing
    assert not session.torrents


async def test_a_session_can_be_entered_once(tmp_path: Path) -> None:
    async with Session(tmp_path, host="127.0.0.1") as session:
        with pytest.raises(LocalProtocolError, match="once"):
            await session.__aenter__()
    with pytest.raises(LocalProtocolError, match="once"):
        await session.__aenter__()


async def test_an_address_that_cannot_be_bound_leaves_nothing_behind(tmp_path: Path) -> None:
    async with Session(tmp_path, host="127.0.0.1") as session:
        address = session.address
        other = Session(tmp_path, host="127.0.0.1", port=address.port)
        with pytest.raises(OSError, match=r"(?i)in use"):
            await other.__aenter__()
        await other.aclose()
    async with other:
        assert other.address == address


# Oneself


async def test_ones_own_address_is_found_out_and_forgotten(tmp_path: Path, shared: Metainfo) -> None:
    async with Session(tmp_path / "leech", host="127.0.0.1") as leech:
        torrent = await leech.add(shared, peers=[leech.address])
        async with asyncio.timeout(20):
            async for stats in torrent.progress(interval_s=0.005):
                if not stats.known_peers:
                    break
        assert torrent.swarm.last_met_at is None
        assert torrent.statistics().peers == 0


# Bounds


async def test_dials_leave_room_for_the_whole_session(tmp_path: Path, shared: Metainfo) -> None:
    async with many_listeners(8) as (addresses, accepted):
        config = SessionConfig(max_connections=3)
        async with Session(tmp_path / "leech", host="127.0.0.1", config=config) as leech:
            await leech.add(shared, peers=addresses)
            async with asyncio.timeout(20):
                for _ in range(3):
                    await accepted.get()
            for _ in range(50):
                await asyncio.sleep(0)
                assert leech.connection_count <= 3
            assert accepted.empty()


@asynccontextmanager
async def many_listeners(count: int) -> AsyncIterator[tuple[list[Address], asyncio.Queue[None]]]:
    """Servers that accept everybody and say nothing; the queue has an entry for each connection."""
    accepted: asyncio.Queue[None] = asyncio.Queue()
    async with AsyncExitStack() as stack:
        ended = await stack.enter_async_context(asyncio.TaskGroup())

        async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            accepted.put_nowait(None)
            ended.create_task(until_end(reader, writer))

        servers = [
            await stack.enter_async_context(await asyncio.start_server(accept, "127.0.0.1", 0)) for _ in range(count)
        ]
        yield [Address.from_socket(server.sockets[0].getsockname()) for server in servers], accepted


async def until_end(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        await reader.read()
    writer.close()

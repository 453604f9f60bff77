"""Sessions on loopback: with each other, with a hostile stranger, and with a disk that says no."""

from __future__ import annotations

import asyncio
import os
import random
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from bittorrent import Metainfo, Session, SessionConfig, Torrent, create_metainfo
from bittorrent.dialling.encryption import Encryption
from bittorrent.errors import MetainfoError, NoPeersError, StorageError, TorrentStoppedError
from bittorrent.peer.config import PeerConfig
from bittorrent.stats import TorrentState
from tests.threads import our_threads
from transfer.address import Address
from transfer.errors import LocalProtocolError

pytestmark = pytest.mark.every_event_loop

SIZE = 700_001  # eleven pieces of 64 KiB, the last one short


@pytest.fixture
def shared(tmp_path: Path) -> Metainfo:
    path = tmp_path / "seed" / "file.bin"
    path.parent.mkdir()
    path.write_bytes(random.Random(1).randbytes(SIZE))
    return create_metainfo(path, piece_length=1 << 16)


def content(tmp_path: Path, where: str) -> bytes:
    return (tmp_path / where / "file.bin").read_bytes()


@asynccontextmanager
async def seeding(tmp_path: Path, shared: Metainfo, **settings: object) -> AsyncIterator[tuple[Session, Torrent]]:
    config = SessionConfig(**settings)  # type: ignore[arg-type]
    async with Session(tmp_path / "seed", host="127.0.0.1", config=config) as session:
        torrent = await session.add(shared, seed_only=True)
        await torrent.wait_complete()
        yield session, torrent


@pytest.fixture(autouse=True)
def nothing_is_left() -> object:
    before = our_threads()
    yield
    assert our_threads() <= before, "a thread outlived its session"


async def fetch(source: object, session: Session, *peers: Address) -> Torrent:
    torrent = await session.add(source, peers=peers)  # type: ignore[arg-type]
    async with asyncio.timeout(20):
        await torrent.wait_complete()
    return torrent


@pytest.mark.parametrize("is_magnet", [False, True])
async def test_one_session_downloads_from_another(tmp_path: Path, shared: Metainfo, is_magnet: bool) -> None:
    async with seeding(tmp_path, shared) as (seed, _), Session(tmp_path / "leech", host="127.0.0.1") as leech:
        torrent = await fetch(shared.magnet_link() if is_magnet else shared, leech, seed.address)
        stats = torrent.statistics()
        assert stats.state is TorrentState.SEEDING
        assert (stats.done_bytes, stats.downloaded_bytes, stats.done_pieces) == (SIZE, SIZE, shared.piece_count)
        assert [(source.address, source.pieces) for source in stats.sources] == [(seed.address, shared.piece_count)]
        assert seed.statistics().uploaded_bytes == SIZE
    assert content(tmp_path, "leech") == content(tmp_path, "seed")
    assert sorted(os.listdir(tmp_path / "leech")) == ([".kad"] if is_magnet else []) + ["file.bin"]


async def test_ipv6(tmp_path: Path, shared: Metainfo) -> None:
    async with Session(tmp_path / "seed", host="::1") as seed, Session(tmp_path / "leech", host="::1") as leech:
        await (await seed.add(shared, seed_only=True)).wait_complete()
        await fetch(shared, leech, seed.address)
    assert content(tmp_path, "leech") == content(tmp_path, "seed")


async def test_a_peer_can_be_given_by_name(tmp_path: Path, shared: Metainfo) -> None:
    async with seeding(tmp_path, shared) as (seed, _), Session(tmp_path / "leech", host="127.0.0.1") as leech:
        await fetch(shared, leech, Address("localhost", seed.address.port))
    assert content(tmp_path, "leech") == content(tmp_path, "seed")


async def test_two_torrents_share_one_port(tmp_path: Path, shared: Metainfo) -> None:
    other_path = tmp_path / "seed" / "other.bin"
    other_path.write_bytes(random.Random(2).randbytes(100_000))
    other = create_metainfo(other_path)
    async with seeding(tmp_path, shared) as (seed, _), Session(tmp_path / "leech", host="127.0.0.1") as leech:
        await (await seed.add(other, seed_only=True)).wait_complete()
        await asyncio.gather(fetch(shared, leech, seed.address), fetch(other, leech, seed.address))
        assert leech.statistics().torrents == 2
    assert content(tmp_path, "leech") == content(tmp_path, "seed")
    assert (tmp_path / "leech" / "other.bin").read_bytes() == other_path.read_bytes()


async def test_adding_twice_gives_the_same_torrent(tmp_path: Path, shared: Metainfo) -> None:
    async with Session(tmp_path, host="127.0.0.1") as session:
        assert await session.add(shared) is await session.add(shared.magnet_link())


async def test_what_is_on_disk_is_verified_and_not_fetched_again(tmp_path: Path, shared: Metainfo) -> None:
    damaged = bytearray(content(tmp_path, "seed"))
    damaged[3 * (1 << 16) + 5] ^= 1
    (tmp_path / "leech").mkdir()
    (tmp_path / "leech" / "file.bin").write_bytes(damaged)
    async with seeding(tmp_path, shared) as (seed, _), Session(tmp_path / "leech", host="127.0.0.1") as leech:
        torrent = await fetch(shared, leech, seed.address)
        assert torrent.statistics().downloaded_bytes == 1 << 16
    assert content(tmp_path, "leech") == content(tmp_path, "seed")


async def test_progress_ends_with_everything_done(tmp_path: Path, shared: Metainfo) -> None:
    async with seeding(tmp_path, shared) as (seed, _), Session(tmp_path / "leech", host="127.0.0.1") as leech:
        torrent = await leech.add(shared, peers=[seed.address])
        async with asyncio.timeout(20):
            seen = [stats.done_bytes async for stats in torrent.progress(interval_s=0.01)]
    assert seen == sorted(seen)
    assert seen[-1] == SIZE


async def test_a_leech_serves_another_leech(tmp_path: Path, shared: Metainfo) -> None:
    async with (
        seeding(tmp_path, shared) as (seed, torrent),
        Session(tmp_path / "one", host="127.0.0.1") as one,
        Session(tmp_path / "two", host="127.0.0.1") as two,
    ):
        await fetch(shared, one, seed.address)
        await seed.remove(torrent)
        await fetch(shared.magnet_link(), two, one.address)
    assert content(tmp_path, "two") == content(tmp_path, "seed")


async def test_seed_only_refuses_what_is_not_complete(tmp_path: Path, shared: Metainfo) -> None:
    async with Session(tmp_path / "nothing here", host="127.0.0.1") as session:
        torrent = await session.add(shared, seed_only=True)
        with pytest.raises(
            StorageError, match=r"there is no directory .*nothing here; name the one that holds file\.bin"
        ):
            await torrent.wait_complete()
        assert torrent.state is TorrentState.STOPPED
    assert not (tmp_path / "nothing here").exists()
    (tmp_path / "wrong").mkdir()
    (tmp_path / "wrong" / "file.bin").write_bytes(bytes(shared.total_bytes))
    async with Session(tmp_path / "wrong", host="127.0.0.1") as session:
        torrent = await session.add(shared, seed_only=True)
        with pytest.raises(StorageError, match="11 of 11 pieces"):
            await torrent.wait_complete()


async def test_a_directory_that_cannot_be_written_stops_the_torrent_with_the_reason(
    tmp_path: Path, shared: Metainfo
) -> None:
    (tmp_path / "leech").write_text("a file where a directory should be")
    async with seeding(tmp_path, shared) as (seed, _), Session(tmp_path / "leech", host="127.0.0.1") as leech:
        torrent = await leech.add(shared, peers=[seed.address])
        with pytest.raises(StorageError, match="leech"):
            async with asyncio.timeout(20):
                await torrent.wait_complete()
        with pytest.raises(StorageError):
            _ = [stats async for stats in torrent.progress()]


async def test_without_any_peer_it_ends_with_a_reason(tmp_path: Path, shared: Metainfo) -> None:
    config = SessionConfig(no_peers_timeout_s=0.05)
    async with Session(tmp_path / "leech", host="127.0.0.1", config=config) as session:
        torrent = await session.add(shared.magnet_link())
        async with asyncio.timeout(20):
            with pytest.raises(NoPeersError, match="no peer could be reached"):
                await torrent.wait_metadata()


@pytest.mark.parametrize("end", ["fin", "reset"])
@pytest.mark.parametrize(
    ("encryption", "reason"),
    [
        (Encryption.OFF, r"encrypted connections only, which are switched off here \(--encryption off\), or not"),
        (Encryption.PLAINTEXT, "not this torrent, or no room for us"),
        (Encryption.REQUIRED, r"no encryption, which is required here \(--encryption required\), or not"),
    ],
)
async def test_peers_that_hang_up_on_our_handshake_are_named_as_what_they_may_be(
    tmp_path: Path, shared: Metainfo, end: str, encryption: Encryption, reason: str
) -> None:

    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(20)  # the rest is not read: the system resets the connection
        if end == "fin":
            await reader.readexactly(48)
        writer.close()

    config = SessionConfig(no_peers_timeout_s=0.5, encryption=encryption)  # both have hung up by then
    async with (
        await asyncio.start_server(hang_up, "127.0.0.1", 0) as server,
        await asyncio.start_server(hang_up, "127.0.0.1", 0) as other,
        Session(tmp_path / "leech", host="127.0.0.1", config=config) as session,
    ):
        peers = [Address.from_socket(each.sockets[0].getsockname()) for each in (server, other)]
        for addresses, said in ((peers[:1], f"{peers[0]} hung up"), (peers, "and 1 more hung up")):
            torrent = await session.add(shared.magnet_link(), peers=addresses)
            async with asyncio.timeout(20):
                with pytest.raises(NoPeersError, match=f"{said} at our first word: {reason}") as caught:
                    await torrent.wait_metadata()
            assert "\n" not in str(caught.value)


async def test_waiting_ends_when_the_session_does(tmp_path: Path, shared: Metainfo) -> None:
    async with Session(tmp_path / "leech", host="127.0.0.1") as session:
        torrent = await session.add(shared)
        waiting = asyncio.create_task(torrent.wait_complete())
    with pytest.raises(TorrentStoppedError):
        await waiting


async def test_a_closed_session_says_so(tmp_path: Path, shared: Metainfo) -> None:
    session = Session(tmp_path, host="127.0.0.1")
    with pytest.raises(LocalProtocolError, match="async with"):
        await session.add(shared)
    async with session:
        pass
    await session.aclose()
    with pytest.raises(LocalProtocolError):
        _ = session.address


async def test_a_broken_torrent_file_is_one_error(tmp_path: Path) -> None:
    (tmp_path / "x.torrent").write_bytes(b"d4:infod")
    async with Session(tmp_path, host="127.0.0.1") as session:
        with pytest.raises(MetainfoError):
            await session.add(tmp_path / "x.torrent")
        with pytest.raises(StorageError):
            await session.add(str(tmp_path / "missing.torrent"))


class Stranger:
    """A raw connection to a session; `wait_dropped` returns what was sent to us before the end."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    @classmethod
    @asynccontextmanager
    async def connected(cls, address: Address, *, handshake: bytes = b"") -> AsyncIterator[Stranger]:
        reader, writer = await asyncio.open_connection(*address)
        try:
            writer.write(handshake)
            yield cls(reader, writer)
        finally:
            writer.close()

    async def wait_dropped(self) -> bytes:
        received = b""
        async with asyncio.timeout(20):
            try:
                while data := await self.reader.read(1 << 16):
                    received += data
            except ConnectionError:
                pass
        return received


def hello(info_hash: bytes) -> bytes:
    return b"\x13BitTorrent protocol" + bytes(8) + info_hash + b"-XX0000-" + b"s" * 12


def frame(body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + body


HOSTILE = {
    "an over-long frame": struct.pack(">I", 1 << 30),
    "a bitfield of another torrent": frame(b"\x05" + bytes(100)),
    "spare bits": frame(b"\x05\xff\xff"),
    "a piece out of range": frame(b"\x04" + struct.pack(">I", 11)),
    "a request out of range": frame(b"\x06" + struct.pack(">III", 10, 1 << 16, 16384)),
    "a request for a megabyte": frame(b"\x06" + struct.pack(">III", 0, 0, 1 << 20)),
    "a truncated have": frame(b"\x04\x00"),
    "a flood of chokes": frame(b"\x00") * 100_000,
    "broken bencode": frame(b"\x14\x00d1:"),
    "bencode that is nested too deeply": frame(b"\x14\x00" + b"l" * 60_000),
}


@pytest.mark.parametrize("attack", HOSTILE.values(), ids=HOSTILE.keys())
async def test_a_hostile_peer_is_dropped_and_the_session_goes_on(
    tmp_path: Path, shared: Metainfo, attack: bytes
) -> None:
    async with seeding(tmp_path, shared) as (seed, _):
        async with Stranger.connected(seed.address, handshake=hello(shared.info_hash) + attack) as stranger:
            received = await stranger.wait_dropped()
        assert received[:48] in (b"", hello(shared.info_hash)[:20] + received[20:28] + shared.info_hash)
        async with Session(tmp_path / "leech", host="127.0.0.1") as leech:
            await fetch(shared, leech, seed.address)


GARBAGE = {
    "http": b"GET / HTTP/1.1\r\n\r\n",
    "nearly": b"\x13BitTorrent protocoX",
    "random": random.Random(3).randbytes(4096),
    "zeros": bytes(68),
}


@pytest.mark.parametrize("first", GARBAGE.values(), ids=GARBAGE.keys())
async def test_garbage_instead_of_a_handshake_is_dropped(tmp_path: Path, shared: Metainfo, first: bytes) -> None:
    async with seeding(tmp_path, shared) as (seed, _):
        async with Stranger.connected(seed.address, handshake=first) as stranger:
            received = await stranger.wait_dropped()
        looks_encrypted = first == GARBAGE["random"]  # long enough for a key, so the seed answers with its own
        assert len(received) in (range(96, 96 + 513) if looks_encrypted else [0])
        assert seed.statistics().refused_connections == 1


async def test_a_handshake_for_an_unknown_torrent_is_dropped(tmp_path: Path, shared: Metainfo) -> None:
    async with (
        seeding(tmp_path, shared) as (seed, _),
        Stranger.connected(seed.address, handshake=hello(b"?" * 20)) as stranger,
    ):
        assert await stranger.wait_dropped() == b""


async def test_a_silent_stranger_is_dropped_in_time(tmp_path: Path, shared: Metainfo) -> None:
    config = PeerConfig(handshake_timeout_s=0.05)
    async with (
        seeding(tmp_path, shared, peer=config) as (seed, _),
        Stranger.connected(seed.address, handshake=b"\x13Bit") as stranger,
    ):
        assert await stranger.wait_dropped() == b""


async def test_one_host_cannot_take_every_connection(tmp_path: Path, shared: Metainfo) -> None:
    greeting = hello(shared.info_hash)[:-1]
    async with (
        seeding(tmp_path, shared, max_connections_per_host=2, exempt_networks=()) as (seed, torrent),
        Stranger.connected(seed.address, handshake=greeting + b"1") as one,
        Stranger.connected(seed.address, handshake=greeting + b"2") as two,
    ):
        for stranger in (one, two):
            await stranger.reader.readexactly(68)
        async with Stranger.connected(seed.address, handshake=greeting + b"3") as three:
            assert await three.wait_dropped() == b""
        assert torrent.statistics().peers == 2

"""The shell of a swarm in virtual time: one connection for each pair, peers that do not read, hosts that are banned."""

from __future__ import annotations

import asyncio
import random
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from bittorrent import Metainfo, Session, SessionConfig, Torrent, create_metainfo
from bittorrent.aio.peers.peer_connection import MAX_WATERMARK_BYTES
from bittorrent.dialling.encryption import Encryption
from bittorrent.dialling.peer_list import PeerSource
from bittorrent.stats import TorrentState
from transfer.address import Address
from transfer.simulation import Link, Simulation, run

SEED, ONE, TWO = "10.0.0.1", "10.0.0.2", "10.0.0.3"
PORT = 6881
SIZE = 3_000_000


@pytest.fixture
def shared(tmp_path: Path) -> Metainfo:
    path = tmp_path / SEED / "file.bin"
    path.parent.mkdir()
    path.write_bytes(random.Random(1).randbytes(SIZE))
    return create_metainfo(path, piece_length=1 << 16)


@asynccontextmanager
async def session_at(
    simulation: Simulation, tmp_path: Path, host: str, *more: str, **settings: Any
) -> AsyncIterator[Session]:
    rng = random.Random(simulation.rng.getrandbits(64))
    with simulation.host(host, *more):
        session = Session(tmp_path / host, host="0.0.0.0", port=PORT, config=SessionConfig(**settings), rng=rng)
        await session.__aenter__()
    try:
        yield session
    finally:
        await session.aclose()


async def add(simulation: Simulation, host: str, session: Session, source: Metainfo, **options: Any) -> Torrent:
    with simulation.host(host):
        return await session.add(source, **options)


async def completed(torrent: Torrent, *, within_s: float = 600.0) -> None:
    async with asyncio.timeout(within_s):
        await torrent.wait_complete()


async def until(condition: Callable[[], bool]) -> None:
    """Looks again and again: in virtual time that is exact enough, and costs nothing."""
    async with asyncio.timeout(600):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.001)


# One connection for each pair of peers


@pytest.mark.parametrize("head_start_s", [0.0, 0.001, 0.009, 0.01, 0.015, 0.02, 0.03, 0.05, 1.0])
@pytest.mark.parametrize("seed", range(4))
def test_two_who_dial_each_other_keep_one_connection(
    tmp_path: Path, shared: Metainfo, head_start_s: float, seed: int
) -> None:
    async def scenario(simulation: Simulation) -> None:
        async with session_at(simulation, tmp_path, ONE) as one, session_at(simulation, tmp_path, TWO) as two:
            first = await add(simulation, ONE, one, shared)
            second = await add(simulation, TWO, two, shared)
            await asyncio.sleep(0.5)  # both are checked
            first.add_peers([(TWO, PORT)])
            await asyncio.sleep(head_start_s)
            second.add_peers([(ONE, PORT)])
            await asyncio.sleep(0.5)
            kept = [list(torrent.swarm.core.peers) for torrent in (first, second)]
            assert [len(numbers) for numbers in kept] == [1, 1]
            assert one.connection_count == two.connection_count == 1
            await asyncio.sleep(100)
            assert [list(torrent.swarm.core.peers) for torrent in (first, second)] == kept, "it did not last"

    run(scenario, seed=seed, link=Link(delay_s=0.01, jitter_s=0.01))


@pytest.mark.parametrize("seed", range(4))
def test_who_called_us_is_not_called_when_others_name_it(tmp_path: Path, shared: Metainfo, seed: int) -> None:
    async def scenario(simulation: Simulation) -> None:
        async with session_at(simulation, tmp_path, ONE) as one, session_at(simulation, tmp_path, TWO) as two:
            first = await add(simulation, ONE, one, shared)
            second = await add(simulation, TWO, two, shared)
            second.add_peers([(ONE, PORT)])
            await until(lambda: len(first.swarm.core.peers) == 1)
            await asyncio.sleep(1)  # it says where it listens
            kept = list(first.swarm.core.peers)
            first.swarm.add_addresses([Address(TWO, PORT)], PeerSource.PEX)
            await asyncio.sleep(100)
            assert list(first.swarm.core.peers) == kept, "the connection was replaced"
            await second.pause()
            second.resume()
            await until(lambda: list(first.swarm.core.peers) not in ([], kept))

    run(scenario, seed=seed, link=Link(delay_s=0.01, jitter_s=0.01))


@pytest.mark.parametrize("seed", range(6))
def test_a_peer_with_two_addresses_is_one_peer(tmp_path: Path, shared: Metainfo, seed: int) -> None:
    async def scenario(simulation: Simulation) -> None:
        async with (
            session_at(simulation, tmp_path, SEED, "10.0.9.9") as seeder,
            # With encryption the second address is called under each cover, now and then: it may be just now.
            session_at(simulation, tmp_path, ONE, encryption=Encryption.OFF) as leech,
        ):
            await completed(await add(simulation, SEED, seeder, shared, seed_only=True))
            simulation.set_access(SEED, up_bytes_per_s=20_000)
            torrent = await add(simulation, ONE, leech, shared, peers=[(SEED, PORT), ("10.0.9.9", PORT)])
            await asyncio.sleep(60)
            assert torrent.statistics().peers == 1
            assert seeder.connection_count == 1

    run(scenario, seed=seed, link=Link(delay_s=0.01, jitter_s=0.01))


# Strangers


class Stranger:
    """A peer played by hand: it says hello and what it is told to say, and reads only when asked to."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    @classmethod
    async def at(cls, simulation: Simulation, host: str, address: Address, info_hash: bytes, name: bytes) -> Stranger:
        with simulation.host(host):
            reader, writer = await asyncio.open_connection(*address, limit=1 << 12)
        writer.write(b"\x13BitTorrent protocol" + bytes(8) + info_hash + name.ljust(20, b"-"))
        return cls(reader, writer)

    def say(self, *bodies: bytes) -> None:
        self.writer.write(b"".join(struct.pack(">I", len(body)) + body for body in bodies))

    async def hear_end(self) -> bytes:
        received = b""
        async with asyncio.timeout(600):
            try:
                while data := await self.reader.read(1 << 16):
                    received += data
            except ConnectionError:
                pass
        self.writer.close()
        return received


INTERESTED = b"\x02"


def request(piece: int, begin: int = 0, length: int = 16384) -> bytes:
    return b"\x06" + struct.pack(">III", piece, begin, length)


def test_a_peer_that_asks_and_never_reads_is_dropped_in_time(tmp_path: Path, shared: Metainfo) -> None:
    async def scenario(simulation: Simulation) -> float:
        async with session_at(simulation, tmp_path, SEED) as seeder:
            torrent = await add(simulation, SEED, seeder, shared, seed_only=True)
            await completed(torrent)
            address = Address(SEED, PORT)
            stranger = await Stranger.at(simulation, ONE, address, shared.info_hash, b"asks")
            stranger.say(INTERESTED)
            await asyncio.sleep(1)
            stranger.say(*(request(piece, begin) for piece in range(40) for begin in (0, 16384, 32768, 49152)))
            dropped_at = simulation.now
            most = 0
            while torrent.statistics().peers and simulation.now < 1000:
                stranger.say(b"")  # it is alive, it only does not read
                await asyncio.sleep(1)
                dropped_at = simulation.now
                for connection in torrent.swarm._connections.values():
                    most = max(most, connection.unsent_bytes)
            assert 0 < most < 2 * MAX_WATERMARK_BYTES
            await stranger.hear_end()
            return dropped_at

    assert 290 < run(scenario).result < 330


def test_a_slow_reader_is_served_to_the_end(tmp_path: Path, shared: Metainfo) -> None:
    async def scenario(simulation: Simulation) -> None:
        async with session_at(simulation, tmp_path, SEED) as seeder, session_at(simulation, tmp_path, ONE) as leech:
            await completed(await add(simulation, SEED, seeder, shared, seed_only=True))
            simulation.set_access(ONE, down_bytes_per_s=2_000)
            torrent = await add(simulation, ONE, leech, shared, peers=[(SEED, PORT)])
            await completed(torrent, within_s=6000)
            assert torrent.statistics().downloaded_bytes + torrent.statistics().wasted_bytes == SIZE
            assert seeder.statistics().uploaded_bytes == SIZE

    run(scenario)


def test_who_asks_before_it_may_is_not_answered(tmp_path: Path, shared: Metainfo) -> None:
    async def scenario(simulation: Simulation) -> None:
        async with session_at(simulation, tmp_path, SEED) as seeder:
            torrent = await add(simulation, SEED, seeder, shared, seed_only=True)
            await completed(torrent)
            stranger = await Stranger.at(simulation, ONE, Address(SEED, PORT), shared.info_hash, b"rude")
            await asyncio.sleep(1)
            stranger.say(*[request(0)] * 50)
            await asyncio.sleep(30)
            assert torrent.statistics().peers == 1
            assert torrent.statistics().uploaded_bytes == 0
            stranger.say(*[request(0)] * 50_000)
            await stranger.hear_end()
            assert torrent.statistics().uploaded_bytes == 0

    run(scenario)


def test_a_storm_of_interest_costs_little_and_ends(tmp_path: Path, shared: Metainfo) -> None:
    async def scenario(simulation: Simulation) -> None:
        async with session_at(simulation, tmp_path, SEED) as seeder:
            torrent = await add(simulation, SEED, seeder, shared, seed_only=True)
            await completed(torrent)
            stranger = await Stranger.at(simulation, ONE, Address(SEED, PORT), shared.info_hash, b"storm")
            await asyncio.sleep(1)
            stranger.say(*[INTERESTED, b"\x03"] * 10_000)
            received = await stranger.hear_end()
            assert len(received) < 1000
            assert torrent.state is TorrentState.SEEDING

    run(scenario)


def test_a_banned_host_loses_all_its_connections(tmp_path: Path, shared: Metainfo) -> None:
    async def scenario(simulation: Simulation) -> None:
        async with session_at(simulation, tmp_path, SEED) as seeder:
            torrent = await add(simulation, SEED, seeder, shared, seed_only=True)
            await completed(torrent)
            address = Address(SEED, PORT)
            liars = [await Stranger.at(simulation, ONE, address, shared.info_hash, name) for name in (b"a", b"b")]
            honest = await Stranger.at(simulation, TWO, address, shared.info_hash, b"c")
            await until(lambda: torrent.statistics().peers == 3)
            torrent.swarm.ban(Address(ONE, 1))
            for liar in liars:
                await liar.hear_end()
            assert [peer.core.address.host for peer in torrent.swarm.core.peers.values()] == [TWO]
            again = await Stranger.at(simulation, ONE, address, shared.info_hash, b"d")
            await again.hear_end()
            assert torrent.statistics().peers == 1
            honest.writer.close()

    run(scenario)


def test_a_host_that_is_banned_while_it_is_called_does_not_become_a_peer(tmp_path: Path, shared: Metainfo) -> None:
    async def scenario(simulation: Simulation) -> None:
        async with session_at(simulation, tmp_path, SEED) as seeder, session_at(simulation, tmp_path, ONE) as leech:
            await completed(await add(simulation, SEED, seeder, shared, seed_only=True))
            torrent = await add(simulation, ONE, leech, shared)
            await asyncio.sleep(1)
            torrent.add_peers([(SEED, PORT)])
            await asyncio.sleep(0.05)
            assert torrent.swarm.dialling_count == 1
            torrent.swarm.ban(Address(SEED, PORT))
            await asyncio.sleep(5)
            assert torrent.statistics().peers == torrent.statistics().downloaded_bytes == 0
            assert leech.connection_count == 0

    run(scenario, link=Link(delay_s=0.1))


# Bounds


def test_a_torrent_takes_no_more_peers_than_it_may(tmp_path: Path, shared: Metainfo) -> None:
    async def scenario(simulation: Simulation) -> None:
        async with session_at(simulation, tmp_path, SEED, max_connections_per_torrent=3) as seeder:
            torrent = await add(simulation, SEED, seeder, shared, seed_only=True)
            await completed(torrent)
            address = Address(SEED, PORT)
            guests = [
                await Stranger.at(simulation, f"10.1.0.{number}", address, shared.info_hash, b"%d" % number)
                for number in range(1, 6)
            ]
            await asyncio.sleep(1)
            assert torrent.statistics().peers == seeder.connection_count == 3
            for guest in guests[3:]:
                assert await guest.hear_end() == b""
            guests[0].writer.close()
            await asyncio.sleep(1)
            late = await Stranger.at(simulation, "10.1.0.9", address, shared.info_hash, b"late")
            await asyncio.sleep(1)
            assert torrent.statistics().peers == 3
            for guest in [*guests[1:3], late]:
                guest.writer.close()

    run(scenario)


def test_strangers_who_say_nothing_leave_room_for_others(tmp_path: Path, shared: Metainfo) -> None:
    async def scenario(simulation: Simulation) -> None:
        async with session_at(simulation, tmp_path, SEED, max_handshaking=4, max_connections=6) as seeder:
            torrent = await add(simulation, SEED, seeder, shared, seed_only=True)
            await completed(torrent)
            silent = []
            for number in range(1, 11):
                with simulation.host(f"10.1.0.{number}"):
                    silent.append(await asyncio.open_connection(SEED, PORT))
            await asyncio.sleep(1)
            assert seeder.connection_count == 4
            assert seeder.statistics().refused_connections == 6
            await asyncio.sleep(15)
            assert seeder.connection_count == 0
            async with session_at(simulation, tmp_path, ONE) as leech:
                await completed(await add(simulation, ONE, leech, shared, peers=[(SEED, PORT)]))
            for _, writer in silent:
                writer.close()

    run(scenario)


@pytest.mark.parametrize(("waited_s", "gives_way"), [(1.0, False), (4.0, True)])
def test_a_call_that_is_not_answered_gives_way_in_a_full_torrent_after_a_while(
    tmp_path: Path, shared: Metainfo, waited_s: float, gives_way: bool
) -> None:
    async def scenario(simulation: Simulation) -> bool:
        ended = asyncio.Event()

        async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read()
            ended.set()
            writer.close()

        await asyncio.sleep(100)
        with simulation.host(TWO):
            server = await asyncio.start_server(say_nothing, TWO, PORT)
        async with session_at(simulation, tmp_path, ONE, max_connections_per_torrent=1) as session:
            torrent = await add(simulation, ONE, session, shared, peers=[(TWO, PORT)])
            await asyncio.sleep(waited_s)
            assert torrent.statistics().peers == 0
            stranger = await Stranger.at(simulation, SEED, Address(ONE, PORT), shared.info_hash, b"guest")
            await asyncio.sleep(0.5)
            gave_way = ended.is_set()
            assert torrent.statistics().peers == gave_way  # the place is the newcomer's
            stranger.writer.close()
        server.close()
        await server.wait_closed()
        return gave_way

    assert run(scenario).result is gives_way


# Fairness


def test_a_peer_that_asks_for_everything_does_not_starve_the_others(tmp_path: Path, shared: Metainfo) -> None:
    async def scenario(simulation: Simulation) -> tuple[float, float]:
        async with (
            session_at(simulation, tmp_path, SEED) as seeder,
            session_at(simulation, tmp_path, TWO) as modest,
        ):
            torrent = await add(simulation, SEED, seeder, shared, seed_only=True)
            await completed(torrent)
            simulation.set_access(SEED, up_bytes_per_s=200_000)
            greedy = await Stranger.at(simulation, ONE, Address(SEED, PORT), shared.info_hash, b"greedy")
            greedy.say(INTERESTED)
            await asyncio.sleep(1)
            for _ in range(5):
                greedy.say(*(request(piece, begin) for piece in range(45) for begin in (0, 16384, 32768, 49152)))
            eating = asyncio.create_task(greedy.hear_end())
            started_at = simulation.now
            await completed(await add(simulation, TWO, modest, shared, peers=[(SEED, PORT)]))
            elapsed_s = simulation.now - started_at
            greedy.writer.close()
            await eating
            return elapsed_s, SIZE / 200_000

    elapsed_s, alone_s = run(scenario).result
    assert elapsed_s < 3 * alone_s

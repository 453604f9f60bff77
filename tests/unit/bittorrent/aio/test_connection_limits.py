"""Who may be connected: lists of blocked hosts, half-open connections, and who gives way in a full torrent."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from bittorrent import Metainfo, Session, SessionConfig, Torrent, create_metainfo
from bittorrent.dialling.ip_filter import IpFilter
from bittorrent.dialling.peer_priority import peer_priority
from bittorrent.dialling.turnover import TurnoverConfig
from bittorrent.rate_limits import RateLimits
from transfer.address import Address
from transfer.external_address import ExternalAddressConfig
from transfer.simulation import Simulation, run

SEED = "9.0.0.1"
PORT = 6881


@pytest.fixture
def shared(tmp_path: Path) -> Metainfo:
    path = tmp_path / SEED / "file.bin"
    path.parent.mkdir()
    path.write_bytes(random.Random(1).randbytes(1 << 18))
    return create_metainfo(path, piece_length=1 << 16, private=True)  # nobody is named by others


@asynccontextmanager
async def session_at(simulation: Simulation, tmp_path: Path, host: str, **options: Any) -> AsyncIterator[Session]:
    settings = options.pop("config", SessionConfig())
    with simulation.host(host):
        session = Session(tmp_path / host, host=host, port=PORT, config=settings, rng=random.Random(host), **options)
        await session.__aenter__()
    try:
        yield session
    finally:
        await session.aclose()


async def add(simulation: Simulation, host: str, session: Session, source: Metainfo, **options: Any) -> Torrent:
    with simulation.host(host):
        return await session.add(source, **options)


def test_blocked_hosts_push_nobody_out(tmp_path: Path, shared: Metainfo) -> None:
    """Who is on the list does not even wait: a crowd of them must not cost an honest handshake its place."""

    async def scenario(simulation: Simulation) -> None:
        blocked = IpFilter([("9.1.0.0", "9.1.255.255")])
        config = SessionConfig(max_handshaking=4)
        async with session_at(simulation, tmp_path, SEED, ip_filter=blocked, config=config) as seed:
            await add(simulation, SEED, seed, shared)
            loop, honest = asyncio.get_running_loop(), []
            for number in range(4):
                with simulation.host(f"9.2.{number}.1"):
                    honest.append(await loop.create_connection(asyncio.Protocol, SEED, PORT))
            for number in range(20):
                with simulation.host(f"9.1.{number}.1"):
                    transport, _ = await loop.create_connection(asyncio.Protocol, SEED, PORT)
            await asyncio.sleep(1)
            assert seed.statistics().refused_connections == 20
            assert not any(transport.is_closing() for transport, _ in honest)
            for transport, _ in honest:
                transport.abort()

    run(scenario)


def test_blocked_hosts_are_neither_called_nor_answered_nor_kept(tmp_path: Path, shared: Metainfo) -> None:
    async def scenario(simulation: Simulation) -> None:
        two, three = "9.0.0.2", "9.0.0.3"
        async with (
            session_at(simulation, tmp_path / "nothing", SEED, ip_filter=IpFilter([(two, two)])) as seed,
            session_at(simulation, tmp_path, two) as blocked,
            session_at(simulation, tmp_path, three) as later,
        ):
            torrent = await add(simulation, SEED, seed, shared, peers=[(two, PORT)])
            await add(simulation, two, blocked, shared, peers=[(SEED, PORT)])
            other = await add(simulation, three, later, shared, peers=[(SEED, PORT)])
            await asyncio.sleep(5)
            assert [peer.core.address.host for peer in torrent.swarm.core.peers.values()] == [three]
            assert seed.statistics().refused_connections > 0
            seed.ip_filter = IpFilter([(two, three)])
            await asyncio.sleep(5)
            assert not torrent.swarm.core.peers
            assert other.statistics().peers == 0
            assert len(seed.ip_filter) == 1

    run(scenario)


def test_few_connections_are_half_open_in_all_torrents_together(tmp_path: Path, shared: Metainfo) -> None:
    async def scenario(simulation: Simulation) -> int:
        config = SessionConfig(max_half_open=7)
        nobody = [(f"9.1.0.{number}", PORT) for number in range(40)]
        async with session_at(simulation, tmp_path, SEED, config=config) as session:
            (tmp_path / SEED / "other.bin").write_bytes(bytes(100_000))
            other = create_metainfo(tmp_path / SEED / "other.bin", piece_length=1 << 16)
            simulation.black_hole(SEED)
            torrents = [await add(simulation, SEED, session, source, peers=nobody) for source in (shared, other)]
            most = 0
            for _ in range(300):
                await asyncio.sleep(0.1)
                most = max(most, sum(torrent.swarm.dialling_count for torrent in torrents))
            return most

    assert run(scenario).result == 7


def test_in_a_full_torrent_an_idle_peer_gives_way_to_one_of_higher_priority(tmp_path: Path, shared: Metainfo) -> None:
    ours = Address(SEED, PORT)
    hosts = sorted(
        (f"9.{number}.0.9" for number in range(1, 9)), key=lambda host: peer_priority(ours, Address(host, PORT))
    )

    async def scenario(simulation: Simulation) -> None:
        config = SessionConfig(
            max_connections_per_torrent=4,
            external_address=ExternalAddressConfig(quorum=3),
            turnover=TurnoverConfig(min_age_s=60),
        )
        async with session_at(simulation, tmp_path / "nothing", SEED, config=config) as session:
            torrent = await add(simulation, SEED, session, shared)
            opened: dict[str, Session] = {}

            async def join(host: str) -> set[str]:
                """Nobody has anything, so all stay idle."""
                with simulation.host(host):
                    opened[host] = Session(tmp_path / host, host=host, port=PORT, rng=random.Random(host))
                    await opened[host].__aenter__()
                    await opened[host].add(shared, peers=[(SEED, PORT)])
                await asyncio.sleep(1)
                return {peer.core.address.host for peer in torrent.swarm.core.peers.values()}

            try:
                for host in (hosts[0], hosts[5], hosts[6]):
                    await join(host)
                assert await join(hosts[4]) == {hosts[0], hosts[4], hosts[5], hosts[6]}
                assert hosts[7] not in await join(hosts[7]), "nobody was idle for long"
                await opened.pop(hosts[7]).aclose()
                await asyncio.sleep(60)
                assert await join(hosts[3]) == {hosts[3], hosts[4], hosts[5], hosts[6]}
                await asyncio.sleep(1)
            finally:
                for session in opened.values():
                    await session.aclose()

    run(scenario)


def strangers_left_after(
    shared: Metainfo, tmp_path: Path, config: SessionConfig, *, calls: int, is_seed: bool = False
) -> int:
    """How many of two peers of no use are still connected after a while, with `calls` peers known that never answer."""

    async def scenario(simulation: Simulation) -> int:
        folder = tmp_path if is_seed else tmp_path / "nothing"
        async with session_at(simulation, folder, SEED, config=config) as session:
            torrent = await add(simulation, SEED, session, shared)
            await asyncio.sleep(1)
            assert (torrent.left_bytes == 0) is is_seed
            strangers = []
            for number in range(2):
                with simulation.host(f"9.1.{number}.1"):
                    _, writer = await asyncio.open_connection(SEED, PORT)
                name = b"stranger".ljust(20, b"%d" % number)
                writer.write(b"\x13BitTorrent protocol" + bytes(8) + shared.info_hash + name)
                strangers.append(writer)
            await asyncio.sleep(1)
            connected = set(torrent.swarm.core.peers)
            assert len(connected) == 2
            torrent.add_peers([(f"9.3.0.{number}", PORT) for number in range(calls)])
            await asyncio.sleep(TurnoverConfig().useless_after_s + 10)
            left = len(connected & set(torrent.swarm.core.peers))
            for writer in strangers:
                writer.close()
            return left

    return run(scenario).result


@pytest.mark.parametrize("limit", ["max_connections", "max_connections_per_torrent"])
def test_in_a_full_torrent_a_useless_peer_gives_way_to_a_call(tmp_path: Path, shared: Metainfo, limit: str) -> None:
    config = SessionConfig(**{limit: 2})  # type: ignore[arg-type]
    assert strangers_left_after(shared, tmp_path, config, calls=0) == 2, "there is nobody to call"
    assert strangers_left_after(shared, tmp_path, config, calls=1) < 2


@pytest.mark.parametrize("limit", ["max_connections", "max_connections_per_torrent"])
def test_nobody_gives_way_to_calls_that_wait_for_other_reasons_than_room(
    tmp_path: Path, shared: Metainfo, limit: str
) -> None:
    config = SessionConfig(max_half_open=1, **{limit: 4})  # type: ignore[arg-type]
    assert strangers_left_after(shared, tmp_path, config, calls=9) == 2


def test_at_a_seed_nobody_gives_way_to_a_call(tmp_path: Path, shared: Metainfo) -> None:
    config = SessionConfig(max_connections_per_torrent=2)
    assert strangers_left_after(shared, tmp_path, config, calls=1, is_seed=True) == 2


@pytest.mark.parametrize("way", ["download", "upload"])
def test_a_session_keeps_to_its_rate_over_all_torrents(tmp_path: Path, shared: Metainfo, way: str) -> None:
    """256 KiB twice, at 32 KiB/s together."""

    async def scenario(simulation: Simulation) -> float:
        leech_at = "9.0.0.2"
        async with (
            session_at(simulation, tmp_path, SEED) as seed,
            session_at(simulation, tmp_path, leech_at) as leech,
        ):
            (tmp_path / SEED / "other.bin").write_bytes(random.Random(2).randbytes(1 << 18))
            other = create_metainfo(tmp_path / SEED / "other.bin", piece_length=1 << 16)
            if way == "download":
                leech.set_rate_limits(RateLimits(download_bytes_per_s=1 << 15))
            else:
                seed.set_rate_limits(RateLimits(upload_bytes_per_s=1 << 15))
            for source in (shared, other):
                await (await add(simulation, SEED, seed, source, seed_only=True)).wait_complete()
            started_at = simulation.now
            wanted = [
                await add(simulation, leech_at, leech, source, peers=[(SEED, PORT)]) for source in (shared, other)
            ]
            for torrent in wanted:
                await torrent.wait_complete()
            return simulation.now - started_at

    assert 14 < run(scenario).result < 24

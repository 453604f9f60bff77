"""Where peers come from, in virtual time: a DHT that cannot be joined, goes away, comes back, or must not be asked."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from bittorrent import Metainfo, Session, SessionConfig, Torrent, create_metainfo
from bittorrent.dialling.peer_list import PeerSource
from bittorrent.errors import NoPeersError
from bittorrent.stats import TorrentState
from kademlia_core import MainlineNode
from kademlia_core.errors import BootstrapError
from kademlia_core.mainline.reports import AnnounceReport
from transfer.address import Address
from transfer.simulation import Link, Simulation, run

ENTRY = Address("10.0.0.1", 6881)
SEED = "10.0.0.2"
LEECH = "10.0.0.3"
OTHER = "10.0.0.4"


@pytest.fixture
def shared(tmp_path: Path) -> Metainfo:
    return make_shared(tmp_path, private=False)


def make_shared(tmp_path: Path, *, private: bool) -> Metainfo:
    path = tmp_path / SEED / "file.bin"
    path.parent.mkdir()
    path.write_bytes(random.Random(1).randbytes(200_000))
    return create_metainfo(path, piece_length=1 << 16, private=private)


class WatchedNode(MainlineNode):
    """A node that notes when it announced."""

    def __init__(self, **settings: object) -> None:
        super().__init__(**settings)  # type: ignore[arg-type]
        self.announced_at: list[float] = []

    async def announce(self, *arguments: object, **named: object) -> AnnounceReport:
        report = await super().announce(*arguments, **named)  # type: ignore[arg-type]
        self.announced_at.append(asyncio.get_running_loop().time())
        return report


@asynccontextmanager
async def dht_node(
    simulation: Simulation, host: str, *, bootstrap: tuple[Address, ...] = ()
) -> AsyncIterator[WatchedNode]:
    rng = random.Random(simulation.rng.getrandbits(64))
    with simulation.host(host):
        node = WatchedNode(port=ENTRY.port, bootstrap=bootstrap, rng=rng)
        await node.__aenter__()
    try:
        yield node
    finally:
        await node.aclose()


@asynccontextmanager
async def session_at(
    simulation: Simulation, tmp_path: Path, host: str, *, dht: MainlineNode | None = None, **settings: object
) -> AsyncIterator[Session]:
    config = SessionConfig(**settings)  # type: ignore[arg-type]
    rng = random.Random(simulation.rng.getrandbits(64))
    with simulation.host(host):
        session = Session(tmp_path / host, host=host, port=6881, dht=dht, config=config, rng=rng)
        await session.__aenter__()
    try:
        yield session
    finally:
        await session.aclose()


async def add(simulation: Simulation, session: Session, source: Metainfo | str, **options: Any) -> Torrent:
    with simulation.host(session.address.host):
        return await session.add(source, **options)


async def found_by(node: MainlineNode, info_hash: bytes) -> set[str]:
    async with node.find_peers(info_hash) as lookup:
        return {address.host async for address in lookup}


async def until(condition: Callable[[], bool]) -> None:
    """Looks again and again: in virtual time that is exact enough, and costs nothing."""
    async with asyncio.timeout(600):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.001)


async def completed(torrent: Torrent, *, within_s: float = 600.0) -> None:
    async with asyncio.timeout(within_s):
        await torrent.wait_complete()


def test_a_seed_that_finds_no_dht_waits_for_it_and_announces_when_it_is_there(tmp_path: Path, shared: Metainfo) -> None:
    async def scenario(simulation: Simulation) -> None:
        async with dht_node(simulation, ENTRY.host), dht_node(simulation, OTHER, bootstrap=(ENTRY,)) as other:
            await other.wait_joined()
            outage = simulation.partition([ENTRY.host, OTHER], [SEED])
            async with (
                dht_node(simulation, SEED, bootstrap=(ENTRY,)) as node,
                session_at(simulation, tmp_path, SEED, dht=node) as session,
            ):
                torrent = await add(simulation, session, shared, seed_only=True)
                await asyncio.sleep(120)
                assert torrent.state is TorrentState.SEEDING
                assert not node.announced_at
                outage.heal()
                await node_joins(node)
                await asyncio.sleep(65)
                assert len(node.announced_at) == 1
                assert await found_by(other, shared.info_hash) == {SEED}

    run(scenario)


async def node_joins(node: MainlineNode) -> None:
    async with asyncio.timeout(1000):
        while True:
            try:
                await node.wait_joined()
            except BootstrapError:
                await asyncio.sleep(1)
            else:
                return


def test_an_announcement_that_nobody_took_is_made_again_soon(tmp_path: Path, shared: Metainfo) -> None:
    async def scenario(simulation: Simulation) -> None:
        async with (
            dht_node(simulation, ENTRY.host) as alone,
            session_at(simulation, tmp_path, SEED, dht=alone) as session,
        ):
            await completed(await add(simulation, session, shared, seed_only=True))
            await asyncio.sleep(100)
            async with dht_node(simulation, OTHER, bootstrap=(ENTRY,)) as other:
                await other.wait_joined()
                await asyncio.sleep(65)
                assert await found_by(other, shared.info_hash) == {ENTRY.host}

    run(scenario)


def test_an_announcement_is_repeated_at_its_interval(tmp_path: Path, shared: Metainfo) -> None:
    async def scenario(simulation: Simulation) -> list[float]:
        async with (
            dht_node(simulation, ENTRY.host),
            dht_node(simulation, SEED, bootstrap=(ENTRY,)) as node,
            session_at(simulation, tmp_path, SEED, dht=node, dht_interval_s=40.0) as session,
        ):
            await completed(await add(simulation, session, shared, seed_only=True))
            await asyncio.sleep(410)
            return node.announced_at

    times = run(scenario).result
    gaps = [after - before for before, after in itertools.pairwise(times)]
    assert len(times) >= 6
    assert min(gaps) >= 39
    assert max(gaps) <= 81


def test_a_download_goes_on_when_the_dht_is_lost_for_a_while(tmp_path: Path, shared: Metainfo) -> None:
    async def scenario(simulation: Simulation) -> None:
        async with (
            dht_node(simulation, ENTRY.host) as entry,
            dht_node(simulation, LEECH, bootstrap=(ENTRY,)) as node,
            session_at(simulation, tmp_path, LEECH, dht=node) as leech,
        ):
            torrent = await add(simulation, leech, shared)
            async with session_at(simulation, tmp_path, SEED, dht=entry) as seed:
                await add(simulation, seed, shared, seed_only=True)
                await until(lambda: torrent.statistics().peers > 0)
            with simulation.partition([ENTRY.host, SEED], [LEECH]):
                await asyncio.sleep(2 * 3600)
                assert torrent.state is TorrentState.DOWNLOADING
            await node_joins(node)
            async with session_at(simulation, tmp_path, SEED, dht=entry) as seed:
                await add(simulation, seed, shared, seed_only=True)
                await completed(torrent, within_s=2000)

    run(scenario, max_virtual_s=90_000.0)


def test_without_a_network_a_download_ends_promptly(tmp_path: Path, shared: Metainfo) -> None:
    async def scenario(simulation: Simulation) -> float:
        async with (
            dht_node(simulation, LEECH, bootstrap=(ENTRY,)) as node,
            session_at(simulation, tmp_path, LEECH, dht=node) as leech,
        ):
            with pytest.raises(NoPeersError, match="no bootstrap node answered"):
                await completed(await add(simulation, leech, shared))
            return simulation.now

    assert run(scenario).result < 30


def test_a_peer_whose_name_is_still_looked_up_is_a_source_too(tmp_path: Path, shared: Metainfo) -> None:
    async def scenario(simulation: Simulation) -> None:
        simulation.names["seed.example"] = SEED
        async with (
            session_at(simulation, tmp_path, SEED) as seed,
            dht_node(simulation, LEECH, bootstrap=(ENTRY,)) as node,
            session_at(simulation, tmp_path, LEECH, dht=node) as leech,
        ):
            await add(simulation, seed, shared, seed_only=True)
            with pytest.raises(BootstrapError):
                await node.wait_joined()
            await completed(
                await add(simulation, leech, shared.magnet_link(), peers=[("seed.example", seed.address.port)])
            )

    run(scenario)


def test_a_dead_peer_beside_a_dht_that_cannot_be_joined_is_no_reason_to_wait_for_ever(
    tmp_path: Path, shared: Metainfo
) -> None:
    async def scenario(simulation: Simulation) -> float:
        async with (
            dht_node(simulation, LEECH, bootstrap=(ENTRY,)) as node,
            session_at(simulation, tmp_path, LEECH, dht=node, no_peers_timeout_s=45.0) as leech,
        ):
            with pytest.raises(NoPeersError, match="no bootstrap node answered"):
                await completed(await add(simulation, leech, shared, peers=[(OTHER, 6881)]))
            return simulation.now

    assert 45 <= run(scenario).result < 100


def test_with_a_dht_a_torrent_waits_for_its_first_peer(tmp_path: Path, shared: Metainfo) -> None:
    async def scenario(simulation: Simulation) -> None:
        async with (
            dht_node(simulation, ENTRY.host) as entry,
            dht_node(simulation, LEECH, bootstrap=(ENTRY,)) as node,
            session_at(simulation, tmp_path, LEECH, dht=node, no_peers_timeout_s=45.0) as leech,
        ):
            torrent = await add(simulation, leech, shared)
            await asyncio.sleep(300)
            assert torrent.state is TorrentState.DOWNLOADING
            async with session_at(simulation, tmp_path, SEED, dht=entry) as seed:
                await add(simulation, seed, shared, seed_only=True)
                await completed(torrent)

    run(scenario)


def test_meeting_nobody_but_oneself_is_meeting_nobody(tmp_path: Path, shared: Metainfo) -> None:
    async def scenario(simulation: Simulation) -> None:
        async with session_at(simulation, tmp_path, LEECH, no_peers_timeout_s=45.0) as leech:
            torrent = await add(simulation, leech, shared, peers=[leech.address])
            with pytest.raises(NoPeersError):
                await completed(torrent)
            assert torrent.statistics().known_peers == 0  # found out at the first call, and never called again

    run(scenario)


# A node that is closed first


def test_a_torrent_with_peers_outlives_its_dht_node(tmp_path: Path, shared: Metainfo) -> None:
    async def scenario(simulation: Simulation) -> None:
        simulation.set_access(SEED, up_bytes_per_s=20_000)
        async with (
            dht_node(simulation, ENTRY.host) as entry,
            session_at(simulation, tmp_path, SEED, dht=entry) as seed,
            dht_node(simulation, LEECH, bootstrap=(ENTRY,)) as node,
            session_at(simulation, tmp_path, LEECH, dht=node) as leech,
        ):
            await completed(await add(simulation, seed, shared, seed_only=True))
            torrent = await add(simulation, leech, shared, peers=[seed.address])
            await until(lambda: torrent.statistics().downloaded_bytes > 0)
            await node.aclose()
            await completed(torrent)

    run(scenario)


def test_peers_that_name_their_dht_node_are_welcome_when_ours_is_closed(tmp_path: Path, shared: Metainfo) -> None:
    async def scenario(simulation: Simulation) -> None:
        async with (
            dht_node(simulation, ENTRY.host) as entry,
            session_at(simulation, tmp_path, SEED, dht=entry) as seed,
            dht_node(simulation, LEECH, bootstrap=(ENTRY,)) as node,
            session_at(simulation, tmp_path, LEECH, dht=node) as leech,
        ):
            await completed(await add(simulation, seed, shared, seed_only=True))
            torrent = await add(simulation, leech, shared, peers=[(OTHER, 6881)])
            await asyncio.sleep(1)
            await node.aclose()
            torrent.add_peers([seed.address])
            await completed(torrent)

    run(scenario)


def test_without_its_dht_node_a_torrent_that_knows_nobody_ends(tmp_path: Path, shared: Metainfo) -> None:
    async def scenario(simulation: Simulation) -> None:
        async with (
            dht_node(simulation, ENTRY.host) as node,
            session_at(simulation, tmp_path, LEECH, dht=node) as leech,
        ):
            torrent = await add(simulation, leech, shared)
            await asyncio.sleep(10)
            await node.aclose()
            with pytest.raises(NoPeersError, match="closed"):
                await completed(torrent)

    run(scenario)


# Private torrents


def test_a_private_torrent_is_no_business_of_the_dht(tmp_path: Path) -> None:
    shared = make_shared(tmp_path, private=True)

    async def scenario(simulation: Simulation) -> None:
        async with (
            dht_node(simulation, ENTRY.host) as entry,
            dht_node(simulation, SEED, bootstrap=(ENTRY,)) as seed_node,
            dht_node(simulation, LEECH, bootstrap=(ENTRY,)) as leech_node,
            session_at(simulation, tmp_path, SEED, dht=seed_node) as seed,
            session_at(simulation, tmp_path, LEECH, dht=leech_node) as leech,
        ):
            first = await add(simulation, seed, shared, seed_only=True)
            await completed(first)
            await completed(await add(simulation, leech, shared, peers=[seed.address]))
            await asyncio.sleep(2000)
            assert not seed_node.announced_at
            assert not leech_node.announced_at
            assert await found_by(entry, shared.info_hash) == set()

    run(scenario)


@pytest.mark.parametrize("delay_s", [0.02, 0.05, 0.1, 0.2])
def test_a_magnet_link_that_turns_out_private_leaves_the_dht_at_once(tmp_path: Path, delay_s: float) -> None:
    shared = make_shared(tmp_path, private=True)

    async def scenario(simulation: Simulation) -> None:
        async with (
            dht_node(simulation, ENTRY.host) as entry,
            dht_node(simulation, OTHER, bootstrap=(ENTRY,)) as other,
            dht_node(simulation, LEECH, bootstrap=(ENTRY,)) as node,
            session_at(simulation, tmp_path, SEED) as seed,
            session_at(simulation, tmp_path, LEECH, dht=node) as leech,
        ):
            await asyncio.gather(node.wait_joined(), other.wait_joined())
            await completed(await add(simulation, seed, shared, seed_only=True))
            for host in (ENTRY.host, OTHER):
                simulation.set_link(LEECH, host, Link(delay_s=delay_s))
            torrent = await add(simulation, leech, shared.magnet_link(), peers=[seed.address])
            await torrent.wait_metadata()
            await completed(torrent)
            assert torrent.swarm.dht_port is None
            await asyncio.sleep(2000)
            assert not node.announced_at
            assert await found_by(entry, shared.info_hash) == set()

    run(scenario)


def test_whom_the_dht_named_is_forgotten_when_the_metadata_says_private(tmp_path: Path) -> None:
    shared = make_shared(tmp_path, private=True)

    async def scenario(simulation: Simulation) -> None:
        async with (
            session_at(simulation, tmp_path, SEED) as seed,
            session_at(simulation, tmp_path, OTHER) as stranger,
            session_at(simulation, tmp_path, LEECH) as leech,
        ):
            await completed(await add(simulation, seed, shared, seed_only=True))
            await add(simulation, stranger, shared.magnet_link())
            torrent = await add(simulation, leech, shared.magnet_link())
            torrent.swarm.add_addresses([stranger.address, Address("10.9.9.9", 1)], PeerSource.DHT)
            await asyncio.sleep(1)
            assert len(torrent.swarm.core.peers) == 1
            torrent.add_peers([seed.address])
            await torrent.wait_metadata()
            await asyncio.sleep(1)
            met = [peer.core.address for peer in torrent.swarm.core.peers.values()]
            assert stranger.address not in met
            assert stranger.address not in torrent.swarm.peers
            assert len(torrent.swarm.peers) == 1
            await completed(torrent)

    run(scenario)

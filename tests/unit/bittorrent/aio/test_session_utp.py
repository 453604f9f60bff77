"""uTP beside TCP in a session: on its UDP port, called where TCP does not answer, told to others, or left out."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bittorrent import RateLimits, Session, SessionConfig, Torrent
from bittorrent.dialling.paths import PUNCH, TCP, UTP, PathConfig
from bittorrent.swarm.config import SwarmConfig
from bittorrent.swarm.peer_exchange import PeerExchangeConfig
from tests.simulation.content_sessions import PORT, add, session_on, until
from tests.simulation.shared_content import SharedContent
from transfer.address import Address
from transfer.aio.datagram_port import DatagramPort
from transfer.aio.memory import MemoryNetwork, MemoryTransport
from transfer.aio.utp import UtpTransport
from transfer.simulation import Link, Simulation, run
from transfer.utp.config import UtpConfig

LOCAL = Address("127.0.0.1", 0)
ONLY_UTP = PathConfig(paths=(UTP,))
BOTH = PathConfig(paths=(TCP, UTP))
SEED, LEECH, THIRD = "10.0.0.1", "10.0.0.2", "10.0.0.3"


@pytest.mark.every_event_loop
@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
async def test_a_session_answers_utp_on_its_address_until_it_closes(tmp_path: Path, host: str) -> None:
    async with Session(tmp_path, host=host) as session:
        address = session.address
        async with UtpTransport() as caller:
            transport, _ = await caller.connect(asyncio.Protocol, address)
            assert session.connection_count in (0, 1)  # it waits for the handshake
            transport.abort()
    async with await DatagramPort.bind(address):
        pass  # it is free


@pytest.mark.every_event_loop
@pytest.mark.parametrize("config", [SessionConfig(utp=None), SessionConfig(utp=None, paths=PathConfig())])
async def test_without_utp_nobody_answers_it_and_nobody_is_called_over_it(
    tmp_path: Path, config: SessionConfig
) -> None:
    async with Session(tmp_path, host="127.0.0.1", config=config) as session:
        assert UTP not in session._transports
        assert session._config.paths.paths == (TCP,)
        quick = UtpConfig(syn_timeout_s=0.05, syn_attempts=1)
        async with UtpTransport(config=quick) as caller:
            with pytest.raises(OSError, match=r"."):
                await caller.connect(asyncio.Protocol, session.address)


async def test_utp_is_not_spoken_beside_a_transport_of_the_callers(tmp_path: Path) -> None:
    """It may be a proxy: what goes around it would tell who is behind it."""
    async with (
        await DatagramPort.bind(LOCAL) as port,
        Session(
            tmp_path,
            host="10.0.0.1",
            port=1,
            transport=MemoryTransport(MemoryNetwork(), host="10.0.0.1"),
            datagrams=port,
        ) as session,
    ):
        assert session._config.paths.paths == (TCP,)


async def test_only_utp_without_a_port_for_it_is_an_error_that_leaves_nothing_open(tmp_path: Path) -> None:
    config = SessionConfig(paths=ONLY_UTP)
    network = MemoryNetwork()
    session = Session(
        tmp_path, host="10.0.0.1", port=1, transport=MemoryTransport(network, host="10.0.0.1"), config=config
    )
    with pytest.raises(OSError, match="over uTP only"):
        await session.__aenter__()
    with pytest.raises(OSError, match="over uTP only"):
        await Session(tmp_path, config=replace(config, utp=None)).__aenter__()


async def test_two_sessions_on_one_port_leave_utp_to_the_first(tmp_path: Path) -> None:
    async with (
        await DatagramPort.bind(LOCAL) as port,
        Session(tmp_path, host="127.0.0.1", datagrams=port) as first,
        Session(tmp_path, host="127.0.0.1", datagrams=port) as second,
    ):
        assert first._config.paths.paths == (TCP, UTP, PUNCH)
        assert second._config.paths.paths == (TCP,)


# Whole swarms in virtual time.


def play(scenario: Any, *, link: Link | None = None, seed: int = 1) -> Any:
    return run(scenario, seed=seed, link=link or Link(delay_s=0.02, rate_bytes_per_s=2e6)).result


def transports(torrent: Torrent) -> list[str]:
    return sorted(peer.transport for peer in torrent.peers())


def test_a_torrent_comes_over_utp_alone_through_loss_and_jitter_and_limits_hold() -> None:
    """The same bytes, the rate that was set, and nothing is left behind: the simulation looks after that."""

    async def scenario(simulation: Simulation) -> tuple[bool, list[str], float]:
        content = SharedContent.make(1 << 20, 1 << 15, simulation.rng)
        async with (
            session_on(simulation, SEED, content, complete=True, utp=UtpConfig()) as seeder,
            session_on(simulation, LEECH, content, utp=UtpConfig(), paths=ONLY_UTP) as leech,
        ):
            seeding = await add(simulation, SEED, seeder, content.metainfo, seed_only=True)
            seeding.set_rate_limits(RateLimits(local_upload_bytes_per_s=100e3))
            torrent = await add(simulation, LEECH, leech, content.metainfo, peers=[(SEED, PORT)])
            began_at = simulation.now
            await until(lambda: bool(torrent.peers()))
            seen = transports(torrent) + transports(seeding)
            await torrent.wait_complete()
            return content.is_on(simulation.disk(LEECH)), seen, simulation.now - began_at

    link = Link(delay_s=0.02, jitter_s=0.01, rate_bytes_per_s=2e6, loss=0.02, duplicate=0.01, reorder=0.02)
    is_whole, seen, took_s = play(scenario, link=link)
    assert is_whole
    assert seen == ["utp", "utp"]
    assert took_s > 0.8 * (1 << 20) / 100e3


def test_a_host_that_drops_tcp_is_met_over_utp_and_one_that_answers_both_over_tcp() -> None:
    async def scenario(simulation: Simulation) -> tuple[list[str], list[str], float]:
        content = SharedContent.make(1 << 18, 1 << 15, simulation.rng)
        async with AsyncExitStack() as stack:
            seeds = {}
            for host in (SEED, THIRD):
                session = await stack.enter_async_context(
                    session_on(simulation, host, content, complete=True, utp=UtpConfig())
                )
                seeds[host] = await add(simulation, host, session, content.metainfo, seed_only=True)
            leech = await stack.enter_async_context(session_on(simulation, LEECH, content, utp=UtpConfig()))
            leech._transports[TCP] = Deaf(leech._transports[TCP], SEED)
            torrent = await add(simulation, LEECH, leech, content.metainfo, peers=[(SEED, PORT), (THIRD, PORT)])
            began_at = simulation.now
            await until(lambda: len(torrent.peers()) == 2, every_s=0.01)
            took_s = simulation.now - began_at
            by_host = sorted(f"{peer.address} {peer.transport}" for peer in torrent.peers())
            await torrent.wait_complete()
            return by_host, transports(seeds[SEED]), took_s

    by_host, _, took_s = play(scenario, link=Link(delay_s=0.02, rate_bytes_per_s=1e5))
    assert by_host == [f"{SEED}:{PORT} utp", f"{THIRD}:{PORT} tcp"]
    assert took_s < 1.0, "nobody waits for the time-out of TCP"


class Deaf:
    """A transport over which one host never answers, as behind a firewall."""

    def __init__(self, carrier: Any, host: str) -> None:
        self._carrier = carrier
        self._host = host

    async def listen(self, protocol_factory: Any, address: Address, *, door: Any = None) -> Any:
        raise NotImplementedError

    async def connect(self, protocol_factory: Any, address: Address) -> Any:
        if address.host == self._host:
            await asyncio.Event().wait()
        return await self._carrier.connect(protocol_factory, address)


def test_others_are_told_who_speaks_utp_and_call_over_it_first() -> None:
    """The seed is met over uTP by one, who tells the third (BEP 11); the third does not try TCP first."""

    async def scenario(simulation: Simulation) -> list[str]:
        content = SharedContent.make(1 << 20, 1 << 15, simulation.rng)
        swarm = SwarmConfig(peer_exchange=PeerExchangeConfig(interval_s=1.0))
        async with (
            session_on(
                simulation, SEED, content, complete=True, up_bytes_per_s=50e3, utp=UtpConfig(), swarm=swarm
            ) as seeder,
            session_on(simulation, LEECH, content, utp=UtpConfig(), paths=ONLY_UTP, swarm=swarm) as leech,
            session_on(simulation, THIRD, content, utp=UtpConfig(), paths=BOTH, swarm=swarm) as third,
        ):
            for path in BOTH.paths:  # or else the seed, which is told of the third, might call it first
                seeder._transports[path] = Deaf(seeder._transports[path], THIRD)
            await add(simulation, SEED, seeder, content.metainfo, seed_only=True)
            middle = await add(simulation, LEECH, leech, content.metainfo, peers=[(SEED, PORT)])
            await until(lambda: bool(middle.peers()))
            torrent = await add(simulation, THIRD, third, content.metainfo, peers=[(LEECH, PORT)])
            await until(lambda: len(torrent.peers()) == 2, within_s=30.0)
            return sorted(f"{peer.address} {peer.transport}" for peer in torrent.peers())

    assert play(scenario) == [f"{SEED}:{PORT} utp", f"{LEECH}:{PORT} tcp"]

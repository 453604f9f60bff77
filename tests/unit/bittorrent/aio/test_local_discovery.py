"""Peers that find each other by multicast, on the loopback interface (BEP 14)."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

import pytest

from bittorrent import Metainfo, Session, SessionConfig, create_metainfo
from bittorrent.aio.sources.local_discovery import LocalDiscovery
from bittorrent.dialling.peer_list import PeerSource
from bittorrent.local_discovery import LocalDiscoveryConfig
from transfer.address import Address

HOST = "127.0.0.1"


def config() -> LocalDiscoveryConfig:
    """On a port of its own, so that tests that run at the same time do not hear each other."""
    port = random.SystemRandom().randrange(20_000, 60_000)
    return LocalDiscoveryConfig(group=Address("239.192.152.143", port), group_ipv6=Address("ff15::efc0:988f", port))


def make_shared(where: Path, *, name: str = "file.bin", private: bool = False) -> Metainfo:
    where.mkdir(exist_ok=True)
    (where / name).write_bytes(random.Random(name).randbytes(1 << 18))
    return create_metainfo(where / name, piece_length=1 << 16, private=private)


async def test_two_hear_of_each_other_and_nobody_of_itself() -> None:
    settings = config()
    heard: asyncio.Queue[tuple[str, bytes, Address]] = asyncio.Queue()
    torrents = [bytes([number]) * 20 for number in range(3)]

    def ear(name: str, port: int) -> LocalDiscovery:
        return LocalDiscovery(
            interface=HOST,
            port=port,
            cookie=name,
            on_peer=lambda info_hash, peer: heard.put_nowait((name, info_hash, peer)),
            config=settings,
        )

    async with ear("one", 1111) as one, ear("two", 2222) as two, asyncio.timeout(20):
        one.add(torrents[0])
        one.add(torrents[1])
        two.add(torrents[2])
        two.add(torrents[1])
        assert {await heard.get(), await heard.get()} == {
            ("one", torrents[1], Address(HOST, 2222)),
            ("two", torrents[1], Address(HOST, 1111)),
        }
    assert heard.empty()
    await one.aclose()


@pytest.mark.parametrize("private", [False, True])
async def test_sessions_find_each_other_unless_the_torrent_is_private(tmp_path: Path, private: bool) -> None:
    """A public torrent that is added last is found, so all that would have been said of the private one has been."""
    shared = make_shared(tmp_path / "seed", private=private)
    public = make_shared(tmp_path / "seed", name="public.bin")
    settings = SessionConfig(local_discovery=config())
    async with (
        Session(tmp_path / "leech", host=HOST, config=settings, local_discovery=True) as leech,
        Session(tmp_path / "seed", host=HOST, config=settings, local_discovery=True) as seed,
    ):
        assert leech.local_discovery_error is seed.local_discovery_error is None
        wanting = await leech.add(shared)
        while not wanting.accepts_peers:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        giving = await seed.add(shared, seed_only=True)
        await giving.wait_complete()
        also_wanting = await leech.add(public)
        await seed.add(public, seed_only=True)
        async with asyncio.timeout(60):
            await also_wanting.wait_complete()
            if private:
                assert len(wanting.swarm.peers) == 0
            else:
                await wanting.wait_complete()
                assert wanting.swarm.peers.sources(seed.address) == PeerSource.LOCAL


async def test_a_session_without_multicast_says_so_and_goes_on(tmp_path: Path) -> None:
    settings = SessionConfig(local_discovery=LocalDiscoveryConfig(group=Address("127.0.0.7", 20_001)))
    async with Session(tmp_path, host=HOST, config=settings, local_discovery=True) as session:
        assert session.local_discovery_error is not None
        assert session.local_discovery_error.startswith("no peers are looked for in the local network: ")
        assert session.address.port

"""Private torrents (BEP 27): neither we nor they speak of them where a public torrent is spoken of at once."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from bittorrent import Metainfo, RateLimits, Session, SessionConfig, create_metainfo
from bittorrent.aio.sources.local_discovery import LocalDiscovery
from kademlia_core import MainlineNode
from tests.interop.clients import CLIENTS, Client
from tests.interop.content import MIB, digests, make_file, seed_of
from tests.interop.libtorrent_peer import LibtorrentPeer
from tests.interop.programs import wait_until
from transfer.address import Address

pytestmark = pytest.mark.interop

EAGER = SessionConfig(dht_first_interval_s=0.5)
CALLS_NOBODY = {"connection_speed": 0, "torrent_connect_boost": 0}
SLOWLY = RateLimits(local_download_bytes_per_s=1 << 16)


def make_torrent(where: Path, *, private: bool) -> Metainfo:
    path = where / ("private.bin" if private else "public.bin")
    return create_metainfo(make_file(path, 4 * MIB, seed=seed_of(path)), private=private)


@CLIENTS
async def test_only_the_public_torrent_is_spoken_of(client: Client, tmp_path: Path) -> None:
    """All three share both torrents. We know the seed and they know us; of a private torrent that is all."""
    torrents = [make_torrent(tmp_path / "seed", private=private) for private in (False, True)]
    public, private = (metainfo.info_hash.hex() for metainfo in torrents)
    called: set[tuple[str, int]] = set()

    def note_call(info_hash: bytes, peer: Address) -> None:
        called.add((info_hash.hex(), peer.port))

    async with (
        MainlineNode(host="127.0.0.1", bootstrap=()) as entry,
        MainlineNode(host="127.0.0.1", bootstrap=[entry.address]) as node,
        # aria2 would take ten seconds to call anybody, and two libtorrents that call each other both hang up.
        LibtorrentPeer(settings=CALLS_NOBODY if client is LibtorrentPeer else {}) as seed,
        client(dht=entry.address, local_discovery=True) as peer,
        LocalDiscovery(interface="127.0.0.1", port=1024, cookie="ear", on_peer=note_call) as ear,
        Session(tmp_path / "ours", host="127.0.0.1", dht=node, local_discovery=True, config=EAGER) as session,
    ):
        session.set_rate_limits(SLOWLY)  # or we have everything too soon, and leave the seed
        for metainfo in torrents:
            ear.add(metainfo.info_hash)  # it calls for both, and notes who answers
            await seed.add(tmp_path / "seed", metainfo, seed=True)
            torrent = await session.add(metainfo, peers=[seed.address])
            await peer.add(tmp_path / "theirs", metainfo)
            torrent.add_peers([peer.address])

        async def announced(info_hash: str) -> set[int]:
            async with entry.find_peers(bytes.fromhex(info_hash)) as lookup:
                return {found.port async for found in lookup}

        async def has_met_the_seed() -> bool:
            """Two that have everything hang up soon; the peer can have it all from the seed only, for we are slow."""
            ours = session.torrents[bytes.fromhex(public)].peers()
            has_all = any(stats.progress == 1.0 for stats in ours if stats.address != seed.address)
            return has_all or len(await peer.ports(public)) == 2

        async def is_spoken_of() -> bool:
            return (
                await has_met_the_seed()
                and {(public, session.address.port), (public, peer.address.port)} <= called
                and session.address.port in await announced(public)
            )

        await wait_until(is_spoken_of, what="the public torrent is spoken of everywhere", within_s=30)
        assert len(await peer.ports(private)) == 1, "they know us, and nobody else"
        assert {info_hash for info_hash, _ in called} == {public}
        assert await announced(private) == set()
        session.set_rate_limits(RateLimits())
        async with asyncio.timeout(60):
            for torrent in session.torrents.values():
                await torrent.wait_complete()
            await peer.wait_complete(private)
    assert digests(tmp_path / "theirs" / "private.bin") == digests(tmp_path / "seed" / "private.bin")

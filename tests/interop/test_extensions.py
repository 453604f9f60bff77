"""Extensions of the peer wire protocol, each shown to work with a program that this project did not write."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from bittorrent import Metainfo, RateLimits, Session, SessionConfig, TorrentState, create_metainfo
from bittorrent.dialling.peer_list import PeerSource
from bittorrent.swarm.config import SwarmConfig
from bittorrent.swarm.uploading.allowed_fast import allowed_fast_set
from bittorrent.swarm.uploading.choker import ChokerConfig
from tests.interop.aria2 import Aria2
from tests.interop.clients import CLIENTS, Client
from tests.interop.content import MIB, digests, make_file, seed_of
from tests.interop.libtorrent_peer import LibtorrentPeer
from tests.interop.programs import wait_until
from transfer.address import Address

pytestmark = pytest.mark.interop

PIECE = 1 << 18
# Two libtorrents that call each other at the same moment both hang up, and try again much later.
TWO_MINUTES_S = 150.0  # a peer is told of others once a minute, and not of one whose handshake is under way just then
CALLS_NOBODY = {"connection_speed": 0, "torrent_connect_boost": 0}
SLOWLY = RateLimits(local_download_bytes_per_s=1 << 16, local_upload_bytes_per_s=1 << 16)
ONE_SLOT = SwarmConfig(choker=ChokerConfig(slots=1, optimistic_slots=0, seed_turn_s=600.0))


def make_shared(where: Path, *, size: int = 16 * MIB) -> Metainfo:
    path = make_file(where / "shared.bin", size, seed=seed_of(where))
    return create_metainfo(path, piece_length=PIECE)


# Fast extension (BEP 6)


async def test_libtorrent_gives_us_pieces_while_it_chokes_us(tmp_path: Path) -> None:
    metainfo = make_shared(tmp_path / "theirs")
    async with (
        LibtorrentPeer(settings={"unchoke_slots_limit": 0, "allowed_fast_set_size": 7}) as libtorrent,
        Session(tmp_path / "ours", host="127.0.0.1") as session,
    ):
        await libtorrent.do("limit_local_peers")
        await libtorrent.add(tmp_path / "theirs", metainfo, seed=True)
        torrent = await session.add(metainfo, peers=[libtorrent.address])

        async def has_seven() -> bool:
            return torrent.statistics().done_pieces == 7

        await wait_until(has_seven, what="the seven allowed pieces")
        (peer,) = torrent.swarm.core.peers.values()
        assert peer.core.is_fast
        assert peer.core.is_choked
        assert len(peer.core.remote_peer.allowed_fast) == 7
        picker = torrent.swarm.core.picker
        assert picker is not None
        assert not picker.requested_from(peer.number)  # so nothing else can come
        assert torrent.statistics().downloaded_bytes == 7 * PIECE


async def test_aria2_allows_us_the_pieces_that_we_would_allow(tmp_path: Path) -> None:
    """It unchokes whoever is interested before anything can be asked for, so nothing more can be seen."""
    metainfo = make_shared(tmp_path / "theirs")
    async with Aria2() as aria2, Session(tmp_path / "ours", host="127.0.0.1") as session:
        session.set_rate_limits(SLOWLY)  # or it is over before one can look
        await aria2.add(tmp_path / "theirs", metainfo, seed=True)
        torrent = await session.add(metainfo, peers=[aria2.address])

        async def has_begun() -> bool:
            return torrent.statistics().downloaded_bytes > 0

        await wait_until(has_begun, what="the first block")
        (peer,) = torrent.swarm.core.peers.values()
        assert peer.core.is_fast
        ours = allowed_fast_set(metainfo.info_hash, "127.0.0.1", piece_count=metainfo.piece_count, count=10)
        assert set(peer.core.remote_peer.allowed_fast) == set(ours)


@CLIENTS
async def test_they_take_pieces_while_we_choke_them(client: Client, tmp_path: Path) -> None:
    metainfo = make_shared(tmp_path / "ours")
    config = SessionConfig(swarm=ONE_SLOT)
    async with Session(tmp_path / "ours", host="127.0.0.1", config=config) as session, client() as peer:
        torrent = await session.add(metainfo, seed_only=True)
        await torrent.wait_complete()
        _, writer = await interested_peer(metainfo, session.address)  # takes the only slot

        async def is_taken() -> bool:
            return any(not peer.core.am_choking for peer in torrent.swarm.core.peers.values())

        await wait_until(is_taken, what="the slot is taken")
        info_hash = await peer.add(tmp_path / "theirs", metainfo)
        torrent.add_peers([peer.address])

        async def has_ten() -> bool:
            return len(await peer.pieces(info_hash)) == 10

        await wait_until(has_ten, what="the ten allowed pieces")
        given_to = torrent.swarm.core.peers.values()
        assert [len(peer.core.upload_queue) for peer in given_to] == [0, 0]  # so nothing else is on its way
        assert torrent.statistics().uploaded_bytes == 10 * PIECE
        writer.close()  # the slot is free, and the rest follows
        await peer.wait_complete(info_hash)
        assert torrent.statistics().uploaded_bytes == metainfo.total_bytes
    assert digests(tmp_path / "theirs" / metainfo.name) == digests(tmp_path / "ours" / metainfo.name)


async def interested_peer(metainfo: Metainfo, address: Address) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Somebody without extensions who wants something, and never asks for it."""
    reader, writer = await asyncio.open_connection(*address)
    writer.write(b"\x13BitTorrent protocol" + bytes(8) + metainfo.info_hash + b"-XX0000-takes-a-slot")
    await reader.readexactly(68)  # aria2 hangs up on who says more before it has answered
    writer.write(b"\0\0\0\1\2")
    return reader, writer


# Super-seeding (BEP 16)


@pytest.mark.timeout(300)
@CLIENTS
async def test_two_of_them_share_what_a_super_seed_gives_each_once(client: Client, tmp_path: Path) -> None:
    """The other one is libtorrent: aria2 would take ten seconds to call it."""
    metainfo = make_shared(tmp_path / "ours")
    async with (
        Session(tmp_path / "ours", host="127.0.0.1") as session,
        client() as one,
        LibtorrentPeer(settings=CALLS_NOBODY if client is LibtorrentPeer else {}) as two,
    ):
        info_hash = await one.add(tmp_path / "0", metainfo)
        await two.add(tmp_path / "1", metainfo)
        torrent = await session.add(metainfo, seed_only=True, super_seed=True, peers=[one.address, two.address])
        await one.wait_complete(info_hash, within_s=TWO_MINUTES_S)  # we tell them of each other
        await two.wait_complete(info_hash)
        assert metainfo.total_bytes <= torrent.statistics().uploaded_bytes <= 1.5 * metainfo.total_bytes
    for number in (0, 1):
        assert digests(tmp_path / f"{number}" / metainfo.name) == digests(tmp_path / "ours" / metainfo.name)


async def test_two_of_us_share_what_libtorrent_gives_each_once(tmp_path: Path) -> None:
    metainfo = make_shared(tmp_path / "theirs")
    async with (
        LibtorrentPeer() as libtorrent,
        Session(tmp_path / "0", host="127.0.0.1") as one,
        Session(tmp_path / "1", host="127.0.0.1") as two,
    ):
        info_hash = await libtorrent.add(tmp_path / "theirs", metainfo, seed=True, super_seeding=True)
        torrents = [
            await one.add(metainfo, peers=[libtorrent.address]),
            await two.add(metainfo, peers=[libtorrent.address, one.address]),
        ]
        async with asyncio.timeout(60):
            for torrent in torrents:
                await torrent.wait_complete()

        async def has_counted() -> bool:
            uploaded_bytes: int = (await libtorrent.status(info_hash))["uploaded_bytes"]
            assert uploaded_bytes <= 1.5 * metainfo.total_bytes
            return uploaded_bytes >= metainfo.total_bytes

        await wait_until(has_counted, what="libtorrent has counted what it sent", within_s=5)
    for number in (0, 1):
        assert digests(tmp_path / f"{number}" / metainfo.name) == digests(tmp_path / "theirs" / metainfo.name)


# Exchange of peers (BEP 11)


@pytest.mark.timeout(300)
@CLIENTS
async def test_we_tell_them_about_a_third_peer_and_they_tell_us(client: Client, tmp_path: Path) -> None:
    """The seed has an address of its own, and calls nobody: aria2 speaks only of peers that it called itself, and that
    have another address than the listener."""
    metainfo = make_shared(tmp_path / "seed")
    async with (
        LibtorrentPeer(host="127.0.0.2", settings={**CALLS_NOBODY, "upload_rate_limit": 100_000}) as seed,
        client() as middle,
        Session(tmp_path / "leech", host="127.0.0.1") as leech,
    ):
        await seed.do("limit_local_peers")  # or they have everything too soon, and leave it
        info_hash = await seed.add(tmp_path / "seed", metainfo, seed=True)
        await middle.add(tmp_path / "middle", metainfo)
        async with Session(tmp_path / "ours", host="127.0.0.1") as session:
            await session.add(metainfo, peers=[seed.address, middle.address])

            async def knows_the_seed() -> bool:
                return seed.address.port in await middle.ports(info_hash)

            await wait_until(knows_the_seed, what="the two others have met", within_s=TWO_MINUTES_S)
        torrent = await leech.add(metainfo, peers=[middle.address])

        async def have_met_it() -> bool:
            return seed.address in [peer.address for peer in torrent.peers()]

        await wait_until(have_met_it, what="we have met the seed", within_s=TWO_MINUTES_S)
        assert torrent.swarm.peers.sources(seed.address) == PeerSource.PEX


# Local discovery (BEP 14)


@pytest.mark.parametrize("we_seed", [True, False], ids=["from us", "from them"])
@CLIENTS
async def test_they_and_we_find_each_other_in_the_local_network(client: Client, we_seed: bool, tmp_path: Path) -> None:
    metainfo = make_shared(tmp_path / "seed", size=2 * MIB)
    ours, theirs = (tmp_path / "seed", tmp_path / "leech") if we_seed else (tmp_path / "leech", tmp_path / "seed")
    async with (
        client(local_discovery=True) as peer,
        Session(ours, host="127.0.0.1", local_discovery=True) as session,
    ):
        assert session.local_discovery_error is None
        torrent = await session.add(metainfo, seed_only=we_seed)

        async def is_announced() -> bool:
            return torrent.state is not TorrentState.CHECKING

        await wait_until(is_announced, what="our files are checked")
        info_hash = await peer.add(theirs, metainfo, seed=not we_seed)
        async with asyncio.timeout(60):
            await torrent.wait_complete()
        await peer.wait_complete(info_hash)
    assert digests(tmp_path / "leech" / metainfo.name) == digests(tmp_path / "seed" / metainfo.name)

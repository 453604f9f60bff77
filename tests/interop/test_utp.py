"""uTP with programs that this project did not write, over lines that lose and reorder datagrams."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from bittorrent import DialPath, Metainfo, PathConfig, RateLimits, Session, SessionConfig, Torrent, create_metainfo
from kademlia_core import MainlineNode
from tests.interop.content import MIB, digests, make_file
from tests.interop.kad import ANY, Kad, run
from tests.interop.libtorrent_peer import LibtorrentPeer
from tests.interop.programs import wait_until
from tests.interop.transmission import Transmission
from tests.interop.udp_relay import UdpRelay
from tests.machine import is_long

pytestmark = pytest.mark.interop

TCP, UTP = DialPath(transport="tcp"), DialPath(transport="utp")
ONLY_UTP = SessionConfig(paths=PathConfig(paths=(UTP,)))
SPEAKS_UTP = {"enable_outgoing_utp": True, "enable_incoming_utp": True}
SPEAKS_ONLY_UTP = {**SPEAKS_UTP, "enable_outgoing_tcp": False, "enable_incoming_tcp": False}
IS_PATIENT = {"utp_num_resends": 20}
"""What leaves three times makes libtorrent forget a connection, and tell nobody: over the worst line that happens
now and then, and whoever fetches, itself as well, has to find out by the silence, for a minute and a half each time."""
SLOW = RateLimits(local_download_bytes_per_s=256 << 10, local_upload_bytes_per_s=256 << 10)
"""Until a connection has been seen: two that have all of it hang up, which may be between two looks."""
LINES = pytest.mark.parametrize(
    ("loss", "reordered"), [(0.0, 0.0), (0.01, 0.01), (0.05, 0.05)], ids=["clean", "1 %", "5 %"]
)


def size_for(loss: float) -> int:
    """128 MiB under `tox -e long`."""
    return 128 * MIB if is_long() else MIB if loss > 0.02 else 3 * MIB


def make_shared(where: Path, size: int) -> Metainfo:
    return create_metainfo(make_file(where / "shared.bin", size))


def transports(torrent: Torrent) -> list[str]:
    return [peer.transport for peer in torrent.peers()]


async def watch(torrent: Torrent) -> set[str]:
    """What carried the connections of a torrent until it was complete."""
    seen: set[str] = set()

    async def look() -> None:
        async with torrent.events() as events:
            async for _ in events:  # of each peer that comes, and of each piece
                seen.update(transports(torrent))

    looking = asyncio.create_task(look())
    try:
        await torrent.wait_complete()
    finally:
        looking.cancel()
        await asyncio.wait([looking])
    return seen


@pytest.mark.timeout(900)
@LINES
async def test_we_download_from_a_libtorrent_that_speaks_only_utp(
    tmp_path: Path, loss: float, reordered: float
) -> None:
    metainfo = make_shared(tmp_path / "theirs", size_for(loss))
    async with (
        LibtorrentPeer(  # it does not call: that would go past the relay
            settings={**SPEAKS_ONLY_UTP, **IS_PATIENT, "enable_outgoing_utp": False}
        ) as libtorrent,
        UdpRelay(libtorrent.address, loss=loss, reordered=reordered) as relay,
        Session(tmp_path / "ours", host="127.0.0.1", config=ONLY_UTP) as session,
    ):
        await libtorrent.add(tmp_path / "theirs", metainfo, seed=True)
        torrent = await session.add(metainfo, peers=[relay.address])
        async with asyncio.timeout(800):
            assert await watch(torrent) == {"utp"}
        await torrent.wait_complete()
        counts = await relay.counts()
        stats = torrent.statistics()
    assert digests(tmp_path / "ours" / metainfo.name) == digests(tmp_path / "theirs" / metainfo.name)
    assert stats.failed_pieces == 0
    check_line(counts, loss, reordered)


@pytest.mark.timeout(900)
@LINES
async def test_a_libtorrent_that_speaks_only_utp_calls_us_and_downloads(
    tmp_path: Path, loss: float, reordered: float
) -> None:
    metainfo = make_shared(tmp_path / "ours", size_for(loss))
    async with (
        Session(tmp_path / "ours", host="127.0.0.1") as session,
        UdpRelay(session.address, loss=loss, reordered=reordered) as relay,
        LibtorrentPeer(settings=SPEAKS_ONLY_UTP) as libtorrent,
    ):
        torrent = await session.add(metainfo, seed_only=True)
        await torrent.wait_complete()
        info_hash = await libtorrent.add(tmp_path / "theirs", metainfo)
        session.set_rate_limits(SLOW)
        await libtorrent.connect(info_hash, relay.address)
        await wait_until(has_peer(torrent), what="libtorrent is connected")
        assert transports(torrent) == ["utp"]
        assert not torrent.peers()[0].is_dialled
        session.set_rate_limits(RateLimits())
        await libtorrent.wait_complete(info_hash, within_s=800)
        counts = await relay.counts()
        failed_bytes = (await libtorrent.status(info_hash))["failed_bytes"]
    assert digests(tmp_path / "theirs" / metainfo.name) == digests(tmp_path / "ours" / metainfo.name)
    assert failed_bytes == 0
    check_line(counts, loss, reordered)


def check_line(counts: dict[str, int], loss: float, reordered: float) -> None:
    """The line was as bad as it was meant to be."""
    assert counts["came"] > 500
    assert counts["lost"] >= 0.5 * loss * counts["came"]
    assert counts["reordered"] >= 0.5 * reordered * counts["came"]


async def test_peers_that_speak_only_tcp_or_only_utp_are_both_met(tmp_path: Path) -> None:
    """One refuses TCP, the other one has no uTP: each is met over what it speaks, without being told which."""
    metainfo = make_shared(tmp_path / "theirs", 8 * MIB)
    async with (
        LibtorrentPeer() as over_tcp,
        LibtorrentPeer(settings=SPEAKS_ONLY_UTP) as over_utp,
        Session(tmp_path / "ours", host="127.0.0.1") as session,
    ):
        for libtorrent in (over_tcp, over_utp):
            await libtorrent.do("limit_upload", bytes_per_s=4 * MIB)
            await libtorrent.do("limit_local_peers")
            await libtorrent.add(tmp_path / "theirs", metainfo, seed=True)
        torrent = await session.add(metainfo, peers=[over_tcp.address, over_utp.address])
        async with asyncio.timeout(60):
            await wait_until(lambda: are(torrent, ["tcp", "utp"]), what="both are met", within_s=30)
            by_transport = {peer.transport: peer for peer in torrent.peers()}
            await torrent.wait_complete()
        sources = {source.address for source in torrent.statistics().sources}
    assert by_transport["tcp"].address == over_tcp.address
    assert by_transport["utp"].address == over_utp.address
    assert all(peer.is_dialled for peer in by_transport.values())
    assert sources == {over_tcp.address, over_utp.address}
    assert digests(tmp_path / "ours" / metainfo.name) == digests(tmp_path / "theirs" / metainfo.name)


async def test_a_peer_that_speaks_both_is_met_over_tcp(tmp_path: Path) -> None:
    metainfo = make_shared(tmp_path / "theirs", MIB)
    async with (
        LibtorrentPeer(settings=SPEAKS_UTP) as libtorrent,
        Session(tmp_path / "ours", host="127.0.0.1") as session,
    ):
        await libtorrent.add(tmp_path / "theirs", metainfo, seed=True)
        torrent = await session.add(metainfo, peers=[libtorrent.address])
        async with asyncio.timeout(60):
            assert await watch(torrent) == {"tcp"}


async def test_a_libtorrent_that_prefers_utp_calls_us_over_it(tmp_path: Path) -> None:
    """It speaks both, and tries uTP first, as deployed clients do."""
    metainfo = make_shared(tmp_path / "ours", MIB)
    async with (
        Session(tmp_path / "ours", host="127.0.0.1") as session,
        LibtorrentPeer(settings=SPEAKS_UTP) as libtorrent,
    ):
        torrent = await session.add(metainfo, seed_only=True)
        await torrent.wait_complete()
        info_hash = await libtorrent.add(tmp_path / "theirs", metainfo)
        session.set_rate_limits(SLOW)
        await libtorrent.connect(info_hash, session.address)
        await wait_until(has_peer(torrent), what="libtorrent is connected")
        assert transports(torrent) == ["utp"]
        session.set_rate_limits(RateLimits())
        await libtorrent.wait_complete(info_hash)
    assert digests(tmp_path / "theirs" / metainfo.name) == digests(tmp_path / "ours" / metainfo.name)


async def test_the_dht_and_utp_share_a_port_with_libtorrent(tmp_path: Path) -> None:
    """It finds us through the DHT and fetches over uTP: both on our one UDP port, and on its."""
    metainfo = make_shared(tmp_path / "ours", 4 * MIB)
    async with (
        MainlineNode(host="127.0.0.1", bootstrap=()) as entry,
        MainlineNode(host="127.0.0.1", bootstrap=[entry.address]) as node,
        Session(
            tmp_path / "ours",
            host="127.0.0.1",
            port=node.address.port,
            dht=node,
            config=SessionConfig(dht_first_interval_s=0.5),
        ) as session,
        LibtorrentPeer(dht=True, settings=SPEAKS_ONLY_UTP) as libtorrent,
    ):
        assert session.datagrams == node.datagrams
        torrent = await session.add(metainfo, seed_only=True)
        await torrent.wait_complete()
        await libtorrent.do("limit_download", bytes_per_s=2 * MIB)
        await libtorrent.do("limit_local_peers")
        await libtorrent.do("add_dht_node", host=entry.address.host, port=entry.address.port)
        info_hash = await libtorrent.add(tmp_path / "theirs", metainfo)
        async with asyncio.timeout(60):
            while not torrent.peers():
                await libtorrent.do("force_announce", info_hash=info_hash)
                await asyncio.sleep(0.5)
        assert set(transports(torrent)) == {"utp"}
        await libtorrent.wait_complete(info_hash)
        queries = node.statistics().queries_received
    assert digests(tmp_path / "theirs" / metainfo.name) == digests(tmp_path / "ours" / metainfo.name)
    assert queries > 0


async def test_kad_get_and_kad_seed_speak_utp(tmp_path: Path) -> None:
    metainfo = make_shared(tmp_path / "theirs", 2 * MIB)
    torrent_file = tmp_path / "shared.torrent"
    torrent_file.write_bytes(metainfo.to_bytes())
    async with LibtorrentPeer(settings=SPEAKS_ONLY_UTP) as libtorrent:
        await libtorrent.add(tmp_path / "theirs", metainfo, seed=True)
        get = ("get", torrent_file, "--no-dht", "--listen", ANY, "--peer", libtorrent.address)
        refused = await run(*get, "-o", tmp_path / "tcp only", "--no-utp", "--give-up-after", 1)
        finished = await run(*get, "-o", tmp_path / "ours", "--utp", "--limit-down", "2M")
    assert refused.exit_code == 1
    assert finished.done["bytes"] == metainfo.total_bytes
    assert {peer["transport"] for event in finished.events if event["event"] == "peers" for peer in event["peers"]} == {
        "utp"
    }
    assert digests(tmp_path / "ours" / metainfo.name) == digests(tmp_path / "theirs" / metainfo.name)
    async with (
        Kad("seed", torrent_file, "-d", tmp_path / "ours", "--no-dht", "--listen", ANY) as seed,
        LibtorrentPeer(settings=SPEAKS_ONLY_UTP) as leech,
    ):
        address = (await seed.wait_event("seeding"))["address"]
        info_hash = await leech.add(tmp_path / "copy", metainfo)
        host, port = address.rsplit(":", 1)
        await leech.do("connect", info_hash=info_hash, host=host, port=int(port))
        await leech.wait_complete(info_hash)
    assert digests(tmp_path / "copy" / metainfo.name) == digests(tmp_path / "theirs" / metainfo.name)


async def test_transmission_over_utp_both_ways(tmp_path: Path) -> None:
    """We call it over uTP only, once for a torrent that it has and once for one that it wants."""
    theirs, ours = make_shared(tmp_path / "theirs", 2 * MIB), make_shared(tmp_path / "ours", 2 * MIB + 1)
    async with (
        Transmission(utp=True) as transmission,
        Session(tmp_path / "from them", host="127.0.0.1", config=ONLY_UTP) as session,
    ):
        offered = await session.add(ours, download_dir=tmp_path / "ours", seed_only=True)
        await offered.wait_complete()
        info_hash = await transmission.add(tmp_path / "from us", ours)
        await transmission.add(tmp_path / "theirs", theirs, seed=True)
        wanted = await session.add(theirs)
        session.set_rate_limits(SLOW)
        for torrent in (offered, wanted):  # it takes one handshake of a host at a time
            torrent.add_peers([transmission.address])
            await wait_until(has_peer(torrent), what="Transmission is connected")
            assert transports(torrent) == ["utp"]
        session.set_rate_limits(RateLimits())
        async with asyncio.timeout(100):
            await wanted.wait_complete()
        await transmission.wait_complete(info_hash)
    for metainfo, where, whence in ((theirs, "from them", "theirs"), (ours, "from us", "ours")):
        assert digests(tmp_path / where / metainfo.name) == digests(tmp_path / whence / metainfo.name)


def has_peer(torrent: Torrent) -> Any:
    async def is_connected() -> bool:
        return bool(torrent.peers())

    return is_connected


async def are(torrent: Torrent, expected: list[str]) -> bool:
    return sorted(transports(torrent)) == expected

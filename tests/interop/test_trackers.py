"""Our announcements against opentracker, over HTTP and UDP."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from random import Random

import pytest

from bittorrent.aio.sources.tracker import TrackerAnnouncer, TrackerClient, TrackerConfig, TransferTotals
from bittorrent.errors import TrackerError
from bittorrent.tracker.messages import AnnounceEvent, AnnounceRequest, AnnounceResponse
from bittorrent.tracker.scrape import ScrapeStats
from kademlia_core import MainlineNode
from tests.interop.libtorrent_peer import LibtorrentPeer
from tests.interop.opentracker import OpenTracker
from transfer.address import Address
from transfer.aio.datagram_port import DatagramPort

pytestmark = pytest.mark.interop

INFO_HASH = bytes(range(0xEC, 0x100))  # bytes that must be escaped in a URL
OTHER_HASH = b"\x00 &=%+?/#\x7f" * 2
SCHEMES = pytest.mark.parametrize("scheme", ["http", "udp"])


def request(port: int, event: AnnounceEvent = AnnounceEvent.NONE, *, left: int = 100) -> AnnounceRequest:
    return AnnounceRequest(
        info_hash=INFO_HASH, peer_id=b"-KC0100-%012d" % port, port=port, left=left, event=event, key=port
    )


@SCHEMES
async def test_two_peers_see_each_other_until_one_stops(scheme: str) -> None:
    one, two = Address("127.0.0.1", 7001), Address("127.0.0.1", 7002)
    async with OpenTracker([INFO_HASH, OTHER_HASH]) as tracker:
        url = f"{scheme}://{tracker.address}/announce"
        client = TrackerClient(rng=Random(1))

        async def announce(port: int, event: AnnounceEvent, *, left: int = 100) -> AnnounceResponse:
            return await client.announce(url, request(port, event, left=left))

        try:
            first = await announce(7001, AnnounceEvent.STARTED)
            second = await announce(7002, AnnounceEvent.STARTED, left=0)
            assert one not in second.peers or two in second.peers
            again = await announce(7001, AnnounceEvent.NONE)
            assert two in again.peers
            assert (again.seeders, again.leechers) == (1, 1)
            assert 60 <= first.interval_s <= 7200
            done = await announce(7001, AnnounceEvent.COMPLETED, left=0)
            assert (done.seeders, done.leechers) == (2, 0)
            await announce(7002, AnnounceEvent.STOPPED, left=0)
            after = await announce(7001, AnnounceEvent.NONE, left=0)
            assert two not in after.peers
            assert after.seeders == 1
            stranger = await client.announce(
                url, AnnounceRequest(info_hash=OTHER_HASH, peer_id=b"-KC0100-000000000000", port=7003, left=1)
            )
            assert not {one, two} & set(stranger.peers), "another torrent has other peers"
        finally:
            await client.aclose()


@SCHEMES
async def test_numbers_without_joining(scheme: str) -> None:
    async with OpenTracker([INFO_HASH, OTHER_HASH]) as tracker:
        url = f"{scheme}://{tracker.address}/announce"
        client = TrackerClient(rng=Random(1))
        try:
            await client.announce(url, request(7001, AnnounceEvent.STARTED))
            await client.announce(url, request(7002, AnnounceEvent.STARTED, left=0))
            await client.announce(url, request(7003, AnnounceEvent.STARTED))
            await client.announce(url, request(7003, AnnounceEvent.COMPLETED, left=0))
            found = await client.scrape(url, [INFO_HASH, OTHER_HASH])
            assert found[INFO_HASH] == ScrapeStats(seeders=2, leechers=1, downloads=1)
            assert found.get(OTHER_HASH) in (None, ScrapeStats(seeders=0, leechers=0, downloads=0))
        finally:
            await client.aclose()


async def test_a_refusal_over_http_says_why() -> None:
    async with OpenTracker([OTHER_HASH]) as tracker:
        client = TrackerClient(rng=Random(1))
        try:
            with pytest.raises(TrackerError, match=r"refused: .*not authorized") as caught:
                await client.announce(tracker.http_url, request(7001))
            assert caught.value.failure_reason
            assert str(caught.value).startswith(f"http://{tracker.address}: ")
        finally:
            await client.aclose()


async def test_over_udp_opentracker_refuses_by_silence() -> None:
    async with OpenTracker([OTHER_HASH]) as tracker:
        client = TrackerClient(config=TrackerConfig(announce_timeout_s=0.5, connect_timeout_s=0.5), rng=Random(1))
        try:
            with pytest.raises(TrackerError, match="did not answer in time"):
                await client.announce(tracker.udp_url, request(7001))
        finally:
            await client.aclose()


@SCHEMES
async def test_announcers_find_each_other_and_say_goodbye(scheme: str) -> None:
    found: list[Address] = []
    is_found = asyncio.Event()

    def on_peers(addresses: Sequence[Address]) -> None:
        found.extend(addresses)
        if Address("127.0.0.1", 7001) in found:
            is_found.set()

    async with OpenTracker([INFO_HASH]) as tracker:
        tiers = [[f"{scheme}://{tracker.address}/announce"]]
        client = TrackerClient(rng=Random(1))

        def announcer(port: int) -> TrackerAnnouncer:
            return TrackerAnnouncer(
                tiers,
                client,
                info_hash=INFO_HASH,
                peer_id=b"-KC0100-%012d" % port,
                port=port,
                totals=lambda: TransferTotals(uploaded=0, downloaded=0, left=5),
                on_peers=on_peers,
                rng=Random(port),
            )

        seed, leech = announcer(7001), announcer(7002)
        try:
            seed.start()
            async with asyncio.timeout(20):
                await seed.wait_announced()
            leech.start()
            async with asyncio.timeout(20):
                await is_found.wait()
            await seed.aclose()
            left = await client.announce(tiers[0][0], request(7003))
            assert Address("127.0.0.1", 7001) not in left.peers
            assert Address("127.0.0.1", 7002) in left.peers
        finally:
            await leech.aclose()
            await seed.aclose()
            await client.aclose()


async def test_a_dht_node_and_a_tracker_client_live_on_one_udp_port() -> None:
    """opentracker and libtorrent's DHT at the other end: each is heard by whom it means, and by nobody else."""
    async with (
        OpenTracker([INFO_HASH]) as tracker,
        LibtorrentPeer(dht=True) as libtorrent,
        await DatagramPort.bind(Address("127.0.0.1", 0)) as port,
        MainlineNode(datagrams=port, bootstrap=[libtorrent.address]) as node,
    ):
        client = TrackerClient(rng=Random(1), datagrams=[port])
        try:
            async with asyncio.timeout(30):
                await client.announce(tracker.udp_url, request(7001, AnnounceEvent.STARTED))
                again, contact = await asyncio.gather(
                    client.announce(tracker.udp_url, request(7002, AnnounceEvent.STARTED)),
                    node.ping(libtorrent.address),
                )
                found = await client.scrape(tracker.udp_url, [INFO_HASH])
        finally:
            await client.aclose()
        assert Address("127.0.0.1", 7001) in again.peers
        assert contact.address == libtorrent.address
        assert found[INFO_HASH].leechers == 2
        assert node.statistics().dropped_garbage == 0
        assert port.statistics().unclaimed == 0

"""The mainline DHT against libtorrent's: both join one network through a node of ours and find each other's peers."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from kademlia_core import Key, LookupConfig, MainlineConfig, MainlineNode
from tests.interop.libtorrent_peer import LibtorrentPeer
from tests.interop.programs import wait_until
from transfer.address import Address

pytestmark = pytest.mark.interop

INFO_HASH = bytes(range(100, 120))
# Everybody here answers within milliseconds, so the tests need not wait for what a lost datagram would take.
CONFIG = MainlineConfig(lookup=LookupConfig(short_timeout_s=0.3), query_timeout_s=2.0)


@pytest.fixture
async def bootstrap() -> AsyncIterator[MainlineNode]:
    async with MainlineNode(host="127.0.0.1", bootstrap=(), config=CONFIG) as node:
        yield node


@pytest.fixture
async def ours(bootstrap: MainlineNode) -> AsyncIterator[MainlineNode]:
    async with MainlineNode(host="127.0.0.1", bootstrap=[bootstrap.address], config=CONFIG) as node:
        await node.wait_joined()
        yield node


@pytest.fixture
async def foreign(bootstrap: MainlineNode) -> AsyncIterator[LibtorrentPeer]:
    async with LibtorrentPeer(dht=True) as peer:
        await peer.do("add_dht_node", host=bootstrap.address.host, port=bootstrap.address.port)

        async def has_joined() -> bool:
            return int((await peer.do("dht_stats"))["nodes"]) > 0

        await wait_until(has_joined, what="libtorrent has our bootstrap node in its table")
        yield peer


async def test_libtorrent_answers_our_ping_and_our_find_node(ours: MainlineNode, foreign: LibtorrentPeer) -> None:
    contact = await ours.ping(foreign.address)
    assert contact.address == foreign.address

    assert contact in await ours.find_node(contact.key)


async def test_our_answers_let_libtorrent_into_the_network(bootstrap: MainlineNode, foreign: LibtorrentPeer) -> None:
    # It has us in its table (the fixture waits for that), so it took our answers; we took its in turn.
    async def is_known() -> bool:
        return foreign.address in [contact.address for contact in await bootstrap.find_node(Key(0, 160))]

    await wait_until(is_known, what="our bootstrap node knows libtorrent")
    statistics = bootstrap.statistics()
    assert statistics.queries_received > 0
    assert statistics.dropped_garbage == 0
    assert statistics.errors_received == 0


async def test_we_find_what_libtorrent_announces(
    bootstrap: MainlineNode, ours: MainlineNode, foreign: LibtorrentPeer
) -> None:
    async def is_stored() -> bool:
        await foreign.do("dht_announce", info_hash=INFO_HASH.hex(), port=7001)
        return bootstrap.statistics().stored_peers > 0

    await wait_until(is_stored, what="libtorrent announced to our bootstrap node")
    async with ours.find_peers(INFO_HASH) as lookup:
        found = [peer async for peer in lookup]
        assert found == [Address("127.0.0.1", 7001)]
        assert lookup.statistics().responses >= 2


async def test_libtorrent_finds_what_we_announce(ours: MainlineNode, foreign: LibtorrentPeer) -> None:
    report = await ours.announce(INFO_HASH, port=7002)
    assert report.accepted_by

    answer = await foreign.do("dht_get_peers", info_hash=INFO_HASH.hex())
    assert ["127.0.0.1", 7002] in answer["peers"]


async def test_libtorrent_keeps_our_announce_after_we_are_gone() -> None:
    # Nobody else is there, so libtorrent is both the way in and the only one that can know.
    async with LibtorrentPeer(dht=True) as foreign:
        async with MainlineNode(host="127.0.0.1", bootstrap=[foreign.address], config=CONFIG) as announcer:
            report = await announcer.announce(INFO_HASH, port=7003)
            assert [contact.address for contact in report.accepted_by] == [foreign.address]

        async with (
            MainlineNode(host="127.0.0.1", bootstrap=[foreign.address], config=CONFIG) as stranger,
            stranger.find_peers(INFO_HASH) as lookup,
        ):
            assert await anext(aiter(lookup)) == Address("127.0.0.1", 7003)


async def test_libtorrent_accepts_an_announce_with_implied_port(ours: MainlineNode, foreign: LibtorrentPeer) -> None:
    contact = await ours.ping(foreign.address)
    report = await ours.announce(INFO_HASH, port=1, implied_port=True)
    assert contact in report.accepted_by

    async with ours.find_peers(INFO_HASH) as lookup:
        assert [peer async for peer in lookup] == [ours.address]

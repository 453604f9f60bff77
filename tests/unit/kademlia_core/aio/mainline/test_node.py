from __future__ import annotations

import asyncio
import gc
import socket
import subprocess
import sys
import threading
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import replace
from random import Random
from typing import Any

import pytest

from kademlia_core import (
    PUBLIC_ROUTERS,
    BootstrapError,
    Contact,
    InvalidKeyError,
    Key,
    LookupConfig,
    LookupStats,
    MainlineConfig,
    MainlineNode,
    NoAnswerError,
    NodeClosedError,
)
from transfer.address import Address
from transfer.errors import LimitExceededError
from transfer.limits.source_limiter import RateLimitConfig

INFO_HASH = b"h" * 20
# Loopback answers within a millisecond: what is not there by then is not there.
FAST = MainlineConfig(
    lookup=LookupConfig(short_timeout_s=0.05), query_timeout_s=0.15, join_retry_s=0.1, upkeep_interval_s=0.05
)


@pytest.fixture
async def silent() -> AsyncIterator[Address]:
    """An address that takes datagrams and never answers."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        yield Address.from_socket(taken.getsockname())


@pytest.fixture
async def nodes() -> AsyncIterator[list[MainlineNode]]:
    """Twelve nodes that came in through the first, and the proof that none of them leaves anything behind."""
    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(MainlineNode(host="127.0.0.1", bootstrap=(), config=FAST))
        others = [MainlineNode(host="127.0.0.1", bootstrap=[first.address], config=FAST) for _ in range(11)]
        for node in others:
            await stack.enter_async_context(node)
        for node in others:
            await node.wait_joined()
        yield [first, *others]
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def peers_of(node: MainlineNode, info_hash: bytes = INFO_HASH) -> list[Address]:
    async with node.find_peers(info_hash) as lookup:
        return [peer async for peer in lookup]


async def test_announced_peers_are_found_once_each(nodes: list[MainlineNode]) -> None:
    for index, port in ((1, 7001), (2, 7002)):
        report = await nodes[index].announce(INFO_HASH, port=port)
        assert len(report.accepted_by) == 8
        assert report.lookup.responses >= 8
    assert sorted(await peers_of(nodes[9])) == [("127.0.0.1", 7001), ("127.0.0.1", 7002)]
    assert (await nodes[5].announce(INFO_HASH, port=7003)).peers != ()
    assert await peers_of(nodes[4], b"other" * 4) == []


async def test_statistics_of_a_lookup_and_a_node(nodes: list[MainlineNode]) -> None:
    lookup = nodes[3].find_peers(Key.from_bytes(INFO_HASH))
    assert lookup.statistics() == LookupStats()
    async with lookup:
        assert [peer async for peer in lookup] == []
    assert lookup.statistics().responses >= 8
    assert lookup.statistics().hops >= 1
    assert nodes[3].statistics().nodes >= 8
    assert nodes[3].statistics().dropped_garbage == 0


async def test_find_node_and_ping(nodes: list[MainlineNode]) -> None:
    contact = await nodes[4].ping(nodes[8].address)
    assert contact.key == nodes[8].node_id
    found = await nodes[2].find_node(nodes[8].node_id)
    assert found[0] == contact
    assert len(found) == 8


async def test_leaving_a_lookup_ends_it(nodes: list[MainlineNode], silent: Address) -> None:
    await nodes[1].announce(INFO_HASH, port=7001)
    async with nodes[6].find_peers(INFO_HASH) as lookup:
        assert await anext(lookup) == ("127.0.0.1", 7001)
    assert nodes[6].statistics().lookups == 0
    with pytest.raises(NodeClosedError):
        async with lookup:
            pass


async def test_cancelling_find_node_ends_its_search(silent: Address) -> None:
    async with MainlineNode(host="127.0.0.1", bootstrap=(), config=FAST) as node:
        async with MainlineNode(host="127.0.0.1", bootstrap=(), config=FAST) as other:
            await _until_known(node, other)
        task = asyncio.create_task(node.find_node(INFO_HASH))  # the only node it knows is gone
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert node.statistics().lookups == 1
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert node.statistics().lookups == 0


async def _until_known(node: MainlineNode, other: MainlineNode) -> None:
    """Each round trip from `other` leaves `node` time for its own question back, whose answer lets `other` in."""
    async with asyncio.timeout(5):
        while not node.statistics().nodes:
            await other.ping(node.address)


async def test_a_hint_lets_two_networks_meet() -> None:
    async with (
        MainlineNode(host="127.0.0.1", bootstrap=(), config=FAST) as one,
        MainlineNode(host="127.0.0.1", bootstrap=(), config=FAST) as two,
    ):
        one.add_node(two.address)
        await _until_known(two, one)
        await one.announce(INFO_HASH, port=7001)
        assert await peers_of(two) == [("127.0.0.1", 7001)]


async def test_ipv6_nodes_find_each_other() -> None:
    async with (
        MainlineNode(host="::1", bootstrap=(), config=FAST) as one,
        MainlineNode(host="::1", bootstrap=[one.address], config=FAST) as two,
        MainlineNode(host="::1", bootstrap=[one.address], config=FAST) as three,
    ):
        await two.announce(INFO_HASH, port=7001)
        assert await peers_of(three) == [("::1", 7001)]


async def test_names_are_resolved() -> None:
    async with (
        MainlineNode(host="127.0.0.1", bootstrap=(), config=FAST) as one,
        MainlineNode(host="127.0.0.1", bootstrap=[("localhost", one.address.port)], config=FAST) as two,
    ):
        await two.wait_joined()
        assert (await two.ping(("localhost", one.address.port))).key == one.node_id


async def test_dead_bootstrap_nodes_are_an_error_that_names_them(silent: Address) -> None:
    async with MainlineNode(host="127.0.0.1", bootstrap=[silent], config=FAST) as node, asyncio.timeout(5):
        for attempt in (node.wait_joined(), node.announce(INFO_HASH, port=1), peers_of(node)):
            with pytest.raises(BootstrapError, match=str(silent.port)) as caught:
                await attempt
            assert caught.value.addresses == (silent,)
            assert isinstance(caught.value, ConnectionError)


async def test_a_name_that_cannot_exist_fails_at_once() -> None:
    # An empty label is refused before any name server is asked.
    nowhere = ("no..where", 6881)
    async with MainlineNode(host="127.0.0.1", bootstrap=[nowhere]) as node, asyncio.timeout(2):
        with pytest.raises(BootstrapError, match=r"no\.\.where:6881"):
            await node.wait_joined()
        with pytest.raises(NoAnswerError, match=r"no\.\.where"):
            await node.ping(nowhere)
        node.add_node(nowhere)


@pytest.mark.parametrize("hangs", [False, True])
async def test_a_name_service_that_knows_nothing_or_hangs_is_an_error_soon(
    monkeypatch: pytest.MonkeyPatch, hangs: bool
) -> None:
    released = threading.Event()

    def fruitless(*_: object) -> list[object]:
        if hangs:
            released.wait(60)
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", fruitless)
    config = MainlineConfig(resolve_timeout_s=0.05)
    async with (
        MainlineNode(host="127.0.0.1", bootstrap=[("router.invalid", 6881)], config=config) as node,
        asyncio.timeout(2),
    ):
        with pytest.raises(BootstrapError, match=r"router\.invalid:6881"):
            await node.wait_joined()
    released.set()


async def test_joining_is_tried_again_when_the_network_comes_up(silent: Address) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        port = Address.from_socket(taken.getsockname()).port
    async with MainlineNode(host="127.0.0.1", bootstrap=[("127.0.0.1", port)], config=FAST) as early:
        with pytest.raises(BootstrapError):
            await early.wait_joined()
        async with MainlineNode(host="127.0.0.1", port=port, bootstrap=(), config=FAST) as late, asyncio.timeout(10):
            while not early.statistics().nodes:
                with pytest.raises(NoAnswerError):  # passes the time: a query time-out of this node's own clock
                    await early.ping(silent)
            await early.wait_joined()
            assert (await early.find_node(INFO_HASH))[0].key == late.node_id


async def test_garbage_floods_are_survived() -> None:
    config = MainlineConfig(rate_limit=RateLimitConfig(per_host_per_s=1000.0, per_host_burst=3000.0))
    rng = Random(1)
    async with MainlineNode(host="127.0.0.1", bootstrap=(), config=config) as node:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as attacker:
            for size in (0, 1, 40, 1400, 9000) * 200:
                attacker.sendto(rng.randbytes(size), node.address)
                if size == 40:
                    await asyncio.sleep(0)
        async with MainlineNode(host="127.0.0.1", bootstrap=[node.address], config=FAST) as other:
            await other.wait_joined()
            assert (await other.ping(node.address)).key == node.node_id
        statistics = node.statistics()
        assert statistics.dropped_garbage > 100
        assert statistics.dropped_foreign > 10  # over-long
        assert statistics.stored_peers == 0


async def test_closing_ends_everybody_who_waits(silent: Address) -> None:
    patient = MainlineConfig(query_timeout_s=100.0)
    before = asyncio.all_tasks()
    node = MainlineNode(host="127.0.0.1", bootstrap=[silent], config=patient)
    async with node:
        waiting = [
            asyncio.ensure_future(work)
            for work in (node.wait_joined(), node.ping(silent), node.announce(INFO_HASH, port=1), peers_of(node))
        ]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert not any(task.done() for task in waiting)
    results = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(result) for result in results] == [NodeClosedError] * 4
    assert asyncio.all_tasks() == before
    await node.aclose()
    for use in (lambda: node.statistics(), lambda: node.add_node(silent), lambda: node.node_id):
        with pytest.raises(NodeClosedError):
            use()
    with pytest.raises(NodeClosedError):
        await node.__aenter__()
    gc.collect()  # an unclosed transport would warn here, and warnings are errors


async def test_closing_ends_a_lookup_that_is_under_way(silent: Address) -> None:
    patient = MainlineConfig(query_timeout_s=100.0)
    async with MainlineNode(host="127.0.0.1", bootstrap=(), config=patient) as node:
        async with MainlineNode(host="127.0.0.1", bootstrap=(), config=FAST) as gone:
            await _until_known(node, gone)
        async with node.find_peers(INFO_HASH) as lookup:
            next_peer = asyncio.ensure_future(anext(lookup))
            await asyncio.sleep(0)
            await node.aclose()
            with pytest.raises(NodeClosedError):
                await next_peer


async def test_losing_the_only_socket_ends_everybody_who_waits(silent: Address) -> None:
    patient = MainlineConfig(query_timeout_s=100.0)
    async with MainlineNode(host="127.0.0.1", bootstrap=(), config=patient) as node:
        waiting = asyncio.ensure_future(node.ping(silent))
        await asyncio.sleep(0)
        (driver,) = node._networks.drivers
        assert driver._transport is not None
        driver._transport.abort()
        async with asyncio.timeout(20):
            with pytest.raises(NodeClosedError):
                await waiting


async def test_a_taken_port_is_the_usual_error(silent: Address) -> None:
    node = MainlineNode(host="127.0.0.1", port=silent.port, bootstrap=())
    with pytest.raises(OSError, match="in use"):
        await node.__aenter__()
    await node.aclose()


async def test_wrong_arguments_are_refused_at_once() -> None:
    async with MainlineNode(host="127.0.0.1", bootstrap=()) as node:
        for info_hash in (b"", b"short", Key(1, 8)):
            with pytest.raises((InvalidKeyError, ValueError)):
                node.find_peers(info_hash)
        for port in (0, 65536):
            with pytest.raises(ValueError, match="port"):
                await node.announce(INFO_HASH, port=port)
        lookup = node.find_peers(INFO_HASH)
        with pytest.raises(NodeClosedError, match="async with"):
            await anext(lookup)


async def test_a_given_node_id_and_rng_are_used() -> None:
    node_id = Key.random(160, Random(5))
    async with MainlineNode(host="127.0.0.1", bootstrap=(), node_id=node_id) as node:
        assert node.node_id == node_id
    async with MainlineNode(host="127.0.0.1", bootstrap=(), rng=Random(5)) as node:
        first = node.node_id
    async with MainlineNode(host="127.0.0.1", bootstrap=(), rng=Random(5)) as node:
        assert node.node_id == first


async def test_a_node_id_of_another_width_leaves_no_socket_behind() -> None:
    with pytest.raises(ValueError, match="160 bits"):
        await MainlineNode(host="127.0.0.1", bootstrap=(), node_id=Key(1, 8)).__aenter__()
    gc.collect()  # an unclosed transport would warn here, and warnings are errors


def test_public_routers_are_the_default_and_names() -> None:
    assert [router.port for router in PUBLIC_ROUTERS] == [6881, 6881, 6881, 25401]


def test_the_import_is_cheap() -> None:
    script = "import sys, kademlia_core; print(*sorted(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split()
    assert not {"asyncio", "aiohttp", "typer", "rich", "socket", "ssl", "bencodepy", "logging"} & set(loaded)


@pytest.mark.parametrize(
    "entry", ["127.0.0.1:6881", ("127.0.0.1", "6881"), ("127.0.0.1", 0), ("127.0.0.1", 65536), ("", 6881), 6881]
)
def test_a_bootstrap_entry_that_is_no_endpoint_is_refused_at_once(entry: Any) -> None:
    with pytest.raises(ValueError, match=r"bootstrap .*host, port"):
        MainlineNode(bootstrap=[entry])


async def test_text_in_the_place_of_an_info_hash_is_explained() -> None:
    async with MainlineNode(host="127.0.0.1", bootstrap=(), config=FAST) as node:
        with pytest.raises(TypeError, match=r"bytes\.fromhex"):
            node.find_peers("68" * 20)  # type: ignore[arg-type]


async def test_an_address_of_the_other_family_is_no_fault_of_the_node_there() -> None:
    async with MainlineNode(host="127.0.0.1", bootstrap=(), config=FAST) as node:
        with pytest.raises(NoAnswerError, match="no IPv4 address"):
            await node.ping(("::1", 6881))


@pytest.mark.ipv6
async def test_a_command_that_one_network_has_no_room_for_leaves_nothing_in_the_other() -> None:
    config = replace(FAST, max_lookups=1)
    async with MainlineNode(host=("127.0.0.1", "::1"), bootstrap=(), config=config) as node:
        await node.wait_joined()
        async with node.find_peers(INFO_HASH):
            first, second = (driver.core for driver in node._networks.drivers)
        second.table.on_response(Contact(Key(5, 160), Address("::1", 9)), now=node._networks.drivers[1].now)
        first.table.on_response(Contact(Key(5, 160), Address("127.0.0.1", 9)), now=node._networks.drivers[0].now)
        second.engine.find_node(Key(1, 160), now=node._networks.drivers[1].now)
        with pytest.raises(LimitExceededError):
            await node.find_node(Key(2, 160))
        assert [core.stats(now=0.0).lookups for core in (first, second)] == [0, 1]

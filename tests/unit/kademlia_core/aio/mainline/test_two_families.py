from __future__ import annotations

import asyncio

import pytest

from kademlia_core import BootstrapError, Key, LookupConfig, MainlineConfig, MainlineNode, NodeClosedError
from transfer.address import Address

pytestmark = pytest.mark.ipv6

INFO_HASH = b"h" * 20
BOTH = ("127.0.0.1", "::1")
FAST = MainlineConfig(
    lookup=LookupConfig(short_timeout_s=0.05), query_timeout_s=0.15, join_retry_s=0.1, upkeep_interval_s=0.05
)


async def peers_of(node: MainlineNode) -> set[Address]:
    async with node.find_peers(INFO_HASH) as lookup:
        return {peer async for peer in lookup}


async def test_a_node_of_both_networks_announces_in_both_and_merges_what_it_finds() -> None:
    async with (
        MainlineNode(host=BOTH, bootstrap=(), config=FAST) as hub,
        MainlineNode(host="127.0.0.1", bootstrap=[hub.addresses[0]], config=FAST) as four,
        MainlineNode(host="::1", bootstrap=[hub.addresses[1]], config=FAST) as six,
    ):
        assert [address.host for address in hub.addresses] == ["127.0.0.1", "::1"]
        await four.announce(INFO_HASH, port=4004)
        await six.announce(INFO_HASH, port=6006)
        assert await peers_of(hub) == {("127.0.0.1", 4004), ("::1", 6006)}
        report = await hub.announce(INFO_HASH, port=5005)
        assert {contact.key for contact in report.accepted_by} == {four.node_id, six.node_id}
        assert await peers_of(four) == {("127.0.0.1", 4004), ("127.0.0.1", 5005)}  # never the other family's
        assert await peers_of(six) == {("::1", 6006), ("::1", 5005)}
        assert {contact.key for contact in await hub.find_node(INFO_HASH)} == {four.node_id, six.node_id}
        assert hub.statistics().nodes == 2


async def test_a_lonely_family_is_helped_by_its_sibling() -> None:
    """BEP 32: the answers of IPv4 nodes name IPv6 nodes to whoever wants them."""
    async with (
        MainlineNode(host=BOTH, bootstrap=(), config=FAST) as hub,
        MainlineNode(host="::1", bootstrap=[hub.addresses[1]], config=FAST) as six,
    ):
        await six.wait_joined()
        async with MainlineNode(host=BOTH, bootstrap=[hub.addresses[0]], config=FAST) as node, asyncio.timeout(5):
            found: set[Key] = set()
            while not {hub.node_id, six.node_id} <= found:
                found = {contact.key for contact in await node.find_node(INFO_HASH)}


async def test_a_family_that_the_machine_lacks_is_left_out() -> None:
    async with MainlineNode(host=("127.0.0.1", "2001:db8::1"), bootstrap=(), config=FAST) as node:
        assert [address.host for address in node.addresses] == ["127.0.0.1"]
    with pytest.raises(OSError, match="assign requested address"):
        async with MainlineNode(host=("198.51.100.1", "2001:db8::1"), bootstrap=(), config=FAST):
            pytest.fail("it was bound")
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_joining_fails_only_when_both_networks_are_out_of_reach() -> None:
    async with (
        MainlineNode(host="127.0.0.1", bootstrap=(), config=FAST) as entry,
        MainlineNode(host=BOTH, bootstrap=[entry.address, ("::1", 9)], config=FAST) as node,
    ):
        await node.wait_joined()
    async with MainlineNode(host=BOTH, bootstrap=[("127.0.0.1", 9), ("::1", 9)], config=FAST) as node:
        with pytest.raises(BootstrapError):
            await node.wait_joined()
        waiting = asyncio.create_task(node.find_node(INFO_HASH))
        await asyncio.sleep(0)
    with pytest.raises((NodeClosedError, BootstrapError)):
        await waiting


@pytest.mark.parametrize("host", [(), ("127.0.0.1", "127.0.0.2"), ("::1", "::")])
def test_there_is_one_address_of_each_family_at_most(host: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="one address, or one of each family"):
        MainlineNode(host=host)

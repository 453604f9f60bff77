"""One network of eight libtorrent nodes and eight of ours on several addresses: what either says, either finds."""

from __future__ import annotations

import asyncio
import base64
import random
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass

import pytest

from kademlia_core import LookupConfig, MainlineConfig, MainlineNode, SigningKey
from tests.interop.libtorrent_peer import LibtorrentPeer
from tests.interop.programs import wait_until
from transfer.address import Address
from transfer.wire import bencode

pytestmark = pytest.mark.interop

EACH = 8
CONFIG = MainlineConfig(lookup=LookupConfig(short_timeout_s=0.5), query_timeout_s=3.0, upkeep_interval_s=0.5)


@dataclass(frozen=True, slots=True)
class MixedNetwork:
    """Ours are at 127.0.1.1 to 127.0.1.8, libtorrent's at 127.0.2.1 to 127.0.2.8."""

    ours: list[MainlineNode]
    foreign: list[LibtorrentPeer]


@pytest.fixture
async def network() -> AsyncIterator[MixedNetwork]:
    async with AsyncExitStack() as stack:
        rng = random.Random(1)
        first = MainlineNode(host="127.0.1.1", bootstrap=(), config=CONFIG)
        ours = [await stack.enter_async_context(first)]
        entry = str(first.address)
        peers = [
            LibtorrentPeer(host=f"127.0.2.{number}", dht=True, settings={"dht_bootstrap_nodes": entry})
            for number in range(1, EACH + 1)
        ]
        foreign = list(await asyncio.gather(*map(stack.enter_async_context, peers)))
        for number in range(2, EACH + 1):
            node = MainlineNode(host=f"127.0.1.{number}", bootstrap=[first.address], config=CONFIG)
            ours.append(await stack.enter_async_context(node))
            await node.wait_joined()

        async def is_complete() -> bool:
            await asyncio.gather(*(node.find_node(rng.randbytes(20)) for node in ours))
            counts = [int((await peer.do("dht_stats"))["nodes"]) for peer in foreign]
            known = [node.statistics().nodes for node in ours]
            return min(counts) >= EACH and min(known) >= EACH

        await wait_until(is_complete, what="everybody knows at least eight others")
        yield MixedNetwork(ours, foreign)


async def test_what_either_says_either_finds(network: MixedNetwork) -> None:
    """In one test, because it takes longer to build the network than to use it."""
    rng = random.Random(1)
    await announces(network, rng)
    await immutable_items(network, rng)
    await mutable_items(network)
    await samples(network)
    for node in network.ours:
        assert node.statistics().dropped_garbage == 0, "each message of libtorrent was understood"


async def announces(network: MixedNetwork, rng: random.Random) -> None:
    by_ours, by_foreign = rng.randbytes(20), rng.randbytes(20)
    reports = await asyncio.gather(*(node.announce(by_ours, port=7000) for node in network.ours[:4]))
    assert all(len(report.accepted_by) == 8 for report in reports)
    takers = {contact.address.host.rpartition(".")[0] for report in reports for contact in report.accepted_by}
    assert takers == {"127.0.1", "127.0.2"}, "nodes of both kinds keep it"
    expected = {Address(f"127.0.1.{number}", 7000) for number in range(1, 5)}
    for finder in (network.foreign[3], network.foreign[6]):
        answer = await finder.do("dht_get_peers", info_hash=by_ours.hex())
        assert {Address(*peer) for peer in answer["peers"]} <= expected
        assert answer["peers"]
    assert await peers_of(network.ours[6], by_ours) == expected

    for peer in network.foreign[:4]:
        await peer.do("dht_announce", info_hash=by_foreign.hex(), port=7001)
    expected = {Address(f"127.0.2.{number}", 7001) for number in range(1, 5)}

    async def is_found() -> bool:
        return await peers_of(network.ours[7], by_foreign) == expected

    await wait_until(is_found, what="we find what libtorrent announces", within_s=30)


async def peers_of(node: MainlineNode, info_hash: bytes) -> set[Address]:
    async with node.find_peers(info_hash) as lookup:
        return {peer async for peer in lookup}


async def immutable_items(network: MixedNetwork, rng: random.Random) -> None:
    for turn in range(2):
        ours = await network.ours[turn].put_immutable(["ours", rng.randbytes(400)])
        assert len(ours.accepted_by) == 8
        answer = await network.foreign[turn].do("dht_get_immutable", target=ours.item.target.hex())
        assert base64.b64decode(answer["item"]) == ours.item.value

        theirs = await network.foreign[turn + 2].do("dht_put_immutable", value=["theirs", turn])
        assert theirs["nodes"] >= 4
        found = await network.ours[turn + 4].get_immutable(bytes.fromhex(theirs["target"]))
        assert found is not None
        assert found.value == bencode.encode(["theirs", turn])


async def mutable_items(network: MixedNetwork) -> None:
    """Both kinds write versions of the same item in turn, and any node of either kind reads them."""
    owner = SigningKey(b"m" * 32)
    for turn in range(2):
        ours = await network.ours[2 * turn].put_mutable(owner, f"ours {turn}", b"salt")
        assert ours.item.seq == 2 * turn + 1
        assert len(ours.accepted_by) == 8
        answer = await network.foreign[turn + 5].do(
            "dht_get_mutable", public_key=owner.public_key.hex(), salt=b"salt".hex()
        )
        assert base64.b64decode(answer["item"]) == ours.item.value
        assert answer["seq"] == ours.item.seq

        theirs = await network.foreign[turn].do(
            "dht_put_mutable",
            seed=owner.seed.hex(),
            public_key=owner.public_key.hex(),
            value=f"theirs {turn}",
            salt=b"salt".hex(),
        )
        assert theirs["seq"] == 2 * turn + 2
        found = await network.ours[turn + 3].get_mutable(owner.public_key, b"salt")
        assert found is not None
        assert (found.seq, found.decoded()) == (theirs["seq"], f"theirs {turn}".encode())


async def samples(network: MixedNetwork) -> None:
    """A walk of ours meets every node of both kinds and learns every info-hash."""
    met: set[str] = set()
    seen: set[bytes] = set()
    async with asyncio.timeout(30), network.ours[3].walk_samples() as walk:
        async for found in walk:
            met.add(found.node.address.host)
            seen.update(map(bytes, found.sample.info_hashes))
            if len(met) == 2 * EACH - 1 and len(seen) == 2:
                return

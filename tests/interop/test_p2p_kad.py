"""One DHT of go-libp2p, js-libp2p, py-libp2p and our nodes: each finds what any other has placed, while servers leave.

One of each kind and three of ours; `tox -e long` has four of each and eight.
"""

from __future__ import annotations

import time
from contextlib import AsyncExitStack
from functools import partial

import pytest

from kademlia_core import Libp2pNode, Scope, create_ipns_record, ipns_key
from tests.interop.p2p_kad import KAD_PEERS, KadPeer
from tests.interop.programs import wait_until
from tests.machine import is_long
from transfer.aio.host.host import Host
from transfer.identity.keys import PrivateKey

pytestmark = pytest.mark.interop
FOREIGN, OURS = (4, 8) if is_long() else (1, 3)
NETWORK = {"/ipfs/kad/1.0.0": Scope.ANY}
CIDS = (
    "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku",
    "bafkreifzjut3te2nhyekklss27nh3k72ysco7y32koao5eei66wof36n5e",
)
VALUE = b"world"


class AnyValue:
    """The namespace /v of the js and py children."""

    def validate(self, key: bytes, value: bytes, *, wall_s: float) -> None:
        pass

    def is_better(self, key: bytes, value: bytes, other: bytes) -> bool:
        return False


async def our_node(stack: AsyncExitStack, bootstrap: list[str]) -> tuple[Host, Libp2pNode]:
    host = await stack.enter_async_context(Host(listen=["/ip4/127.0.0.1/tcp/0"]))
    node = Libp2pNode(host, bootstrap=bootstrap, networks=NETWORK, validators={"v": AnyValue()})
    return host, await stack.enter_async_context(node)


async def found_by_us(node: Libp2pNode, cid: str) -> dict[str, list[str]]:
    async with node.find_providers(cid) as lookup:
        return {str(info.peer_id): list(map(str, info.addresses)) async for info in lookup}


async def test_one_network_of_all() -> None:
    async with AsyncExitStack() as stack:
        peers: dict[str, KadPeer] = {}
        for number in range(FOREIGN):
            for name, start in KAD_PEERS.items():
                peers[f"{name}{number}"] = await stack.enter_async_context(start())
        entrances = [peer.address for peer in peers.values()]
        for peer in peers.values():
            for address in entrances:
                if address != peer.address:
                    await peer.join(address)
        ours = [await our_node(stack, entrances) for _ in range(OURS)]
        for _, node in ours:
            await node.wait_joined()
        (host, node), (other_host, other), (_, seeker) = ours[:3]

        for name, peer in peers.items():  # js admits whoever answers a ping, go whoever names somebody
            await wait_until(partial(peer.knows, str(host.peer_id)), what=f"{name} has us in its table")
            assert await node.ping(peer.address) < 5
            assert str(host.addresses[0]).startswith(tuple(await peer.find_peer(str(host.peer_id))))
            where = await node.find_peer(peer.peer_id)
            assert peer.address in [f"{address}/p2p/{peer.peer_id}" for address in where]

        everybody = {peer.peer_id for peer in peers.values()} | {str(each.peer_id) for each, _ in ours}
        report = await node.provide(CIDS[0])
        assert set(map(str, report.accepted_by)) == everybody - {str(host.peer_id)}
        key = PrivateKey.from_seed(bytes(32))
        record = create_ipns_record(key, f"/ipfs/{CIDS[0]}", sequence=1, wall_s=time.time())
        put = await node.put_value(ipns_key(key.peer_id), record)
        assert {peer.peer_id for name, peer in peers.items() if name[:2] == "go"} <= set(map(str, put.accepted_by))
        put = await node.put_value("/v/ours", VALUE)
        assert {peer.peer_id for name, peer in peers.items() if name[:2] != "go"} <= set(map(str, put.accepted_by))
        for name, peer in peers.items():
            found = await peer.find_providers(CIDS[0])
            assert str(host.peer_id) in found, name
            assert str(host.addresses[0]).startswith(tuple(found[str(host.peer_id)])), name
            if name[:2] == "go":
                assert await peer.get(ipns_key(key.peer_id)) == record, "go has verified it"
            else:
                assert await peer.get(b"/v/ours") == VALUE, name

        # go puts before it provides: py answers an announcement, which go would read as the answer to its next request.
        for name, peer in peers.items():
            if name[:2] == "go":
                newer = create_ipns_record(key, f"/ipfs/{CIDS[1]}", sequence=2, wall_s=time.time())
                await peer.put(ipns_key(key.peer_id), newer)
                assert await seeker.get_value(ipns_key(key.peer_id)) == newer
            else:
                await peer.put(f"/v/{name}".encode(), VALUE)
                assert await seeker.get_value(f"/v/{name}") == VALUE, name
        for name, peer in peers.items():
            await peer.provide(CIDS[1])
            found = await found_by_us(seeker, CIDS[1])
            assert peer.address in [f"{address}/p2p/{peer.peer_id}" for address in found[peer.peer_id]], name

        await other.aclose()
        await other_host.aclose()
        _, late = await our_node(stack, entrances[:1])
        assert str(host.peer_id) in await found_by_us(late, CIDS[0]), "one server less, and one that came late"
        assert {peer.peer_id for peer in peers.values()} <= set(await found_by_us(late, CIDS[1]))

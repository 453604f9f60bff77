"""A node of libp2p's DHT on a host in memory: commands, modes, bootstrapping, and nothing left behind."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest

from kademlia_core import BootstrapError, NoAnswerError, NodeClosedError
from kademlia_core.aio.libp2p.node import Libp2pNode
from kademlia_core.errors import InvalidKeyError
from kademlia_core.libp2p.config import LAN_PROTOCOL, PUBLIC_PROTOCOL, Libp2pConfig
from kademlia_core.libp2p.errors import RecordError
from kademlia_core.libp2p.ipns import create_ipns_record
from kademlia_core.libp2p.names import content_key, value_key
from kademlia_core.libp2p.peer import Scope
from tests.kad_world import peer_id_of
from tests.memory_host import MemoryHost
from transfer import MemoryNetwork
from transfer.address import Address
from transfer.host.delimited import delimited
from transfer.identity.keys import PrivateKey
from transfer.simulation import Simulation, run

OWN = {"/test/kad/1.0.0": Scope.ANY}
CID = "bafkreifzjut3te2nhyekklss27nh3k72ysco7y32koao5eei66wof36n5e"
KEY = PrivateKey.from_seed(b"k" * 32)


class Net:
    """Hosts and nodes, closed at the end, last first."""

    def __init__(self, stack: AsyncExitStack) -> None:
        self.network = MemoryNetwork()
        self.hosts: dict[Address, MemoryHost] = {}
        self._stack = stack

    async def host(self, address: str) -> MemoryHost:
        number = int.from_bytes(bytes(map(int, address.split("."))), "big")
        return await self._stack.enter_async_context(
            MemoryHost(self.network, self.hosts, peer_id_of(number), address)
        )  # fmt: skip

    async def node(
        self,
        address: str,
        *bootstrap: MemoryHost,
        is_server: bool | None = None,
        networks: dict[str, Scope] | None = None,
        config: Libp2pConfig | None = None,
    ) -> tuple[MemoryHost, Libp2pNode]:
        host = await self.host(address)
        node = Libp2pNode(
            host,
            bootstrap=[str(each.addresses[0]) for each in bootstrap],
            networks=OWN if networks is None else networks,
            is_server=is_server,
            config=config,
        )
        return host, await self._stack.enter_async_context(node)


@pytest.fixture
async def net() -> AsyncIterator[Net]:
    before = asyncio.all_tasks()
    async with asyncio.timeout(30), AsyncExitStack() as stack:
        net = Net(stack)
        yield net
        await stack.aclose()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert net.network.streams == net.network.listeners == 0
    assert {task for task in asyncio.all_tasks() - before if not task.done()} <= {asyncio.current_task()}


async def grown(net: Net, count: int) -> list[tuple[MemoryHost, Libp2pNode]]:
    """So many servers that came in through the first."""
    pairs = [await net.node("45.0.0.1")]
    for number in range(1, count):
        pairs.append(await net.node(f"45.{number}.0.1", pairs[0][0]))
        await pairs[-1][1].wait_joined()
    return pairs


def table_of(node: Libp2pNode) -> int:
    return sum(stats.peers for stats in node.statistics().values())


async def test_what_one_places_another_finds(net: Net) -> None:
    pairs = await grown(net, 8)
    (provider_host, provider), (_, seeker) = pairs[2], pairs[6]
    report = await provider.provide(CID)
    assert set(report.accepted_by) == {host.peer_id for host, _ in pairs} - {provider_host.peer_id}
    async with seeker.find_providers(CID) as lookup:
        found = [info async for info in lookup]
    assert {info.peer_id for info in found} == {provider_host.peer_id}
    assert f"{found[0].addresses[0]}/p2p/{provider_host.peer_id}" == str(provider_host.addresses[0])
    name = f"/ipns/{KEY.peer_id}"
    assert await seeker.get_value(name) is None
    value = create_ipns_record(KEY, "/ipfs/a", sequence=1, wall_s=1e10)
    put = await provider.put_value(name, value)
    assert len(put.accepted_by) == 7
    assert await seeker.get_value(name) == value
    assert await seeker.get_value(name, quorum=1) == value
    assert await seeker.find_peer(str(provider_host.peer_id)) == found[0].addresses
    closest = await seeker.closest_peers(CID)
    assert len(closest) == 7
    assert await seeker.ping(str(provider_host.addresses[0])) < 5
    provider.stop_providing(CID)
    assert sum(stats.kept_alive for stats in provider.statistics().values()) == 0


async def test_what_makes_no_sense_is_refused_at_once(net: Net) -> None:
    _, node = await net.node("45.0.0.1")
    for cid in ("", "bafy", "/ipfs/x", b"", b"\x12\x20abc"):
        with pytest.raises(InvalidKeyError):
            await node.provide(cid)
    with pytest.raises(InvalidKeyError, match="namespace/name"):
        await node.get_value("name")
    with pytest.raises(InvalidKeyError, match="peer id"):
        await node.get_value("/ipns/name")
    with pytest.raises(RecordError, match="no validator"):
        await node.get_value("/other/name")
    with pytest.raises(RecordError):
        await node.put_value(f"/ipns/{KEY.peer_id}", b"forged")


async def test_a_client_uses_the_network_and_serves_nobody(net: Net) -> None:
    pairs = await grown(net, 4)
    host, client = await net.node("45.9.0.1", pairs[0][0], is_server=False)
    await client.wait_joined()
    await client.provide(CID)
    async with pairs[3][1].find_providers(CID) as lookup:
        assert [info.peer_id async for info in lookup] == [host.peer_id]
    assert host.protocols == {}
    assert all(table_of(node) == 3 for _, node in pairs)
    with pytest.raises(NoAnswerError):
        await pairs[0][1].ping(host.addresses[0])


async def test_a_node_is_a_server_where_others_can_reach_it(net: Net) -> None:
    host, node = await net.node("10.0.0.1", networks={PUBLIC_PROTOCOL: Scope.PUBLIC, LAN_PROTOCOL: Scope.LOCAL})
    assert set(host.protocols) == {LAN_PROTOCOL}
    await net.node("45.0.0.1", host)
    assert {protocol: stats.is_server for protocol, stats in node.statistics().items()} == {
        PUBLIC_PROTOCOL: False, LAN_PROTOCOL: True,
    }  # fmt: skip
    public, _ = await net.node("45.1.0.1", networks={PUBLIC_PROTOCOL: Scope.PUBLIC})
    assert set(public.protocols) == {PUBLIC_PROTOCOL}


async def test_nobody_at_the_entrance_is_an_error_that_says_so(net: Net) -> None:
    gone = MemoryHost(net.network, net.hosts, peer_id_of(1), "45.77.0.1")
    _, node = await net.node("45.0.0.1", gone)
    with pytest.raises(BootstrapError, match=r"/ip4/45\.77\.0\.1/tcp/4001"):
        await node.find_peer(KEY.peer_id)


async def test_an_entrance_without_an_id_is_called_first(net: Net) -> None:
    host, _ = await net.node("45.0.0.1")
    second = await net.host("45.1.0.1")
    bare = host.addresses[0].without_peer_id
    assert bare is not None
    async with Libp2pNode(second, bootstrap=[bare], networks=OWN) as node:
        await node.wait_joined()
        assert table_of(node) == 1


async def test_several_requests_on_one_stream_and_garbage(net: Net) -> None:
    host, _ = await net.node("45.0.0.1")
    caller = await net.host("45.1.0.1")
    reader, writer = await caller.open_stream(host.addresses[0], tuple(OWN))
    writer.write(delimited(b"\x08\x05") * 3)  # pipelined
    assert await reader.readexactly(9) == b"\x02\x08\x05" * 3
    writer.write_eof()
    assert await reader.read() == b""
    writer.close()
    for data in (delimited(b"\x08\x11"), b"\xff" * 12, b"\x05abc", delimited(b"\x08\x04")):
        reader, writer = await caller.open_stream(host.addresses[0], tuple(OWN))
        writer.write(data)
        writer.write_eof()
        with pytest.raises(ConnectionResetError):
            await reader.readexactly(1)
        writer.close()


def test_a_peer_that_says_nothing_is_given_up() -> None:
    """Its stream is reset when the time is over; in virtual time."""

    async def scenario(simulation: Simulation) -> None:
        resets = 0

        async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal resets
            try:
                await reader.read()
            except ConnectionResetError:
                resets += 1

        async with AsyncExitStack() as stack:
            net = Net(stack)
            silent = await net.host("45.1.0.1")
            silent.set_stream_handler(next(iter(OWN)), say_nothing)
            _, node = await net.node("45.0.0.1", silent)
            with pytest.raises(BootstrapError):
                await node.wait_joined()
            await asyncio.sleep(1.0)
            (stats,) = node.statistics().values()
            assert stats.pending_requests == 0
            assert stats.timeouts == resets >= 2
            silent.remove_stream_handler(next(iter(OWN)))
            async with Libp2pNode(silent, networks=OWN):
                await asyncio.sleep(60.0)
                await node.wait_joined()

    run(scenario)


async def test_closing_ends_what_is_in_flight(net: Net) -> None:
    silent = await net.host("45.1.0.1")

    async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    silent.set_stream_handler(next(iter(OWN)), say_nothing)
    _, node = await net.node("45.0.0.1", silent)
    finding = asyncio.ensure_future(node.find_peer(KEY.peer_id))
    await asyncio.sleep(0)
    await node.aclose()
    with pytest.raises(NodeClosedError):
        await finding
    with pytest.raises(NodeClosedError):
        node.statistics()
    with pytest.raises(NodeClosedError):
        await node.__aenter__()


def test_keys_as_people_write_them() -> None:
    multihash = bytes.fromhex("1220b94d27b9934d3e08a52e52d7da7dabfac484efe37a5380ee9088f7ace2efcde9")
    base58 = ("QmaozNR7DZHQK1ZcU9p7QdrshMvXqWK6gpu5rmrkPdT3L4", "zb2rhj7crUKTQYRGCRATFaQ6YFLTde2YzdqbbhAASkL9uRDXn")
    for cid in (CID, *base58, multihash, b"\x01\x55" + multihash):
        assert content_key(cid) == multihash
    assert value_key(f"/ipns/{KEY.peer_id.to_cid('base36')}") == b"/ipns/" + KEY.peer_id.multihash
    assert value_key("/own/a/b") == b"/own/a/b"
    assert value_key(b"\xff") == b"\xff"

"""DHT nodes on UDP ports that somebody else has bound, or that they share with others."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from kademlia_core import KeyValueNode, MainlineNode
from kademlia_core.errors import NodeClosedError
from transfer.address import Address
from transfer.aio.datagram_port import DatagramPort
from transfer.aio.datagrams import BatchProtocol
from transfer.datagrams.demultiplexer import DatagramClaim

LOCAL, LOCAL6 = Address("127.0.0.1", 0), Address("::1", 0)


class Toy(BatchProtocol):
    """A third protocol: answers each of its datagrams with the same in capitals, as an echo with a face."""

    def __init__(self) -> None:
        self.heard: asyncio.Queue[bytes] = asyncio.Queue()
        self.transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def datagrams_received(self, datagrams: list[tuple[bytes, Any]]) -> None:
        for data, source in datagrams:
            self.heard.put_nowait(data)
            if data.islower():
                self.transport.sendto(data.upper(), source)


TOY = DatagramClaim(first_bytes=b"tT")


@pytest.mark.parametrize("kind", [MainlineNode, KeyValueNode])
async def test_a_node_on_a_port_that_is_bound_works_and_leaves_it_open(
    kind: type[MainlineNode] | type[KeyValueNode],
) -> None:
    async with await DatagramPort.bind(LOCAL) as port:
        port.join(toy := Toy(), TOY)
        async with kind(datagrams=port, bootstrap=()) as node:
            assert node.address == port.address
            assert node.datagrams == (port,)
            async with await DatagramPort.bind(LOCAL) as other_port:
                other_port.join(other_toy := Toy(), TOY)
                async with kind(datagrams=(other_port,), bootstrap=[port.address]) as other:
                    await other.wait_joined()
                    assert [contact.key for contact in await other.find_node(node.node_id)] == [node.node_id]
                    other_toy.transport.sendto(b"toy", port.address)
                    assert await toy.heard.get() == b"toy"
                    assert await other_toy.heard.get() == b"TOY"
                assert not other_port.is_closing
                other_toy.transport.sendto(b"toys", port.address)
                assert await other_toy.heard.get() == b"TOYS", "the others on the port go on"
            assert node.statistics().dropped_garbage == 0, "it never saw the toy"
        assert not port.is_closing
        async with kind(datagrams=port, bootstrap=()) as successor:
            await successor.wait_joined()


async def test_one_port_of_each_family() -> None:
    async with (
        await DatagramPort.bind(LOCAL) as four,
        await DatagramPort.bind(LOCAL6) as six,
        MainlineNode(datagrams=(six, four), bootstrap=()) as node,
        MainlineNode(host=("127.0.0.1", "::1"), bootstrap=node.addresses) as other,
    ):
        assert node.addresses == (four.address, six.address)
        assert node.datagrams == (four, six)
        assert (await other.ping(four.address)).key == node.node_id
        assert (await other.ping(six.address)).address == six.address


async def test_a_node_that_binds_lends_its_socket_and_closes_it() -> None:
    async with MainlineNode(host="127.0.0.1", bootstrap=()) as node:
        (port,) = node.datagrams
        port.join(toy := Toy(), TOY)
        async with await DatagramPort.bind(LOCAL) as other_port:
            other_port.join(other_toy := Toy(), TOY)
            other_toy.transport.sendto(b"toy", node.address)
            assert await other_toy.heard.get() == b"TOY"
        assert toy.heard.qsize() == 1
        assert node.statistics().datagrams_received == 0
    assert port.is_closing
    assert toy.transport.is_closing()
    with pytest.raises(NodeClosedError):
        node.datagrams  # noqa: B018


async def test_a_node_whose_port_is_closed_is_lost_and_says_so() -> None:
    port = await DatagramPort.bind(LOCAL)
    async with MainlineNode(datagrams=port, bootstrap=()) as node:
        asking = asyncio.ensure_future(node.ping(("127.0.0.1", 9)))
        await asyncio.sleep(0)
        port.close()
        with pytest.raises(NodeClosedError):
            await asking
    await port.wait_closed()
    with pytest.raises(ConnectionAbortedError, match="is closed"):
        async with MainlineNode(datagrams=port, bootstrap=()):
            pytest.fail("the port is closed")


async def test_a_port_takes_one_dht_node() -> None:
    async with await DatagramPort.bind(LOCAL) as port, MainlineNode(datagrams=port, bootstrap=()) as node:
        with pytest.raises(ValueError, match="begins so"):
            async with MainlineNode(datagrams=port, bootstrap=()):
                pytest.fail("nothing would ever reach it")
        assert node.address == port.address


async def test_ports_that_make_no_sense_are_refused() -> None:
    async with await DatagramPort.bind(LOCAL) as one, await DatagramPort.bind(LOCAL) as two:
        with pytest.raises(ValueError, match="one of each family"):
            MainlineNode(datagrams=(one, two))
        with pytest.raises(ValueError, match="not both"):
            MainlineNode(datagrams=one, port=6881)

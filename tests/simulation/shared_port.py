"""A DHT node, UDP trackers and a toy third protocol on one UDP port behind a NAT box, and a flood for one of them."""

from __future__ import annotations

import asyncio
import random
from contextlib import AsyncExitStack
from typing import Any, NamedTuple

from bittorrent.aio.sources.tracker import TrackerClient
from bittorrent.tracker.messages import AnnounceRequest
from kademlia_core import MainlineNode
from tests.simulation.tracker_tiers import UDP_PORT, UDP_TRACKER, udp_tracker
from transfer.address import Address
from transfer.aio.datagram_port import DatagramPort
from transfer.aio.datagrams import BatchProtocol
from transfer.datagrams.demultiplexer import DatagramClaim
from transfer.simulation import NatKind, Simulation

ENTRY, FRIEND, BOX, INSIDE = "11.0.0.1", "11.0.0.2", "11.0.0.3", "192.168.1.2"
PORT = 6881


class Seen(NamedTuple):
    """How we look from outside, and what was wrong."""

    by_tracker: set[Address]
    by_node: Address
    by_toy: Address
    garbage: int
    unclaimed: int


class Toy(BatchProtocol):
    """As uTP will: its first byte is a type and a version. Answers a SYN with a STATE."""

    claim = DatagramClaim(first_bytes=b"\x01\x11\x21\x31\x41")

    def __init__(self) -> None:
        self.heard: asyncio.Queue[tuple[bytes, Address]] = asyncio.Queue()
        self.transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def datagrams_received(self, datagrams: list[tuple[bytes, Any]]) -> None:
        for data, name in datagrams:
            self.heard.put_nowait((data, Address.from_socket(name)))
            if data[0] == 0x41:
                self.transport.sendto(b"\x21" + data[1:], name)


async def behind_a_nat(simulation: Simulation, *, flood: int = 0) -> Seen:
    """Joins, announces and talks, all from port 6881; `flood` datagrams of the toy's kind come ahead of each answer."""
    rng = random.Random(simulation.rng.getrandbits(64))
    box = simulation.nat(BOX, kind=NatKind.FULL_CONE)
    async with AsyncExitStack() as stack:
        tracker = await stack.enter_async_context(udp_tracker(simulation, connects_from_s=0, announces_from_s=0))
        with simulation.host(ENTRY):
            entry = await stack.enter_async_context(MainlineNode(port=PORT, bootstrap=(), rng=rng))
        with simulation.host(FRIEND):
            friend_port = await stack.enter_async_context(await DatagramPort.bind(Address(FRIEND, PORT)))
            friend_port.join(friend := Toy(), Toy.claim)
        with simulation.host(INSIDE, behind=box):
            port = await stack.enter_async_context(await DatagramPort.bind(Address("0.0.0.0", PORT)))
            node = await stack.enter_async_context(
                MainlineNode(datagrams=port, bootstrap=[(ENTRY, PORT)], rng=random.Random(rng.getrandbits(64)))
            )
            port.join(toy := Toy(), Toy.claim)
            client = TrackerClient(rng=random.Random(1), datagrams=[port])
            stack.push_async_callback(client.aclose)
            await node.wait_joined()
            toy.transport.sendto(b"\x41syn", (FRIEND, PORT))
        _, outside = await friend.heard.get()
        assert await toy.heard.get() == (b"\x21syn", (FRIEND, PORT))
        friend.transport.send_all([(b"\x01flood", outside)] * flood)
        request = AnnounceRequest(info_hash=bytes(20), peer_id=bytes(20), port=PORT, uploaded=0, downloaded=0, left=1)
        await client.announce(f"udp://{UDP_TRACKER}:{UDP_PORT}/announce", request)
        await asyncio.sleep(60)
        (contact,) = await entry.find_node(node.node_id)
        assert toy.heard.qsize() == flood
        return Seen(
            {Address(*asker) for asker in tracker.askers},
            contact.address,
            outside,
            node.statistics().dropped_garbage,
            port.statistics().unclaimed,
        )

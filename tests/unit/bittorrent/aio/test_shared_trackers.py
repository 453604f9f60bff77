"""UDP trackers that are asked from a port which others use as well."""

from __future__ import annotations

import asyncio
import errno
import gc
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from random import Random
from typing import Any

import pytest

from bittorrent.aio.sources.tracker import TrackerClient, TrackerConfig
from bittorrent.errors import TrackerError
from bittorrent.tracker.udp import UdpConfig
from kademlia_core import MainlineNode
from tests.unit.bittorrent.aio.test_tracker import PEER, QUICK, REQUEST, UdpTracker
from transfer.address import Address
from transfer.aio.datagram_port import DatagramPort
from transfer.aio.datagrams import BatchProtocol
from transfer.datagrams.demultiplexer import DatagramClaim

pytestmark = pytest.mark.every_event_loop
HOSTS = ("127.0.0.1", "::1")


class WatchedTracker(UdpTracker):
    """Notes where it is asked from, and sends `before` ahead of each answer."""

    def __init__(self, *, before: Sequence[bytes] = (), **settings: Any) -> None:
        super().__init__(**settings)
        self.askers: list[Address] = []
        self.requests_of_nodes: list[bytes] = []
        self._before = before

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        if data.startswith(b"d"):
            self.requests_of_nodes.append(data)
            return
        self.askers.append(Address.from_socket(addr))
        for each in self._before:
            assert self._transport is not None
            self._transport.sendto(each.replace(b"TTTT", data[12:16]), addr)
        super().datagram_received(data, addr)


class Third(BatchProtocol):
    """Takes everything that looks like uTP, and writes it down."""

    claim = DatagramClaim(first_bytes=b"\x01\x11\x21\x31\x41")

    def __init__(self) -> None:
        self.heard: list[bytes] = []

    def datagrams_received(self, datagrams: list[tuple[bytes, Any]]) -> None:
        self.heard += [data for data, _ in datagrams]


@asynccontextmanager
async def client_on(*ports: DatagramPort, config: TrackerConfig = QUICK) -> AsyncIterator[TrackerClient]:
    made = TrackerClient(config=config, rng=Random(1), datagrams=ports)
    try:
        yield made
    finally:
        await made.aclose()


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize("drops", [0, 2])
async def test_a_tracker_sees_the_port_and_loss_is_survived(host: str, drops: int) -> None:
    peer = PEER if host == "127.0.0.1" else Address("2001:db8::1", 5)
    tracker = WatchedTracker(drops=drops, peers=peer.compact())
    async with tracker.serve(host) as url, await DatagramPort.bind(Address(host, 0)) as port, client_on(port) as client:
        assert (await client.announce(f"{url}/announce?passkey=1", REQUEST)).peers == (peer,)
        assert set(tracker.askers) == {port.address}
        assert tracker.requests[-1][98:] == b"\x02\x13/announce?passkey=1"
        assert len(tracker.requests) >= 2 + drops


async def test_a_node_trackers_and_a_third_protocol_live_on_one_port() -> None:
    """The tracker sends what is meant for the others ahead of each answer, and what looks like two of them at once."""
    query = b"d1:ad2:id20:" + b"q" * 20 + b"e1:q4:ping1:t4:TTTT1:y1:qe"
    utp = b"\x41\x00" + bytes(18)
    tracker = WatchedTracker(before=[query, utp, bytes(4) + b"none", b"\0\0\0\4TTTT", b"d\0\0\0TTTT"])
    async with (
        tracker.serve() as url,
        await DatagramPort.bind(Address("127.0.0.1", 0)) as port,
        MainlineNode(datagrams=port, bootstrap=()) as node,
        client_on(port, config=TrackerConfig()) as client,
        MainlineNode(host="127.0.0.1", bootstrap=[port.address]) as other,
    ):
        third = Third()
        port.join(third, third.claim)
        await other.wait_joined()
        before = node.statistics()
        assert (await client.announce(url, REQUEST)).peers == (PEER,)
        assert (await other.ping(node.address)).key == node.node_id
        after = node.statistics()
        assert third.heard == [utp, utp]
        assert after.queries_received - before.queries_received >= 3, "two from the tracker's endpoint, and the ping"
        assert after.dropped_garbage - before.dropped_garbage == 2, "what begins as KRPC is the node's alone"
        assert port.statistics().unclaimed == 4
        assert set(tracker.askers) == {port.address}


async def test_many_questions_to_one_tracker_get_each_its_own_answer() -> None:
    tracker = WatchedTracker()
    async with (
        tracker.serve() as url,
        await DatagramPort.bind(Address("127.0.0.1", 0)) as port,
        client_on(port, config=TrackerConfig()) as client,
    ):
        answers = await asyncio.gather(*(client.announce(url, REQUEST) for _ in range(60)))
        assert [answer.peers for answer in answers] == [(PEER,)] * 60
        assert port.statistics().unclaimed == 0


async def test_a_refusal_and_silence() -> None:
    async with await DatagramPort.bind(Address("127.0.0.1", 0)) as port, client_on(port) as client:
        async with WatchedTracker(refusal=b"not here").serve() as url:
            with pytest.raises(TrackerError, match="refused: not here"):
                await client.announce(url, REQUEST)
        config = TrackerConfig(udp=UdpConfig(retransmit_s=0.01, max_retransmits=2))
        async with WatchedTracker(drops=1000).serve() as url, client_on(port, config=config) as impatient:
            with pytest.raises(TrackerError, match="the tracker does not answer"):
                await impatient.announce(url, REQUEST)
        assert (await announce_to(client)).peers == (PEER,), "the other client on the port has left, this one has not"


async def announce_to(client: TrackerClient) -> Any:
    async with WatchedTracker().serve() as url:
        return await client.announce(url, REQUEST)


async def test_a_tracker_of_another_family_is_asked_from_a_socket_of_its_own() -> None:
    tracker = WatchedTracker(peers=Address("2001:db8::1", 5).compact())
    async with (
        tracker.serve("::1") as url,
        await DatagramPort.bind(Address("127.0.0.1", 0)) as port,
        client_on(port) as client,
    ):
        assert (await client.announce(url, REQUEST)).peers == (Address("2001:db8::1", 5),)
        assert port.statistics().received == 0


async def test_both_families_have_their_port() -> None:
    async with (
        await DatagramPort.bind(Address("127.0.0.1", 0)) as four,
        await DatagramPort.bind(Address("::1", 0)) as six,
        client_on(four, six) as client,
    ):
        for host, port, peers in (("127.0.0.1", four, PEER), ("::1", six, Address("2001:db8::1", 5))):
            tracker = WatchedTracker(peers=peers.compact())
            async with tracker.serve(host) as url:
                assert (await client.announce(url, REQUEST)).peers == (peers,)
            assert set(tracker.askers) == {port.address}


async def test_a_port_that_closes_fails_what_is_asked_and_the_next_question_has_a_socket_of_its_own() -> None:
    tracker = WatchedTracker(drops=1)
    port = await DatagramPort.bind(Address("127.0.0.1", 0))
    async with tracker.serve() as url, client_on(port, config=TrackerConfig()) as client:
        asking = asyncio.ensure_future(client.announce(url, REQUEST))
        await tracker.wait_requested()
        port.close()
        with pytest.raises(TrackerError, match="our UDP port was closed"):
            await asking
        await port.wait_closed()
        assert (await client.announce(url, REQUEST)).peers == (PEER,)
        assert len(set(tracker.askers)) == 2
    gc.collect()  # an unclosed socket would warn here, and warnings are errors


async def test_a_question_that_is_given_up_leaves_nothing_behind() -> None:
    tracker = WatchedTracker(drops=1000)
    async with (
        tracker.serve() as url,
        await DatagramPort.bind(Address("127.0.0.1", 0)) as port,
        client_on(port, config=TrackerConfig()) as client,
    ):
        asking = asyncio.ensure_future(client.announce(url, REQUEST))
        await tracker.wait_requested()
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        (shared,) = client._udp._shared.values()
        assert len(shared._questions) == 0
        assert shared._by_core == {}


async def test_what_cannot_be_sent_is_told_at_once_and_says_from_where() -> None:
    async with (
        await DatagramPort.bind(Address("127.0.0.1", 0)) as port,
        client_on(port, config=TrackerConfig()) as client,
    ):
        assert port._protocol is not None

        def fails(datagrams: object) -> None:
            port._protocol.error_received(OSError(errno.ENETUNREACH, "Network is unreachable"))

        port._send = fails
        with pytest.raises(TrackerError, match=r"nothing can be sent there from 127\.0\.0\.1: network is unreachable"):
            await client.announce("udp://127.0.0.1:6969", REQUEST)
        port._protocol.error_received(ConnectionResetError())  # of nobody's question: it does no harm

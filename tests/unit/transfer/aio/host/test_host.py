"""Two hosts of ours: over TCP, in memory, and in the simulation."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest

from transfer import simulation
from transfer.aio.host.host import Host
from transfer.aio.host.plugs import Noise, Plaintext
from transfer.aio.limits import Limits
from transfer.aio.memory import MemoryNetwork, MemoryTransport
from transfer.errors import LocalProtocolError
from transfer.host.config import HostConfig
from transfer.host.dial import DialConfig
from transfer.host.errors import PeerUnreachableError, StreamError
from transfer.host.events import PeerConnected, PeerDisconnected, PeerIdentified
from transfer.host.route import Carrier, NotDialableError
from transfer.identity.keys import KeyType, PrivateKey
from transfer.limits.admission_config import AdmissionConfig
from transfer.limits.streams import StreamLimitConfig
from transfer.multiaddr.multiaddr import Multiaddr
from transfer.simulation import Simulation

ECHO = "/echo/1.0.0"
QUICK = DialConfig(timeout_s=5)


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()


@asynccontextmanager
async def pair(kind: str = "memory", **options: Any) -> AsyncIterator[tuple[Host, Host]]:
    """One that serves echoes, and one that does not listen."""
    if kind == "memory":
        transports: Any = {Carrier.MEMORY: MemoryTransport(MemoryNetwork())}
        listen = "/memory/0"
    else:
        transports, listen = None, "/ip6/::1/tcp/0" if kind == "ipv6" else "/ip4/127.0.0.1/tcp/0"
    async with Host(listen=[listen], transports=transports, **options) as server:
        server.set_stream_handler(ECHO, echo)
        async with Host(transports=transports, **options) as client:
            yield server, client


async def said_by(host: Host, target: Any, data: bytes, protocols: str | Sequence[str] = ECHO) -> bytes:
    reader, writer = await host.open_stream(target, protocols)
    writer.write(data)
    writer.write_eof()
    try:
        return await reader.read(-1)
    finally:
        writer.close()


@pytest.mark.parametrize(
    ("kind", "security"),
    [
        ("memory", Noise),
        ("memory", Plaintext),
        ("tcp", Noise),
        pytest.param("ipv6", Noise, marks=pytest.mark.ipv6),
    ],
)
async def test_streams_both_ways(kind: str, security: Any) -> None:
    async with pair(kind, security=(security,)) as (server, client):
        connection = await client.connect(server.address)
        assert connection.peer_id == server.peer_id
        assert (connection.security, connection.muxer_name) == (security.protocol, "/yamux/1.0.0")
        data = os.urandom(1 << 20)
        assert await said_by(client, server.address, data) == data
        client.set_stream_handler("/back/1.0.0", echo)
        assert await said_by(server, client.peer_id, b"back", ("/unknown/1", "/back/1.0.0")) == b"back"
        assert await client.ping(server.peer_id) < 5
        assert len(client.connections) == len(server.connections) == 1


async def test_what_each_knows_of_the_other() -> None:
    async with pair("tcp") as (server, client):
        events = server.events()
        said = await client.identify(server.address)
        assert said.agent == "kademlia-core"
        assert {ECHO, "/ipfs/id/1.0.0", "/ipfs/ping/1.0.0"} <= set(said.protocols or ())
        assert [f"{address}/p2p/{server.peer_id}" for address in said.addresses or ()] == [server.address]
        known = client.peers.get(server.peer_id, now=asyncio.get_running_loop().time())
        assert known is not None
        assert known.is_certified
        connected = await anext(events)
        assert isinstance(connected, PeerConnected)
        assert (connected.peer_id, connected.is_inbound) == (client.peer_id, True)
        assert isinstance(await anext(events), PeerIdentified)
        client.disconnect(server.peer_id)
        lost = await anext(events)
        assert isinstance(lost, PeerDisconnected)


async def test_a_change_is_pushed() -> None:
    async with pair(config=HostConfig(push_delay_s=0.01)) as (server, client):
        await client.identify(server.address)
        events = client.events()
        await server.identify(client.peer_id)
        server.set_stream_handler("/new/1.0.0", echo)
        async for event in events:
            if isinstance(event, PeerIdentified) and "/new/1.0.0" in (event.said.protocols or ()):
                break
        assert client.peers.speaks(server.peer_id, ["/new/1.0.0"]) == "/new/1.0.0"


async def test_a_protocol_that_is_not_spoken_is_refused_by_name_and_costs_nothing_else() -> None:
    async with pair() as (server, client):
        with pytest.raises(StreamError, match=f"no stream for /nope/1 to {server.peer_id} at /memory/") as caught:
            await client.open_stream(server.address, "/nope/1")
        assert "\n" not in str(caught.value)
        assert await said_by(client, server.peer_id, b"on") == b"on"
        reader, writer = await client.open_stream(server.peer_id, "/nope/1", is_lazy=True)
        writer.write(b"said in vain")
        with pytest.raises(ConnectionError, match="speaks none of /nope/1"):
            await reader.read()
        assert await said_by(client, server.peer_id, b"on") == b"on"


async def test_a_handler_that_fails_resets_its_stream_alone() -> None:
    failures: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: failures.append(context))

    async def fails(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        raise ZeroDivisionError

    async with pair() as (server, client):
        server.set_stream_handler("/fails/1", fails)
        reader, _ = await client.open_stream(server.address, "/fails/1")
        with pytest.raises(ConnectionResetError):
            await reader.read()
        assert await said_by(client, server.peer_id, b"on") == b"on"
    assert [type(failure["exception"]) for failure in failures] == [ZeroDivisionError]


async def test_any_protocol_of_asyncio_runs_on_a_stream() -> None:
    class Counts(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            self.transport: Any = transport
            self.received = 0
            self.ended = asyncio.get_running_loop().create_future()

        def data_received(self, data: bytes) -> None:
            self.received += len(data)

        def eof_received(self) -> bool:
            if self.received > 10:
                self.transport.write(b"%d" % self.received)
            return False

        def connection_lost(self, exc: Exception | None) -> None:
            self.ended.set_result(exc)

    async with pair() as (server, client):
        server.set_stream_protocol("/counts/1", Counts)
        transport, counts = await client.create_stream(Counts, server.address, "/counts/1")
        transport.write(bytes(300_000))
        transport.write_eof()
        assert await counts.ended is None
        assert counts.received == 6  # the other side's "300000"
        assert transport.get_extra_info("peer_id") == server.peer_id


async def test_a_pending_read_survives_its_cancellation_and_ends_when_the_stream_is_closed() -> None:
    async with pair() as (server, client):
        reader, writer = await client.open_stream(server.address, ECHO)
        pending = asyncio.create_task(reader.read(10))
        await asyncio.sleep(0)
        pending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await pending
        writer.write(b"x")
        assert await reader.read(10) == b"x"
        pending = asyncio.create_task(reader.read(10))
        await asyncio.sleep(0)
        writer.close()
        assert await pending == b""


async def test_one_connection_is_made_however_many_ask() -> None:
    async with pair() as (server, client):
        found = await asyncio.gather(*(client.connect(server.address) for _ in range(5)))
        assert len(set(found)) == 1
        assert len(server.connections) == 1
        assert len(client.explain().calls) == 1


async def test_why_a_peer_cannot_be_reached_is_said_for_each_address() -> None:
    peer = PrivateKey.from_seed(bytes(32)).peer_id
    async with Host() as host, Host(listen=["/ip4/127.0.0.1/tcp/0"]) as other:
        closed = (await host.listen("/ip4/127.0.0.1/tcp/0"))[0].without_peer_id
        await host._listening.aclose()  # type: ignore[union-attr]
        wrong = other.addresses[0].without_peer_id
        addresses = [f"{closed}/p2p/{peer}", f"{wrong}/p2p/{peer}", f"/ip4/127.0.0.1/udp/1/quic-v1/p2p/{peer}"]
        with pytest.raises(PeerUnreachableError, match=f"cannot reach {peer}: ") as caught:
            await host.connect(addresses)
        told = str(host.explain(peer))
        for reason in (
            "connection refused",
            "nothing listens there",
            f"the other side is {other.peer_id}, not {peer}",
            "there is no transport for udp",
        ):
            assert reason in told
        assert len(caught.value.attempts) == 3
        assert "\n" not in str(caught.value)
        with pytest.raises(PeerUnreachableError, match="no address of it is known"):
            await host.connect(PrivateKey.from_seed(bytes(31) + b"\1").peer_id)
        with pytest.raises(LocalProtocolError, match="this host itself"):
            await host.connect(host.peer_id)
        with pytest.raises(PeerUnreachableError, match="that is this host itself"):
            await other.connect(str(other.addresses[0].without_peer_id))
        with pytest.raises(NotDialableError, match="no transport for udp"):
            await host.listen("/ip4/127.0.0.1/udp/0/quic-v1")
        with pytest.raises(LocalProtocolError, match="does not listen"):
            _ = host.address


@pytest.mark.parametrize(
    "garbage",
    [b"", b"GET / HTTP/1.1\r\n\r\n", bytes(range(255, 155, -1)), b"\x13/multistream/1.0.0\n\x07/noise\n\xff\xff"],
    ids=["nothing", "http", "bytes", "half a handshake"],
)
async def test_a_stranger_that_speaks_something_else_does_not_stop_a_listener(garbage: bytes) -> None:
    config = HostConfig(upgrade_timeout_s=0.1)
    async with Host(listen=["/ip4/127.0.0.1/tcp/0"], config=config) as server, Host() as client:
        port = int(str(server.addresses[0].value("tcp")))
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(garbage)
        try:
            while await reader.read(1000):
                pass
        except ConnectionResetError:
            pass
        writer.close()
        assert not server.connections
        assert (await client.connect(server.address)).peer_id == server.peer_id


async def test_the_limits_of_streams_connections_and_pings_are_kept() -> None:
    config = HostConfig(streams=StreamLimitConfig(max_inbound=4, max_outbound=4), dial=QUICK)
    limits = Limits(AdmissionConfig(max_outbound=2), settles=False)
    async with pair(config=config) as (server, client):
        opened = [await client.open_stream(server.address, ECHO) for _ in range(3)]
        await client.identify(server.address)
        opened.append(await client.open_stream(server.address, ECHO))
        with pytest.raises(StreamError, match="max_outbound_streams"):
            await client.open_stream(server.address, ECHO)
        for _, writer in opened:
            writer.close()
    async with pair() as (server, client):
        pings = [client.pings(server.address) for _ in range(3)]
        for ping in pings[:2]:
            await anext(ping)
        with pytest.raises(StreamError):
            await anext(pings[2])
        for ping in pings:
            await ping.aclose()
    async with Host(limits=limits, transports={Carrier.MEMORY: MemoryTransport(MemoryNetwork())}) as host:
        first, second = limits.core.call("a", now=0), limits.core.call("b", now=0)
        with pytest.raises(PeerUnreachableError, match="max_outbound"):
            await host.connect("/memory/5")
        del first, second


@pytest.mark.parametrize("kind", [KeyType.SECP256K1, KeyType.ECDSA, KeyType.RSA])
async def test_keys_of_all_kinds(kind: KeyType) -> None:
    transports = {Carrier.MEMORY: MemoryTransport(MemoryNetwork())}
    identity = PrivateKey.generate(kind)
    server = Host(transports=transports, identity=identity, listen=["/memory/0"])
    async with server, Host(transports=transports) as client:
        assert (await client.connect(server.address)).public_key == identity.public_key


async def test_names_are_looked_up_and_a_dnsaddr_leads_on() -> None:
    async def text(name: str) -> list[str]:
        assert name == "_dnsaddr.example.test"
        return ["garbage", f"dnsaddr={other}", f"dnsaddr={server.address}"]

    other = f"/ip4/127.0.0.1/tcp/1/p2p/{PrivateKey.from_seed(bytes(32)).peer_id}"
    async with pair("tcp") as (server, _), Host(look_up_text=text) as client:
        port = server.addresses[0].value("tcp")
        connection = await client.connect(f"/dns4/localhost/tcp/{port}/p2p/{server.peer_id}")
        connection.abort()
        await connection.wait_lost()
        connection = await client.connect(f"/dnsaddr/example.test/p2p/{server.peer_id}")
        assert str(connection.remote) == server.address


async def connect_open_and_ask(simulation: Simulation) -> float:
    """Seconds from nothing to the first byte of an answer."""
    loop = asyncio.get_running_loop()
    with simulation.host("10.0.0.1"):
        server = await Host(listen=["/ip4/10.0.0.1/tcp/4001"]).__aenter__()
        server.set_stream_handler(ECHO, echo)
    with simulation.host("10.0.0.2"):
        async with Host() as client:
            started_at = loop.time()
            reader, writer = await client.open_stream(server.address, ECHO, is_lazy=True)
            writer.write(b"hello")
            assert await reader.readexactly(5) == b"hello"
            seconds = loop.time() - started_at
            writer.close()
            await client.identify(server.peer_id)
    with simulation.host("10.0.0.1"):
        await server.aclose()
    return seconds


def test_from_nothing_to_the_first_answer_takes_three_round_trips() -> None:
    link = simulation.Link(delay_s=0.05)
    report = simulation.run(connect_open_and_ask, link=link)
    assert report.result == pytest.approx(0.3, abs=0.01)
    assert simulation.run(connect_open_and_ask, link=link).digest == report.digest, "and again the same in one process"


def test_a_listener_with_an_id_is_wrong_and_an_address_of_two_peers_too() -> None:
    ids = [PrivateKey.from_seed(bytes(31) + bytes([number])).peer_id for number in range(2)]

    async def run() -> None:
        async with Host() as host:
            with pytest.raises(LocalProtocolError, match="no peer id at its end"):
                await host.listen(Multiaddr.parse(f"/ip4/127.0.0.1/tcp/0/p2p/{ids[0]}"))
            with pytest.raises(ValueError, match="the same id"):
                await host.connect([f"/ip4/127.0.0.1/tcp/1/p2p/{peer}" for peer in ids])

    asyncio.run(run())

"""libp2p hosts that this project did not write: TCP, Noise, yamux, identify, ping and streams, each side calling."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.interop.p2p_peers import ECHO, PEERS, RESET, UNKNOWN, GoPeer, Peer
from tests.machine import is_long
from transfer.aio.host.host import Host
from transfer.host.errors import PeerUnreachableError, StreamError

pytestmark = pytest.mark.interop
MIB = 1 << 20
AGENTS = {"go": "p2pd/0.1", "js": "js-libp2p/3.3.11", "py": "py-libp2p/0.8.1"}


@pytest.fixture(params=sorted(PEERS))
async def named(request: pytest.FixtureRequest) -> AsyncIterator[tuple[str, Any]]:
    start: Any = PEERS[request.param]
    async with start() as peer:
        yield request.param, peer


async def serve_echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(1 << 18):
        writer.write(data)
        await writer.drain()


async def serve_reset(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(1)
    writer.transport.abort()


def our_host() -> Host:
    host = Host(listen=["/ip4/127.0.0.1/tcp/0"])
    host.set_stream_handler(ECHO, serve_echo)
    host.set_stream_handler(RESET, serve_reset)
    return host


async def test_we_call(named: tuple[str, Peer]) -> None:
    name, peer = named
    async with our_host() as host:
        connection = await host.connect(peer.address)
        assert str(connection.peer_id) == peer.peer_id
        assert (connection.security, connection.muxer_name) == ("/noise", "/yamux/1.0.0")
        said = await host.identify(connection)
        assert str(said.agent).startswith(AGENTS[name])
        assert {ECHO, RESET, "/ipfs/ping/1.0.0"} <= set(said.protocols or ())
        assert peer.address in [f"{address}/p2p/{peer.peer_id}" for address in said.addresses or ()]
        assert said.public_key == connection.public_key
        assert said.record is None or said.record.peer_id == connection.peer_id
        assert await host.ping(connection) < 5
        if isinstance(peer, GoPeer):
            reader, writer = await host.open_stream(connection, "/ipfs/ping/1.0.0")
            writer.write(bytes(32))
            writer.write_eof()
            assert await reader.read(-1) == bytes(32)  # it answers after our end, and ends, too
            writer.close()

        await echo(host, peer, (256 if is_long() else 4) * MIB)
        at_once = asyncio.Semaphore(100)  # p2pd resets more of one peer

        async def one() -> None:
            async with at_once:
                await echo(host, peer, 10_000)

        await asyncio.gather(*(one() for _ in range(1000 if is_long() else 100)))
        reader, writer = await host.open_stream(peer.address, RESET)
        writer.write(b"\1")
        if isinstance(peer, GoPeer):
            assert not await reader.read()  # the daemon makes an end of it
        else:
            with pytest.raises(ConnectionResetError):
                await reader.read()
        with pytest.raises(StreamError, match=f"{UNKNOWN} to {peer.peer_id} at /ip4/127"):
            await host.open_stream(peer.address, UNKNOWN)
        await echo(host, peer, 1)  # the connection is as good as before
        assert len(host.connections) == 1

    async with our_host() as host, our_host() as other:
        address = peer.address.replace(peer.peer_id, str(other.peer_id))
        with pytest.raises(PeerUnreachableError, match=f"the other side is {peer.peer_id}, not {other.peer_id}"):
            await host.connect(address)


async def test_they_call(named: tuple[str, Peer]) -> None:
    name, peer = named
    async with our_host() as host:
        await peer.connect(host.address)
        connection = host.connections[0]
        assert str(connection.peer_id) == peer.peer_id
        assert connection.is_inbound
        await connection.identified
        assert connection.identification.agent is not None, connection.identify_error
        assert await peer.ping(host.address) < 5
        assert await peer.echo(host.address, size=2 * MIB)
        assert await peer.echo(host.address, size=10_000, streams=50)
        assert await peer.reset(host.address) not in ("", "end") or name == "go"
        assert await peer.refused(host.address)
        assert await peer.echo(host.address, size=1)
        if name != "go":
            known = await peer.known(str(host.peer_id))
            assert {ECHO, RESET} <= set(known["protocols"])
            assert any(str(host.addresses[0]).startswith(address) for address in known["addresses"])


async def echo(host: Host, peer: Peer, size: int) -> None:
    """There and back, and the end behind it; p2pd cannot pass on an end by itself."""
    reader, writer = await host.open_stream(peer.address, ECHO, limit_bytes=MIB)
    data = os.urandom(size)
    reading = asyncio.create_task(reader.readexactly(size) if isinstance(peer, GoPeer) else reader.read(-1))
    writer.write(data)
    await writer.drain()
    if not isinstance(peer, GoPeer):
        writer.write_eof()
    assert await reading == data
    writer.close()

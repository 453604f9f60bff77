"""The transports under test. A new one adds a function here (or in its own file) and passes the whole suite."""

from __future__ import annotations

import asyncio
import errno
import random
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from tests.conformance.layers import xored
from tests.conformance.muxed import MuxedTransport
from tests.conformance.protocols import Record, Recorder
from tests.proxy_server import proxy_server
from transfer.address import Address
from transfer.aio.door import Door, guarded
from transfer.aio.host.plugs import Noise
from transfer.aio.layer import Layer
from transfer.aio.layered import LayerConfig, LayeredTransport
from transfer.aio.memory import MemoryConfig, MemoryNetwork, MemoryTransport
from transfer.aio.mse import MseAcceptor, MseDialler
from transfer.aio.negotiation import ChoosingLayer, ProposingLayer
from transfer.aio.proxy.streams import ProxyTransport
from transfer.aio.tcp import TcpListener, TcpTransport
from transfer.aio.transports import Listener, StreamTransport
from transfer.aio.utp import UtpTransport
from transfer.identity.keys import PrivateKey
from transfer.proxy.proxy import Proxy, ProxyKind
from transfer.security.mse.keys import torrent_mark
from transfer.security.mse.method import CryptoMethod
from transfer.security.mse.responder import ResponderConfig

A = TypeVar("A", bound=Record)
B = TypeVar("B", bound=Record)
P = TypeVar("P", bound=asyncio.BaseProtocol)


@dataclass(frozen=True, slots=True)
class Plug:
    """A transport, and what the checks need around it.

    Attributes:
        host: where it can listen.
        wait_quiet: returns when everything that is under way and can arrive has arrived; by default after some
            messages on a connection of its own have been there and back.
        records: protocols that the checks made, judged at the end.
    """

    transport: StreamTransport
    host: str
    wait_quiet: Callable[[], Awaitable[None]] | None = None
    records: list[Record] = field(default_factory=list)

    @property
    def address(self) -> Address:
        """A free port."""
        return Address(self.host, 0)

    async def settle(self) -> None:
        """Waits until nothing happens any more that could happen now."""
        if self.wait_quiet is not None:
            await self.wait_quiet()
            return
        async with self.pair(Recorder, Recorder) as pair:
            await pair.round_trips()

    @asynccontextmanager
    async def pair(self, server: Callable[[], A], client: Callable[[], B]) -> AsyncIterator[Pair[A, B]]:
        """Two connected protocols, which are lost on exit."""
        accepted: asyncio.Future[A] = asyncio.get_running_loop().create_future()

        def accept() -> A:
            protocol = server()
            accepted.set_result(protocol)
            return protocol

        async with await self.transport.listen(accept, self.address) as listener:
            transport, ours = await self.transport.connect(client, listener.addresses[0])
            assert transport is ours.transport
            theirs = await accepted
            self.records.extend((ours, theirs))
            await theirs.has_called("made")
            try:
                yield Pair(ours, theirs, listener)
            finally:
                for record in (ours, theirs):
                    if not record.is_lost:
                        record.transport.abort()
        await self.end(ours, theirs)
        judge(ours, theirs)

    async def end(self, *records: Record) -> None:
        """Breaks connections off and waits until their protocols know."""
        for record in records:
            if not record.is_lost:
                record.transport.abort()
        for record in records:
            await record.lost()


def judge(*records: Record) -> None:
    """Fails when a transport broke a rule that always holds, or has not ended."""
    for record in records:
        assert record.violations == [], (record.violations, record.calls)
        assert "made" not in record.calls or record.is_lost, record.calls


@dataclass(frozen=True, slots=True)
class Pair(Generic[A, B]):
    """Both ends of a connection."""

    client: B
    server: A
    listener: Listener

    async def round_trips(self) -> None:
        """A message there and back, some times: until then everything else under way has arrived as well."""
        for _ in range(5):
            for sender, receiver in ((self.client, self.server), (self.server, self.client)):
                sender.transport.write(b"?")
                await receiver.has(len(receiver.data) + 1)


class LoopTcp:
    """TCP of the running loop and nothing else: what our own sockets are held to as well."""

    async def connect(self, protocol_factory: Callable[[], P], address: Address) -> tuple[asyncio.Transport, P]:
        return await asyncio.get_running_loop().create_connection(protocol_factory, address.host, address.port)

    async def listen(
        self, protocol_factory: Callable[[], asyncio.BaseProtocol], address: Address, *, door: Door | None = None
    ) -> TcpListener:
        loop = asyncio.get_running_loop()
        if door is not None:
            protocol_factory = guarded(protocol_factory, door)
        try:
            return TcpListener(await loop.create_server(protocol_factory, address.host, address.port, backlog=512))
        except OSError as error:
            if error.errno is None and sys.version_info >= (3, 13):  # the one thing that it does not tell
                raise OSError(errno.EADDRNOTAVAIL, str(error)) from error
            raise


@asynccontextmanager
async def loop_tcp() -> AsyncIterator[Plug]:
    yield Plug(LoopTcp(), "127.0.0.1")


@asynccontextmanager
async def tcp_ipv4() -> AsyncIterator[Plug]:
    yield Plug(TcpTransport(), "127.0.0.1")


@asynccontextmanager
async def tcp_ipv6() -> AsyncIterator[Plug]:
    yield Plug(TcpTransport(), "::1")


@asynccontextmanager
async def memory() -> AsyncIterator[Plug]:
    async with memory_network(MemoryConfig(), "127.0.0.1") as plug:
        yield plug


@asynccontextmanager
async def narrow_memory() -> AsyncIterator[Plug]:
    """Everything arrives in odd portions, and hardly anything is on its way."""
    async with memory_network(MemoryConfig(window_bytes=1, read_bytes=997), "fd00::1") as plug:
        yield plug


@asynccontextmanager
async def memory_network(config: MemoryConfig, host: str) -> AsyncIterator[Plug]:
    network = MemoryNetwork(config)
    yield Plug(MemoryTransport(network, host), host)
    assert (network.streams, network.listeners) == (0, 0)


@asynccontextmanager
async def utp() -> AsyncIterator[Plug]:
    """Over IPv6 and on shared ports: tests/unit/transfer/aio/test_utp.py."""
    async with UtpTransport(rng=random.Random(1)) as transport:
        yield Plug(transport, "127.0.0.1")


def through_layer(below: StreamTransport) -> LayeredTransport:
    """Through a layer that changes nothing."""
    return LayeredTransport(below, dial=lambda _: Layer(), accept=Layer)


@asynccontextmanager
async def layered_tcp() -> AsyncIterator[Plug]:
    yield Plug(through_layer(TcpTransport()), "127.0.0.1")


@asynccontextmanager
async def layered_memory() -> AsyncIterator[Plug]:
    async with memory() as plug:
        yield Plug(through_layer(plug.transport), plug.host)


@asynccontextmanager
async def two_layers() -> AsyncIterator[Plug]:
    """One with a handshake that transforms everything over one that does nothing, and odd portions."""
    async with memory_network(MemoryConfig(read_bytes=9_973), "127.0.0.1") as plug:
        yield Plug(xored(through_layer(plug.transport)), plug.host)


def encrypted(below: StreamTransport) -> LayeredTransport:
    """Through MSE whose responder chooses RC4."""
    config = ResponderConfig(methods=(CryptoMethod.RC4,))
    find = {torrent_mark(SKEY): SKEY}.get
    return LayeredTransport(
        below,
        dial=lambda _: MseDialler(SKEY),
        accept=lambda: MseAcceptor(find, plain_prefix=b"\x13BitTorrent protocol", config=config),
        config=LayerConfig(max_handshaking=300),
    )


class ThroughProxy:
    """Listens on TCP, and dials there through a proxy."""

    def __init__(self, proxy: Proxy) -> None:
        self._proxied = ProxyTransport(proxy)

    async def connect(self, protocol_factory: Callable[[], P], address: Address) -> tuple[asyncio.Transport, P]:
        return await self._proxied.connect(protocol_factory, address)

    async def listen(
        self, protocol_factory: Callable[[], asyncio.BaseProtocol], address: Address, *, door: Door | None = None
    ) -> Listener:
        return await TcpTransport().listen(protocol_factory, address, door=door)


@asynccontextmanager
async def socks5() -> AsyncIterator[Plug]:
    async with proxy_server(ProxyKind.SOCKS5, username="user", password="secret") as server:
        yield Plug(ThroughProxy(server.proxy), "127.0.0.1")


@asynccontextmanager
async def encrypted_tcp() -> AsyncIterator[Plug]:
    yield Plug(encrypted(TcpTransport()), "127.0.0.1")


@asynccontextmanager
async def encrypted_memory() -> AsyncIterator[Plug]:
    """RC4 all along, in odd portions."""
    async with memory_network(MemoryConfig(read_bytes=997), "127.0.0.1") as plug:
        yield Plug(encrypted(plug.transport), plug.host)


def noisy(below: StreamTransport) -> LayeredTransport:
    """Through multistream-select, which agrees on Noise without waiting, as connections of libp2p are."""
    keys = PrivateKey.from_seed(bytes(32)), PrivateKey.from_seed(bytes(31) + b"\1")
    ours, theirs = Noise(keys[0]), Noise(keys[1])

    def dialled(layer: Layer, protocol: str) -> Layer:
        expected = keys[1].peer_id
        return ours.make_layer(is_initiator=True, muxers=(), expected=expected, above=lambda layer, muxer: None)

    def accepted(layer: Layer, protocol: str) -> Layer:
        return theirs.make_layer(is_initiator=False, muxers=(), expected=None, above=lambda layer, muxer: None)

    return LayeredTransport(
        below,
        dial=lambda _: ProposingLayer(["/noise"], says="security", above=dialled, is_lazy=True),
        accept=lambda: ChoosingLayer("/noise".__eq__, says="security", above=accepted),
        config=LayerConfig(max_handshaking=300),
    )


@asynccontextmanager
async def noisy_tcp() -> AsyncIterator[Plug]:
    yield Plug(noisy(TcpTransport()), "127.0.0.1")


@asynccontextmanager
async def noisy_memory() -> AsyncIterator[Plug]:
    """Records come in odd portions."""
    async with memory_network(MemoryConfig(read_bytes=9_973), "127.0.0.1") as plug:
        yield Plug(noisy(plug.transport), plug.host)


@asynccontextmanager
async def muxed_tcp() -> AsyncIterator[Plug]:
    transport = MuxedTransport(TcpTransport())
    yield Plug(transport, "127.0.0.1")
    await transport.wait_closed()


@asynccontextmanager
async def muxed_memory() -> AsyncIterator[Plug]:
    """Frames come in odd portions, through a layer that transforms them."""
    async with memory_network(MemoryConfig(read_bytes=9_973), "127.0.0.1") as plug:
        transport = MuxedTransport(xored(plug.transport))
        yield Plug(transport, plug.host)
        await transport.wait_closed()


SKEY = bytes(range(20))

# The loop's TCP comes first: what it does not do, no other transport may be asked to do.
PLUGS: dict[str, Callable[[], AbstractAsyncContextManager[Plug]]] = {
    "loop-tcp": loop_tcp,
    "tcp-ipv4": tcp_ipv4,
    "tcp-ipv6": tcp_ipv6,
    "memory": memory,
    "narrow-memory": narrow_memory,
    "utp": utp,
    "layered-tcp": layered_tcp,
    "layered-memory": layered_memory,
    "two-layers": two_layers,
    "socks5": socks5,
    "encrypted-tcp": encrypted_tcp,
    "encrypted-memory": encrypted_memory,
    "noisy-tcp": noisy_tcp,
    "noisy-memory": noisy_memory,
    "muxed-tcp": muxed_tcp,
    "muxed-memory": muxed_memory,
}

# What a proxy in between cannot let through: whose address it is, a reset, and how much is not read yet.
NOT_THROUGH_A_PROXY = {
    "each_side_knows_both_names",
    "close_flushes",
    "closing_with_unread_data_resets_the_other_side",
    "an_answer_is_read_before_the_reset_behind_it",
}


def applies(check: str, plug: str) -> bool:
    """Whether a transport can be held to a check at all."""
    return plug != "socks5" or check not in (NOT_THROUGH_A_PROXY | {"many_connections_at_once"})  # takes its time

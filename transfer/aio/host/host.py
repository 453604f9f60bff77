"""A libp2p host: a key, listeners, connections, and streams on them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Mapping, Sequence
from types import TracebackType
from typing import Self, TypeVar

from transfer.aio.host.connection import HostConnection
from transfer.aio.host.dialler import dial
from transfer.aio.host.feed import EventFeed
from transfer.aio.host.keeping import Keeping
from transfer.aio.host.links import Links
from transfer.aio.host.listening import Listening
from transfer.aio.host.names import LookUpText
from transfer.aio.host.plugs import MuxerKind, Noise, Security, Yamux
from transfer.aio.host.services import Identify, Ping, serve_own
from transfer.aio.host.serving import StreamHandler, StreamServices
from transfer.aio.host.targets import Target, as_multiaddr, protocol_names, whom_and_where
from transfer.aio.limits import Limits
from transfer.aio.reader_writer import DEFAULT_LIMIT_BYTES
from transfer.aio.tasks import TaskSet
from transfer.aio.tcp import TcpTransport
from transfer.aio.transports import StreamTransport
from transfer.errors import LocalProtocolError
from transfer.host.config import HostConfig
from transfer.host.dial import DialCore
from transfer.host.events import HostEvent, PeerIdentified
from transfer.host.identify import Identification
from transfer.host.peer_book import PeerBook
from transfer.host.peer_record import PeerRecord
from transfer.host.report import DialReport, HostReport
from transfer.host.route import Carrier
from transfer.identity.keys import PrivateKey
from transfer.identity.peer_id import PeerId
from transfer.multiaddr.multiaddr import Multiaddr

P = TypeVar("P", bound=asyncio.BaseProtocol)


class Host:
    """`async with Host(listen=["/ip4/127.0.0.1/tcp/0"]) as host:`; leaving ends all connections.

    Nothing is contacted that was not named: no bootstrap peers, no relays, no discovery.

    Args:
        identity: its key; by default a new one.
        listen: multiaddrs; exactly these are bound.
        transports: by what they carry; TCP by default.
        security: kinds of it, the best first.
        muxers: likewise.
        limits: of connections; may be shared by several hosts.
        config: bounds and times.
        look_up_text: TXT records for `/dnsaddr`; by default the resolvers of the system.

    Attributes:
        peer_id: its own.
        peers: what it knows of others.
        limits: see above.
    """

    def __init__(
        self,
        *,
        identity: PrivateKey | None = None,
        listen: Iterable[Multiaddr | str] = (),
        transports: Mapping[Carrier, StreamTransport] | None = None,
        security: Sequence[type[Security]] = (Noise,),
        muxers: Sequence[MuxerKind] | None = None,
        limits: Limits | None = None,
        config: HostConfig | None = None,
        look_up_text: LookUpText | None = None,
    ) -> None:
        self.identity = identity or PrivateKey.generate()
        self.peer_id = self.identity.peer_id
        self.config = config or HostConfig()
        self.peers = PeerBook(self.config.peers)
        self.tasks = TaskSet(self._task_failed)
        self._listen = [as_multiaddr(address) for address in listen]
        self._transports = dict(transports or {Carrier.TCP: TcpTransport()})
        self._security = tuple(security)
        self._muxers = tuple(muxers if muxers is not None else (Yamux(),))
        self._given_limits = limits
        self._look_up_text = look_up_text
        self._services = StreamServices(self.tasks)
        self._identify = Identify(self)
        self._ping = Ping()
        self._feed: EventFeed[HostEvent] = EventFeed()
        self._keeping = Keeping(self.config, self._feed)
        self._calls: list[DialReport] = []
        self._turns: dict[PeerId, asyncio.Lock] = {}
        self._sequence = 0
        self._links: Links | None = None
        self._listening: Listening | None = None
        serve_own(self._services, self._identify, self._ping, self.config)

    # Life

    async def __aenter__(self) -> Self:
        if self._links is not None:
            raise LocalProtocolError("a host is opened once; make a new one")
        self.limits = self._given_limits or Limits(settles=False)
        self.limits.open()
        self._links = Links(
            own=self.peer_id,
            securities=[kind(self.identity) for kind in self._security],
            muxers=self._muxers,
            services=self._services,
            limits=self.limits,
            config=self.config,
            book=self.peers,
            feed=self._feed,
            tasks=self.tasks,
            identify=self._identify,
            keeping=self._keeping,
            transports=self._transports,
        )
        self._listening = Listening(self._transports, self._links, self.config, self.limits)
        try:
            for address in self._listen:
                await self.listen(address)
        except BaseException:
            await self.aclose()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Listens no more, says good-bye to everybody, and ends. Harmless twice."""
        self._identify.close()
        self._keeping.close()
        if self._listening is not None:
            await self._listening.aclose()
        await self.tasks.aclose()
        if self._links is not None:
            await self._links.aclose()
        self._feed.close()
        if self._given_limits is None and self._links is not None:
            self.limits.close()

    # Where it is

    async def listen(self, address: Multiaddr | str) -> tuple[Multiaddr, ...]:
        """Accepts connections at an address, too; returns what is bound, this host's id at its end.

        Raises:
            NotDialableError: no transport of this host can listen there.
            OSError: it is in use, or not of this machine.
        """
        assert self._listening is not None, "use the host with `async with`"
        bound = await self._listening.listen(as_multiaddr(address))
        self._identify.changed()
        return tuple(each.of_peer(self.peer_id) for each in bound)

    @property
    def addresses(self) -> tuple[Multiaddr, ...]:
        """Where it can be called, its id at the end of each. Of a wildcard, the addresses of this machine."""
        found = () if self._listening is None else self._listening.addresses
        return tuple(address.of_peer(self.peer_id) for address in found)

    @property
    def address(self) -> str:
        """One of them as a text: paste it into `connect` of another host.

        Raises:
            LocalProtocolError: it does not listen.
        """
        if not self.addresses:
            raise LocalProtocolError("this host does not listen, so there is no address of it")
        return str(self.addresses[0])

    # Connections

    async def connect(self, target: Target) -> HostConnection:
        """A connection to a peer: the one that is there, or a new one.

        Raises:
            PeerUnreachableError: none of its addresses led to it; the text and `explain` say why.
            MultiaddrError, IdentityError: `target` is neither an address nor an id.

        Cancellation: leaves no new connection.
        """
        peer_id, addresses = whom_and_where(target)
        if peer_id is None:
            return await self._dial(None, addresses)
        if peer_id == self.peer_id:
            raise LocalProtocolError(f"{peer_id} is this host itself")
        turn = self._turns.setdefault(peer_id, asyncio.Lock())
        try:
            async with turn:
                connection = self.connection_to(peer_id)
                return connection or await self._dial(peer_id, addresses)
        finally:
            if not turn.locked() and self._turns.get(peer_id) is turn:
                del self._turns[peer_id]

    @property
    def connections(self) -> tuple[HostConnection, ...]:
        """All that are open."""
        return () if self._links is None else self._links.all

    def connection_to(self, peer_id: PeerId) -> HostConnection | None:
        """One with a peer that is open, the oldest."""
        return None if self._links is None else self._links.to(peer_id)

    def disconnect(self, peer_id: PeerId) -> None:
        """Ends all connections with a peer, and the streams on them."""
        for connection in self.connections:
            if connection.peer_id == peer_id:
                connection.abort()

    # What peers are worth, where there are more than `HostConfig.keeper` allows

    def tag(self, peer_id: PeerId, name: str, value: float) -> None:
        """What a peer is worth for one reason, as long as it is connected; those worth least go first.

        Raises:
            ValueError: it has as many tags as it may have.
        """
        self._keeping.peers.tag(peer_id, name, value)

    def untag(self, peer_id: PeerId, name: str) -> None:
        """The reason is gone. Harmless twice."""
        self._keeping.peers.untag(peer_id, name)

    def bump(self, peer_id: PeerId, name: str, value: float, *, half_life_s: float = 600.0) -> None:
        """A peer has earned something, on top of what it had, which is worth half after `half_life_s`."""
        now = asyncio.get_running_loop().time()
        self._keeping.peers.bump(peer_id, name, value, half_life_s=half_life_s, now=now)

    def protect(self, peer_id: PeerId, name: str) -> None:
        """A peer is not let go, connected or not, until `unprotect` is called with each reason that was named."""
        self._keeping.peers.protect(peer_id, name)

    def unprotect(self, peer_id: PeerId, name: str) -> bool:
        """The reason is gone; whether there are others. Harmless twice."""
        return self._keeping.peers.unprotect(peer_id, name)

    # Streams

    async def open_stream(
        self,
        target: Target | HostConnection,
        protocols: str | Sequence[str],
        *,
        is_lazy: bool | None = None,
        is_long_lived: bool = False,
        limit_bytes: int = DEFAULT_LIMIT_BYTES,
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A stream to a peer, which is called if it has to be.

        Args:
            protocols: what to speak on it, the best first. `writer.get_extra_info("protocol")` tells which it is.
            is_lazy: the first is taken for granted, and a refusal told by the first read. None: if the peer has said
                that it speaks it.
            is_long_lived: it may be silent for as long as it likes. Others are reset when nothing moves on them for a
                minute (`HostConfig.idle`), by the peer as well if it is of this library.
            limit_bytes: the reader stops reading when it holds twice as much.

        Raises:
            StreamError: the peer speaks none of them, or the connection broke.
            PeerUnreachableError: as `connect`.

        Cancellation: leaves no stream.
        """
        connection, proposals, lazily = await self._prepare(target, protocols, is_lazy)
        return await connection.open_stream(
            proposals, limit_bytes=limit_bytes, is_lazy=lazily, is_long_lived=is_long_lived
        )

    async def create_stream(
        self,
        protocol_factory: Callable[[], P],
        target: Target | HostConnection,
        protocols: str | Sequence[str],
        *,
        is_lazy: bool | None = None,
        is_long_lived: bool = False,
    ) -> tuple[asyncio.Transport, P]:
        """The same for any protocol of asyncio, as `loop.create_connection` has it."""
        connection, proposals, lazily = await self._prepare(target, protocols, is_lazy)
        return await connection.create_stream(protocol_factory, proposals, is_lazy=lazily, is_long_lived=is_long_lived)

    def set_stream_handler(
        self,
        protocols: str | Sequence[str],
        handler: StreamHandler,
        *,
        limit_bytes: int = DEFAULT_LIMIT_BYTES,
        max_per_peer: int | None = None,
        is_long_lived: bool = False,
    ) -> None:
        """Streams that peers open for one of `protocols` run `handler(reader, writer)`, each in a task of its own.

        When it returns, the stream is closed, and when it raises, reset. `writer.get_extra_info` tells "peer_id",
        "protocol" and "connection".

        Args:
            is_long_lived: they may be silent for as long as they like, as in `open_stream`.
        """
        for protocol in protocol_names(protocols):
            self._services.set_handler(
                protocol, handler, limit_bytes=limit_bytes, max_per_peer=max_per_peer, is_long_lived=is_long_lived
            )
        self._changed()

    def set_stream_protocol(
        self,
        protocols: str | Sequence[str],
        protocol_factory: Callable[[], asyncio.BaseProtocol],
        *,
        max_per_peer: int | None = None,
        is_long_lived: bool = False,
    ) -> None:
        """The same with a protocol of asyncio for each stream, as `loop.create_server` has it."""
        for protocol in protocol_names(protocols):
            self._services.set_factory(
                protocol, protocol_factory, max_per_peer=max_per_peer, is_long_lived=is_long_lived
            )
        self._changed()

    def remove_stream_handler(self, protocols: str | Sequence[str]) -> None:
        """These are spoken no more; streams that are open go on."""
        for protocol in protocol_names(protocols):
            self._services.remove(protocol)
        self._changed()

    # What every host speaks

    async def identify(self, target: Target | HostConnection) -> Identification:
        """What a peer has told of itself since it was connected. One that has not said anything is asked again.

        Raises:
            StreamError, IdentifyError: it does not answer, or what it says is not true.
        """
        connection = await self._connection(target)
        await asyncio.shield(connection.identified)
        return connection.identification if connection.is_identified else await self._identify.ask(connection)

    async def ping(self, target: Target | HostConnection) -> float:
        """One round trip in seconds.

        Raises:
            StreamError: no answer.
        """
        pings = self.pings(target)
        try:
            return await anext(pings)
        finally:
            await pings.aclose()

    async def pings(self, target: Target | HostConnection, *, interval_s: float = 1.0) -> AsyncGenerator[float, None]:
        """Round trips, one after the other, as long as they are asked for."""
        pings = self._ping.ping(await self._connection(target), interval_s=interval_s)
        try:
            async for seconds in pings:
                yield seconds
        finally:
            await pings.aclose()

    # Views

    def events(self) -> AsyncIterator[HostEvent]:
        """What happens from now on. A program that does not keep up misses the oldest ones."""
        return self._feed.follow()

    def explain(self, peer_id: PeerId | None = None) -> HostReport:
        """Which addresses were called last, what came of each and what to do; who was let go, and which limit refused.

        Args:
            peer_id: of this peer only.
        """
        calls = tuple(call for call in self._calls if peer_id in (None, call.peer_id))
        dropped = tuple(each for each in self._keeping.dropped if peer_id in (None, each.peer_id))
        return HostReport(calls, self.limits.explain(), dropped)

    def own_identification(self, connection: HostConnection) -> Identification:
        """What this host tells of itself on a connection."""
        addresses = () if self._listening is None else self._listening.addresses
        self._sequence = max(self._sequence + 1, time.time_ns() // 1_000_000)
        record = PeerRecord(self.peer_id, self._sequence, addresses).seal(self.identity).to_bytes()
        return Identification(
            public_key=self.identity.public_key,
            addresses=addresses,
            protocols=self._services.protocols,
            observed=connection.remote.without_peer_id,
            protocol_version=self.config.protocol_version,
            agent=self.config.agent,
            record_bytes=record,
        )

    def learned(self, connection: HostConnection, said: Identification) -> None:
        """A peer has told of itself."""
        self.peers.identified(connection.peer_id, said, now=asyncio.get_running_loop().time())
        self._feed.put(PeerIdentified(connection.peer_id, said))

    async def _dial(self, peer_id: PeerId | None, addresses: Sequence[Multiaddr]) -> HostConnection:
        assert self._links is not None, "use the host with `async with`"
        now = asyncio.get_running_loop().time()
        known = () if peer_id is None else self.peers.addresses(peer_id, now=now)
        core = DialCore(self.config.dial, now=now)
        try:
            return await dial(
                peer_id,
                [*addresses, *known],
                self._links.call,
                self.config.dial,
                self._transports,
                core=core,
                look_up_text=self._look_up_text,
            )
        finally:
            self._calls.append(DialReport(peer_id, now, tuple(core.attempts)))
            del self._calls[: -self.config.max_reports]

    async def _connection(self, target: Target | HostConnection) -> HostConnection:
        return target if isinstance(target, HostConnection) else await self.connect(target)

    async def _prepare(
        self, target: Target | HostConnection, protocols: str | Sequence[str], is_lazy: bool | None
    ) -> tuple[HostConnection, tuple[str, ...], bool]:
        names = protocol_names(protocols)
        connection = await self._connection(target)
        if is_lazy is None:
            spoken = self.peers.speaks(connection.peer_id, names)
            if spoken is not None:
                return connection, (spoken,), True
        return connection, names, bool(is_lazy)

    def _changed(self) -> None:
        if self._links is not None:
            self._identify.changed()

    def _task_failed(self, error: BaseException) -> None:
        context = {"message": "a task of a host failed", "exception": error}
        asyncio.get_running_loop().call_exception_handler(context)

"""One connection of a host with a peer, and the streams on it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar, cast

from transfer.address import Address
from transfer.aio.host.keeping import OurStream, TheirStream, WatchedStream
from transfer.aio.layer import Layer
from transfer.errors import HandshakeTimeoutError, TransferError
from transfer.host.errors import StreamError
from transfer.host.identify import Identification
from transfer.identity.keys import PublicKey
from transfer.identity.peer_id import PeerId
from transfer.limits.streams import StreamLimits
from transfer.multiaddr.multiaddr import Multiaddr

if TYPE_CHECKING:
    from transfer.aio.host.keeping import Keeping
    from transfer.aio.host.plugs import Muxer
    from transfer.aio.host.upgrade import Upgraded
    from transfer.host.config import HostConfig
    from transfer.limits.places import Seat

P = TypeVar("P", bound=asyncio.BaseProtocol)
Serve = Callable[["HostConnection", Layer, str], asyncio.BaseProtocol]


class HostConnection:
    """A connection whose other side is known.

    Attributes:
        peer_id, public_key: of the other side.
        remote: where it is, its id included.
        local: our end; None where the transport does not tell.
        is_inbound: it was the other side that called.
        security, muxer_name: what was agreed on.
        identification: what the peer has told of itself so far.
        identify_error: why it has not.
        identified: done when it has told, or could not.
        opened_at: seconds of the loop's clock.
        stream_limits: how many streams there may be on it.
        keeping: resets streams on which nothing moves.
        drop_reason: why this host has ended it, if a rule of its own did.
    """

    muxer: Muxer

    def __init__(
        self,
        upgraded: Upgraded,
        seat: Seat,
        config: HostConfig,
        *,
        remote: Multiaddr,
        local: Multiaddr | None,
        speaks: Callable[[str], bool],
        serve: Serve,
        keeping: Keeping,
    ) -> None:
        layer = upgraded.layer
        loop = asyncio.get_running_loop()
        self.peer_id: PeerId = layer.get_extra_info("peer_id")
        self.public_key: PublicKey = layer.get_extra_info("public_key")
        self.security: str = layer.get_extra_info("security")
        self.muxer_name = upgraded.muxer.protocol
        self.is_inbound = not upgraded.is_initiator
        self.remote = remote.of_peer(self.peer_id)
        self.local = local
        self.seat = seat
        self.identification = NOTHING_SAID
        self.identify_error = ""
        self.identified: asyncio.Future[None] = loop.create_future()
        self.opened_at = loop.time()
        self._layer = layer
        self._config = config
        self.stream_limits = StreamLimits(seat.scope, config.streams)
        self.keeping = keeping
        self.drop_reason = ""
        self._speaks = speaks
        self._serve = serve

    # Streams of ours

    async def create_stream(
        self,
        protocol_factory: Callable[[], P],
        protocols: Sequence[str],
        *,
        is_lazy: bool = False,
        is_long_lived: bool = False,
    ) -> tuple[asyncio.Transport, P]:
        """Opens a stream for the first of `protocols` that the peer speaks, as `loop.create_connection` does.

        Args:
            is_lazy: the first is taken for granted; a refusal is then told by a lost connection.
            is_long_lived: it may be silent for as long as it likes; others are reset (`HostConfig.idle`).

        Raises:
            StreamError: the peer speaks none of them, or does not answer, there are too many, or the connection
                is over.

        Cancellation: the stream is reset.
        """
        opening = _Opening(protocol_factory)
        layer = OurStream(protocols, says="protocol", is_lazy=is_lazy)
        self._introduce(layer)
        if is_long_lived:
            layer.keeping = None
        layer.prepare(opening)
        try:
            async with asyncio.timeout(self._config.stream_timeout_s):
                await self.muxer.create_stream(lambda: layer)
                transport, protocol = await opening.ready
        except TimeoutError:
            layer.abort()
            cause = HandshakeTimeoutError(f"no answer within {self._config.stream_timeout_s:g} s")
            raise StreamError(self.peer_id, str(self.remote), protocols, cause) from cause
        except (OSError, TransferError) as error:
            layer.abort()
            raise StreamError(self.peer_id, str(self.remote), protocols, error) from error
        except BaseException:
            layer.abort()
            raise
        return transport, cast("P", protocol)

    async def open_stream(
        self, protocols: Sequence[str], *, limit_bytes: int, is_lazy: bool = False, is_long_lived: bool = False
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """The same with asyncio's reader and writer."""
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader(limit=limit_bytes, loop=loop)
        transport, protocol = await self.create_stream(
            lambda: asyncio.StreamReaderProtocol(reader, loop=loop),
            protocols,
            is_lazy=is_lazy,
            is_long_lived=is_long_lived,
        )
        return reader, asyncio.StreamWriter(transport, protocol, reader, loop)

    # Streams of the peer's

    def accept(self) -> asyncio.BaseProtocol:
        """The protocol of a stream that the peer has opened."""
        layer = TheirStream(
            self._speaks, says="protocol", above=lambda layer, protocol: self._serve(self, layer, protocol)
        )
        self._introduce(layer)
        layer.prepare(_Accepting(layer, self._config.stream_timeout_s))
        return layer

    # Ending

    def close(self) -> None:
        """Takes no more streams, and ends when those that are open have ended. Harmless twice."""
        self.muxer.close()

    def abort(self) -> None:
        """Ends it at once."""
        self.muxer.abort()

    async def wait_lost(self) -> None:
        """Returns when it is over."""
        await self.muxer.wait_closed()

    @property
    def is_closing(self) -> bool:
        """Whether it is over, or will be soon."""
        return self.muxer.is_closing or self._layer.is_closing()

    @property
    def is_identified(self) -> bool:
        """Whether the peer has told of itself."""
        return self.identification != NOTHING_SAID

    @property
    def streams(self) -> int:
        """Streams that are open, the peer's and ours."""
        return self.muxer.stream_count

    @property
    def rtt_s(self) -> float | None:
        """The round trip, once it was measured."""
        return self.muxer.rtt_s

    @property
    def host(self) -> str:
        """The IP address of the other side, as limits know it."""
        return self.seat.host

    def __repr__(self) -> str:
        return f"<connection {'from' if self.is_inbound else 'to'} {self.remote}, {self.streams} streams>"

    def _introduce(self, layer: WatchedStream) -> None:
        layer.keeping = self.keeping
        layer.extra["peer_id"] = self.peer_id
        layer.extra["connection"] = self


class _Opening:
    """An `Opening` that a coroutine waits for."""

    def __init__(self, protocol_factory: Callable[[], asyncio.BaseProtocol]) -> None:
        self.make_above = protocol_factory
        self.ready: asyncio.Future[tuple[asyncio.Transport, Any]] = asyncio.get_running_loop().create_future()

    def waits(self, layer: Layer) -> None:
        """As long as the caller waits."""

    def opened(self, transport: asyncio.Transport, protocol: asyncio.BaseProtocol) -> None:
        if not self.ready.done():
            self.ready.set_result((transport, protocol))

    def failed(self, error: BaseException) -> None:
        if not self.ready.done():
            self.ready.set_exception(error)
            self.ready.exception()  # whoever waits gets it; nobody else has to


class _Accepting:
    """An `Opening` of a stream of the peer's: it has to say soon what it is for."""

    def __init__(self, layer: Layer, timeout_s: float) -> None:
        error = HandshakeTimeoutError(f"no protocol was agreed on within {timeout_s:g} s")
        self._timer = asyncio.get_running_loop().call_later(timeout_s, layer.fail, error)

    def make_above(self) -> asyncio.BaseProtocol:
        raise AssertionError("what is above is made by whoever serves the protocol")

    def waits(self, layer: Layer) -> None:
        """Its timer runs."""

    def opened(self, transport: asyncio.Transport, protocol: asyncio.BaseProtocol) -> None:
        self._timer.cancel()

    def failed(self, error: BaseException) -> None:
        self._timer.cancel()


def endpoint(layer: Layer, name: str) -> Address | None:
    """One end of a connection, as the transport tells it."""
    found = layer.get_extra_info(name)
    return Address.from_socket(found) if isinstance(found, tuple) and len(found) >= 2 else None


NOTHING_SAID = Identification()

"""What a host is put together from: security, muxers, and a user's own of either."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from transfer.aio.layer import Layer
from transfer.aio.muxing.connection import YamuxConnection
from transfer.aio.negotiation import Above
from transfer.aio.noise import NoiseLayer
from transfer.aio.plaintext import PlaintextLayer
from transfer.identity.keys import PrivateKey
from transfer.identity.peer_id import PeerId
from transfer.limits.streams import StreamLimits
from transfer.muxing.yamux.config import YamuxConfig

P = TypeVar("P", bound=asyncio.BaseProtocol)


class Security(Protocol):
    """A way to find out who the other side is, and to keep others from reading on.

    Attributes:
        protocol: as it is proposed.
    """

    protocol: str

    def __init__(self, identity: PrivateKey) -> None:
        """For a host with a key."""

    def make_layer(self, *, is_initiator: bool, muxers: Sequence[str], expected: PeerId | None, above: Above) -> Layer:
        """The layer of one connection. When it opens, `get_extra_info` tells "peer_id" and "public_key".

        Args:
            muxers: that may be agreed on within the handshake.
            expected: the peer that is called: any other one is refused.
            above: makes what is above, of the layer and the muxer that was agreed on, or "".
        """
        ...


class Muxer(Protocol):
    """Many streams over one connection: an `asyncio.Protocol` above the last layer.

    A stream may tell by `get_extra_info("moved_at")` when something moved on it; one that does not is never idle.
    """

    async def create_stream(self, protocol_factory: Callable[[], P]) -> tuple[asyncio.Transport, P]:
        """A new stream, whose protocol is told of it before this returns. What is written at once leaves with it.

        It waits while the other side has to take others first.

        Raises:
            ConnectionError: the connection is over, or takes no more streams.
            LimitReachedError: there are too many.
        """
        ...

    def close(self) -> None:
        """Takes no more streams, and ends the connection when those that are open have ended."""

    def abort(self) -> None:
        """Resets all streams and ends the connection."""

    def probe(self) -> None:
        """Asks the other side for a sign of life, which `heard_at` tells."""

    async def wait_closed(self) -> None:
        """Waits until the connection is lost."""

    @property
    def heard_at(self) -> float:
        """When something came from the other side the last time, in seconds of the loop's clock."""
        ...

    @property
    def is_closing(self) -> bool:
        """Whether no stream can be opened any more."""
        ...

    @property
    def error(self) -> BaseException | None:
        """What has ended the connection, if not we and not the other side in good order."""
        ...

    @property
    def stream_count(self) -> int:
        """Streams that are open."""
        ...

    @property
    def rtt_s(self) -> float | None:
        """The round trip, once it was measured."""
        ...


class MuxerKind(Protocol):
    """Makes muxers.

    Attributes:
        protocol: as it is proposed.
    """

    protocol: str

    def make(
        self, accept: Callable[[], asyncio.BaseProtocol | None], *, is_initiator: bool, limits: StreamLimits
    ) -> Muxer:
        """The muxer of one connection; it is an `asyncio.Protocol`, too.

        Args:
            accept: makes the protocol of a stream that the other side has opened; None: the stream is reset.
            limits: how many streams there may be.
        """
        ...


class Yamux:
    """`/yamux/1.0.0`: see `YamuxConnection`."""

    protocol = "/yamux/1.0.0"

    def __init__(self, config: YamuxConfig | None = None) -> None:
        self._config = config

    def make(
        self, accept: Callable[[], asyncio.BaseProtocol | None], *, is_initiator: bool, limits: StreamLimits
    ) -> YamuxConnection:
        """As `MuxerKind.make`."""
        return YamuxConnection(accept, is_initiator=is_initiator, config=self._config, limits=limits)


class Noise:
    """`/noise`: see `NoiseLayer`. One static key for the life of the host."""

    protocol = "/noise"

    def __init__(self, identity: PrivateKey) -> None:
        self._identity = identity
        self._static = X25519PrivateKey.generate()

    def make_layer(
        self, *, is_initiator: bool, muxers: Sequence[str], expected: PeerId | None, above: Above
    ) -> NoiseLayer:
        """As `Security.make_layer`."""
        return NoiseLayer(
            is_initiator=is_initiator,
            identity=self._identity,
            static=self._static,
            muxers=muxers,
            expected=expected,
            above=above,
        )


class Plaintext:
    """`/plaintext/2.0.0`: nothing is encrypted, and nobody proves who it is. For tests."""

    protocol = "/plaintext/2.0.0"

    def __init__(self, identity: PrivateKey) -> None:
        self._key = identity.public_key

    def make_layer(
        self, *, is_initiator: bool, muxers: Sequence[str], expected: PeerId | None, above: Above
    ) -> PlaintextLayer:
        """As `Security.make_layer`."""
        return PlaintextLayer(self._key, expected=expected, above=above)

"""What a node of libp2p's DHT needs of a host: streams to peers by their id, and word of who they are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import asyncio
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

    from transfer.identity.peer_id import PeerId
    from transfer.multiaddr.multiaddr import Multiaddr

    StreamHandler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class PeerConnection(Protocol):
    """A connection with a peer that has proved its id.

    Attributes:
        peer_id: whose it is.
        remote: where the other side is; its id may stand at the end.
    """

    @property
    def peer_id(self) -> PeerId: ...

    @property
    def remote(self) -> Multiaddr: ...


class StreamHost(Protocol):
    """`transfer.Host` is one; a memory one will do for tests.

    The writer of each stream tells "peer_id" and "connection" (a `PeerConnection`) by `get_extra_info`.
    """

    @property
    def peer_id(self) -> PeerId:
        """Its own id."""
        ...

    @property
    def addresses(self) -> tuple[Multiaddr, ...]:
        """Where it can be called."""
        ...

    async def connect(self, target: Any) -> Any:
        """A `PeerConnection` to a peer, named by its id or by its addresses.

        Raises:
            OSError: it cannot be reached.
        """
        ...

    def connection_to(self, peer_id: PeerId) -> Any:
        """The `PeerConnection` with a peer that is open; None if there is none."""
        ...

    async def open_stream(
        self, target: Any, protocols: Sequence[str]
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A stream to a peer, named by its id or by its addresses, its id at their end.

        Raises:
            OSError: it cannot be reached, or speaks none of the protocols: then `__cause__` is NoCommonProtocolError.
        """
        ...

    def set_stream_handler(
        self, protocols: str, handler: StreamHandler, *, max_per_peer: int | None = None
    ) -> None:  # fmt: skip
        """Streams that peers open for a protocol run the handler; when it raises or aborts, the stream is reset."""
        ...

    def remove_stream_handler(self, protocols: str) -> None:
        """The protocol is spoken no more."""
        ...

    def events(self) -> AsyncIterator[Any]:
        """What happens. An event with `peer_id` and `said` tells what a peer says of itself (identify).

        `said.addresses` and `said.protocols` are tuples, or None where it did not say.
        """
        ...

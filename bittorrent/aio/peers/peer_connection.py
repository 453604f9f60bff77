"""One connection to a peer: moves bytes between an asyncio transport and a `PeerCore`, and decides nothing."""

from __future__ import annotations

import asyncio
from typing import Protocol, cast

from bittorrent.origin import ServerUrl
from bittorrent.peer.config import PeerConfig
from bittorrent.peer.core import PeerCore
from bittorrent.wire.handshake import Handshake
from transfer.address import Address
from transfer.aio.limits import LimitEntry
from transfer.aio.scatter import ScatterProtocol
from transfer.path_stats import PathStats


class ConnectionOwner(Protocol):
    """The owner, which is told what happens on a connection: the session until the torrent is known, then the torrent.

    All calls come from the event loop, none of them may raise.
    """

    def connection_opened(self, connection: PeerConnection) -> None:
        """The transport is there."""

    def connection_received(self, connection: PeerConnection, size: int) -> None:
        """`size` bytes are in the buffer; the core has not seen them yet."""

    def connection_writable(self, connection: PeerConnection) -> None:
        """What was written has drained: there is room for more."""

    def connection_lost(self, connection: PeerConnection) -> None:
        """The connection is gone; nothing more will be heard of it."""


class PeerConnection(ScatterProtocol):
    """The asyncio side of a connection.

    Args:
        owner: told about everything; may change while the connection lives.
        handshake: ours on an outgoing connection, None on an incoming one.
        config: of the peer core.
        transport: what carries it, as `DialPath` has it.
        server: what the other end stands for, if it is no peer but a web seed.
    """

    def __init__(
        self,
        owner: ConnectionOwner,
        *,
        handshake: Handshake | None,
        config: PeerConfig,
        transport: str = "tcp",
        server: ServerUrl | None = None,
    ) -> None:
        self.owner = owner
        self.carrier = transport
        self.number = 0  # the number that `SwarmCore` gave it; 0 before that knows it
        self.ticket = 0  # the number that `DiallingCore` gave it; 0 before that knows it
        self.is_writable = True
        self.entry: LimitEntry | None = None  # its place, if it came; that of a call is the dialling core's
        self.is_serving = False  # the torrent reads blocks for it right now
        self.core: PeerCore
        self._handshake = handshake
        self._config = config
        self._server = server
        self._transport: asyncio.Transport | None = None
        self._watermark = 0
        self.written_bytes = 0
        self._sent_bytes = 0  # when it was last looked at
        self._waiting_since = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # by contract: uvloop's class is no subclass
        self.set_watermark(MIN_WATERMARK_BYTES)
        name = transport.get_extra_info("peername") or ("", 0)
        address = Address.from_socket(name) if isinstance(name, tuple) else Address("", 0)
        origin = self._server or address
        self.entry = transport.get_extra_info("entry")
        self._waiting_since = now = asyncio.get_running_loop().time()
        self.core = PeerCore(handshake=self._handshake, address=origin, config=self._config, now=now)
        self.owner.connection_opened(self)
        self.flush()

    def get_buffer(self, sizehint: int) -> memoryview:
        return self.core.get_buffer(sizehint)

    def buffer_updated(self, nbytes: int) -> None:
        self.owner.connection_received(self, nbytes)

    def get_buffers(self) -> list[memoryview]:
        return self.core.get_buffers()

    def buffers_updated(self, nbytes: int) -> None:
        self.owner.connection_received(self, nbytes)

    def eof_received(self) -> bool:
        self.core.receive_eof()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        if self._transport is None:
            return
        self._transport = None
        if exc is not None:
            self.core.receive_eof(f"the connection was lost: {exc}")
        self.core.close("the connection was closed")
        self.owner.connection_lost(self)
        if self.entry is not None:
            self.entry.leave()

    def take(self, entry: LimitEntry | None) -> None:
        """Its place, where the transport holds none; None: it has to end."""
        self.entry = entry
        if entry is not None and self._transport is not None:
            entry.attach(self._transport)

    def pause_writing(self) -> None:
        self.is_writable = False

    def resume_writing(self) -> None:
        self.is_writable = True
        self.flush()
        self.owner.connection_writable(self)

    def flush(self) -> None:
        """Writes what the core has to say, unless the peer does not read; ends a connection whose core is closed."""
        if self._transport is None:
            return
        if self.core.is_closed:
            self.abort()
        elif self.core.has_output and self.is_writable:
            chunks = self.core.chunks_to_send()
            self.written_bytes += sum(map(len, chunks))
            self._transport.writelines(chunks)
            if self.room_bytes == 1 and self.unsent_bytes > self._watermark:
                # asyncio's own transports forget to pause after `writelines` in Python 3.12 and 3.13.
                self._transport.set_write_buffer_limits(high=self._watermark)

    def finish(self, reason: str) -> None:
        """Ends the connection when what waits has been written; `connection_lost` follows from the event loop."""
        self.flush()
        self.core.close(reason)
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """Ends the connection now; `connection_lost` follows from the event loop."""
        if self._transport is not None:
            self._transport.abort()

    def set_watermark(self, size_bytes: int) -> None:
        """How much may wait to be sent. What waits is late when the peer is choked, and lost when it leaves."""
        watermark = max(MIN_WATERMARK_BYTES, min(size_bytes, MAX_WATERMARK_BYTES))
        if self._transport is not None and not self._watermark // 2 < watermark <= self._watermark:
            self._watermark = watermark
            self._transport.set_write_buffer_limits(high=watermark)

    def abandon(self) -> bool:
        """Ends a connection whose dial was given up; False when there was none yet.

        An event loop may close the transport at such a moment without a word to the protocol: uvloop does.
        """
        if self._transport is None:
            return False
        self._transport.abort()
        self.connection_lost(None)
        return True

    def is_stalled(self, timeout_s: float, *, now: float) -> bool:
        """Whether nothing of what waits to be sent has left for so long. To be asked about once a second."""
        sent_bytes = self.written_bytes - self.unsent_bytes
        if self.is_writable or sent_bytes != self._sent_bytes:
            self._sent_bytes, self._waiting_since = sent_bytes, now
        return now - self._waiting_since >= timeout_s

    @property
    def unsent_bytes(self) -> int:
        """How much waits in the transport."""
        return self._transport.get_write_buffer_size() if self._transport is not None else 0

    @property
    def undelivered_bytes(self) -> int:
        """How much waits in the transport or is under way, as far as the transport can tell."""
        return self.unsent_bytes + int(getattr(self._transport, "unacknowledged_bytes", 0))

    @property
    def encryption(self) -> str | None:
        """What hides the stream: "rc4", or "plain" after an encrypted handshake; None where nothing does."""
        found = self._transport.get_extra_info("encryption") if self._transport is not None else None
        return found if isinstance(found, str) else None

    @property
    def path_stats(self) -> PathStats | None:
        """What the transport knows of its path, if it does."""
        found = self._transport.get_extra_info("path_stats") if self._transport is not None else None
        return found if isinstance(found, PathStats) else None

    @property
    def room_bytes(self) -> int:
        """How much may be written now: at least one byte, until the transport asks to pause or closes."""
        if self._transport is None or not self.is_writable or self._transport.is_closing():
            return 0
        return max(1, self._watermark - self.unsent_bytes)


MIN_WATERMARK_BYTES = 32 << 10
MAX_WATERMARK_BYTES = 1 << 20

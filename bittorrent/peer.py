"""One peer connection as a pure machine: handshake, messages, both choke states, extension protocol, metadata."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress

from bittorrent.errors import WireError
from bittorrent.peer_config import PeerConfig
from bittorrent.peer_events import (
    ChokeChanged,
    DhtPortReceived,
    ExtensionsReceived,
    HandshakeReceived,
    InterestChanged,
    MetadataArrived,
    PeerEvent,
    PeerHas,
    PeerHasMany,
)
from bittorrent.picker.bitfield import Bitfield
from bittorrent.picker.geometry import Block, Geometry
from bittorrent.wire import messages as wire
from bittorrent.wire.extended import EXTENDED_HANDSHAKE, UT_METADATA, ExtendedHandshake, packed_ip
from bittorrent.wire.frames import FrameBuffer
from bittorrent.wire.handshake import HANDSHAKE_SIZE, Handshake, is_handshake_prefix
from bittorrent.wire.metadata import (
    METADATA_PIECE_SIZE,
    MetadataData,
    MetadataReject,
    MetadataRequest,
    answer_request,
    decode_metadata,
    encode_metadata,
)
from transfer.address import Address
from transfer.errors import LocalProtocolError
from transfer.limits.token_bucket import TokenBucket


class PeerCore:
    """One connection, whoever opened it. Bytes come in through `get_buffer`/`buffer_updated`.

    Blocks do not become events: they go straight from the receive buffer to `block_sink(index, begin, view)`.

    Args:
        handshake: ours, sent at once on an outgoing connection; None on an incoming one, until `welcome`.
        address: the other side, for `yourip` and for error texts.
        config: bounds and times.
        now: monotonic seconds.

    Invariants:
        once closed: no output, no events, no upload queue
        upload_queue is empty while the peer is choked by us, and never longer than config.request_queue
        the peer's bits are known only when the geometry is
    """

    def __init__(self, *, handshake: Handshake | None, address: Address, config: PeerConfig, now: float) -> None:
        self.address = address
        self.remote: Handshake | None = None
        self.extensions = ExtendedHandshake()
        self.bits: Bitfield | None = None
        self.am_choking = True
        self.am_interested = False
        self.is_choked = True
        self.is_interested = False
        self.upload_queue: deque[Block] = deque()
        self.block_sink: Callable[[int, int, memoryview], None] = _ignore_block
        self.info_bytes: bytes | None = None  # what metadata requests are answered from
        self.closed_because: str | None = None
        self._config = config
        self._ours = handshake
        self._geometry: Geometry | None = None
        self._input = FrameBuffer(max_frame_bytes=config.max_frame_bytes)
        self._output: list[bytes] = []
        self._events: deque[PeerEvent] = deque()
        self._early_bits = b""
        self._early_haves: set[int] = set()
        self._control = TokenBucket(rate_per_s=config.control_rate_per_s, burst=config.control_burst, now=now)
        self._metadata_owed = 0  # answers to our requests that have not come
        self._metadata_served = 0  # pieces
        self._opened_at = self._received_at = self._sent_at = now
        self._now = now
        if handshake is not None:
            self._output.append(handshake.to_bytes())

    # Inputs

    def get_buffer(self, hint: int = -1) -> memoryview:
        """Where the next bytes from the network belong (`asyncio.BufferedProtocol.get_buffer`)."""
        return self._input.get_buffer()

    def buffer_updated(self, size: int, *, now: float) -> None:
        """`size` bytes arrived in the buffer. Never raises for what the peer sent: it closes instead."""
        self._now = self._received_at = now
        self._input.buffer_updated(size)
        self._read()
        if self._input.is_full:
            self.close("the peer sent too much before it was welcomed")
        if self.is_closed:
            self._input.clear()

    def receive_eof(self) -> None:
        """The peer ended its side of the connection."""
        self.close("the peer closed the connection")

    def handle_timer(self, *, now: float) -> None:
        """Ends connections that stay silent, and keeps silent ones of ours alive."""
        self._now = now
        if self.is_closed:
            return
        if self.remote is None or self._ours is None:
            if now >= self._opened_at + self._config.handshake_timeout_s:
                self.close("the peer did not finish its handshake in time")
        elif now >= self._received_at + self._config.silence_timeout_s:
            self.close("the peer was silent for too long")
        elif now >= self._sent_at + self._config.keep_alive_s:
            self._send(wire.KeepAlive())

    def next_timer(self) -> float | None:
        """When `handle_timer` has something to do."""
        if self.is_closed:
            return None
        if self.remote is None or self._ours is None:
            return self._opened_at + self._config.handshake_timeout_s
        return min(self._received_at + self._config.silence_timeout_s, self._sent_at + self._config.keep_alive_s)

    # Commands

    def welcome(self, handshake: Handshake) -> None:
        """Answers an incoming handshake; what the peer sent behind it is read now."""
        if self._ours is not None or self.remote is None:
            raise LocalProtocolError("only an incoming connection that sent its handshake can be welcomed")
        self._ours = handshake
        self._put(handshake.to_bytes())
        self._read()

    def introduce(self, *, have: Bitfield | None, listen_port: int | None, dht_port: int | None) -> None:
        """The first messages after both handshakes: what we have, extensions, our DHT port."""
        if self.remote is None or self._ours is None:
            raise LocalProtocolError("the handshakes come first")
        if have is not None and have.count:
            self._send(wire.Pieces(have.to_wire()))  # BEP 3: before anything else
        self.announce_extensions(listen_port=listen_port)
        if dht_port and self.remote.supports_dht:
            self._send(wire.Port(dht_port))

    def announce_extensions(self, *, listen_port: int | None) -> None:
        """Sends an extension handshake (again, when there is news: the metadata has arrived)."""
        if self.remote is None or not self.remote.supports_extensions:
            return
        ours = ExtendedHandshake(
            extensions={UT_METADATA: OUR_UT_METADATA},
            client=self._config.client,
            request_queue=self._config.request_queue,
            metadata_size=len(self.info_bytes) if self.info_bytes else None,
            listen_port=listen_port,
            your_ip=packed_ip(self.address.host),
        )
        self._send(wire.Extended(EXTENDED_HANDSHAKE, ours.to_bytes()))

    def set_geometry(self, geometry: Geometry) -> None:
        """The metadata is known: what the peer said about its pieces before is checked and announced now."""
        if self._geometry is not None or self.is_closed:
            return
        self._geometry = geometry
        try:
            self.bits = Bitfield.from_wire(self._early_bits, geometry.piece_count) if self._early_bits else None
        except ValueError:
            self.close("the peer's bitfield does not fit the torrent")
            return
        if self.bits is None:
            self.bits = Bitfield(geometry.piece_count)
        for index in sorted(self._early_haves):
            if index >= geometry.piece_count:
                self.close(f"the peer announced piece {index} of {geometry.piece_count}")
                return
            self.bits.set(index)
        self._early_bits, self._early_haves = b"", set()
        if self.bits.count:
            self._events.append(PeerHasMany(self.bits))

    def set_interested(self, wanted: bool) -> None:
        """Tells the peer whether we want anything; says nothing twice."""
        if wanted != self.am_interested:
            self.am_interested = wanted
            self._send(wire.Interested() if wanted else wire.NotInterested())

    def set_choking(self, choking: bool) -> None:
        """Chokes (and forgets what the peer asked for) or unchokes."""
        if choking != self.am_choking:
            self.am_choking = choking
            self.upload_queue.clear()
            self._send(wire.Choke() if choking else wire.Unchoke())

    def request(self, blocks: list[Block]) -> None:
        """Asks for blocks; how many are sensible is the caller's decision."""
        if blocks:
            self._put(wire.encode_requests(blocks))

    def cancel(self, block: Block) -> None:
        """Takes a request back; the block may arrive all the same."""
        self._send(wire.Cancel(block))

    def announce_have(self, index: int) -> None:
        """Tells the peer about a piece of ours, unless it has it itself."""
        if self.bits is None or index not in self.bits:
            self._send(wire.Have(index))

    def send_block(self, block: Block, data: bytes) -> None:
        """Answers a request."""
        self._put(wire.piece_header(block.piece, block.begin, len(data)))
        self._put(data)

    def request_metadata(self, requests: Iterable[MetadataRequest]) -> None:
        """Asks for metadata under the number that the peer chose for it; not at all when it has switched it off."""
        number = self.extensions.extensions.get(UT_METADATA, 0)
        if number:
            for request in requests:
                self._metadata_owed += 1
                self._send(wire.Extended(number, encode_metadata(request)))

    def close(self, reason: str) -> None:
        """Ends the connection; the first reason stays."""
        if self.closed_because is None:
            self.closed_because = reason
            self._output.clear()
            self._events.clear()
            self.upload_queue.clear()

    # Outputs

    def data_to_send(self) -> bytes:
        """Everything that waits to be written, in order; empty when nothing does."""
        data = b"".join(self._output)
        self._output.clear()
        return data

    def next_event(self) -> PeerEvent | None:
        """The oldest event not yet seen."""
        return self._events.popleft() if self._events else None

    # Views

    @property
    def is_closed(self) -> bool:
        return self.closed_because is not None

    @property
    def is_ready(self) -> bool:
        """Whether both handshakes are done and the connection is open."""
        return self.remote is not None and self._ours is not None and not self.is_closed

    @property
    def has_output(self) -> bool:
        return bool(self._output)

    @property
    def request_limit(self) -> int:
        """How many requests the peer keeps: its `reqq`, or what clients that do not say so are known to take."""
        return self.extensions.request_queue or self._config.default_request_limit

    @property
    def metadata_size(self) -> int | None:
        """How large the peer says the metadata is, if it offers it and that is within our bound."""
        size = self.extensions.metadata_size
        offers = self.extensions.extensions.get(UT_METADATA, 0)
        return size if offers and size and size <= self._config.max_metadata_bytes else None

    def check_invariants(self) -> None:
        """Asserts what the class docstring promises."""
        assert len(self.upload_queue) <= self._config.request_queue
        assert not (self.am_choking and self.upload_queue)
        assert (self.bits is None) == (self._geometry is None) or self.is_closed
        assert not self.is_closed or not (self._output or self._events or self.upload_queue)

    # Reading

    def _read(self) -> None:
        if self.is_closed:
            return
        try:
            if self.remote is None and not self._read_handshake():
                return
            while self._ours is not None and not self.is_closed:
                frame = self._input.next_frame()
                if frame is None:
                    return
                if len(frame) > 9 and frame[0] == wire.PIECE:
                    index, begin, data = wire.split_piece(frame)
                    assert isinstance(data, memoryview)
                    self.block_sink(index, begin, data)
                else:
                    self._receive(wire.decode_message(frame))
        except WireError as error:
            self.close(str(error))

    def _read_handshake(self) -> bool:
        if not is_handshake_prefix(self._input.peek(HANDSHAKE_SIZE)):
            raise WireError("the peer does not speak the BitTorrent protocol")
        data = self._input.take(HANDSHAKE_SIZE)
        if data is None:
            return False
        self.remote = remote = Handshake.from_bytes(data)
        if self._ours is not None:
            if remote.info_hash != self._ours.info_hash:
                raise WireError("the peer answered for another torrent")
            if remote.peer_id == self._ours.peer_id:
                raise WireError("connected to ourselves")
        self._events.append(HandshakeReceived(remote))
        return True

    def _receive(self, message: wire.Message) -> None:
        match message:
            case wire.Request(block):
                self._receive_request(block)
                return
            case wire.Cancel(block):
                with suppress(ValueError):  # it may be answered already
                    self.upload_queue.remove(block)
            case wire.Have(index):
                if self._receive_have(index):
                    return
            case wire.Extended(number, payload) if number == OUR_UT_METADATA:
                if self._receive_metadata(payload):
                    return
        # Everything else is rare between honest peers, so it is counted: a flood of it ends the connection. Only
        # cancels come by the hundred, at the end of a download.
        if not self._control.spend(0.1 if isinstance(message, wire.Cancel) else 1.0, now=self._now):
            raise WireError("the peer floods us with messages")
        match message:
            case wire.Choke() | wire.Unchoke():
                self.is_choked = isinstance(message, wire.Choke)
                self._events.append(ChokeChanged(self.is_choked))
            case wire.Interested() | wire.NotInterested():
                interested = isinstance(message, wire.Interested)
                if interested != self.is_interested:
                    self.is_interested = interested
                    self._events.append(InterestChanged(interested))
            case wire.Pieces(bits):
                self._receive_bits(bits)
            case wire.Port(port):
                if port:
                    self._events.append(DhtPortReceived(port))
            case wire.Extended(number, payload) if number == EXTENDED_HANDSHAKE:
                self.extensions = self.extensions.updated(ExtendedHandshake.from_bytes(payload))
                self._events.append(ExtensionsReceived())

    def _receive_request(self, block: Block) -> None:
        if self._geometry is None or not self._geometry.contains(*block) or block.length > self._config.max_block_bytes:
            raise WireError(f"the peer requested {block.length} bytes at {block.begin} of piece {block.piece}")
        if self.am_choking:  # sent before our choke arrived, most likely
            if not self._control.spend(0.1, now=self._now):
                raise WireError("the peer keeps requesting while choked")
        elif len(self.upload_queue) >= self._config.request_queue:
            if not self._control.spend(0.1, now=self._now):
                raise WireError(f"the peer has more than {self._config.request_queue} requests outstanding")
        else:
            self.upload_queue.append(block)

    def _receive_have(self, index: int) -> bool:
        """Whether it was news."""
        if self.bits is None:
            if index > MAX_PIECE_INDEX:
                raise WireError(f"the peer announced piece {index}")
            if index in self._early_haves or len(self._early_haves) >= self._config.max_early_haves:
                return False
            self._early_haves.add(index)
            return True
        if index >= self.bits.size:
            raise WireError(f"the peer announced piece {index} of {self.bits.size}")
        if index in self.bits:
            return False
        self.bits.set(index)
        self._events.append(PeerHas(index))
        return True

    def _receive_bits(self, bits: bytes) -> None:
        if self._geometry is None:
            self._early_bits = bits
            return
        try:
            known = Bitfield.from_wire(bits, self._geometry.piece_count)
        except ValueError:
            raise WireError("the peer's bitfield does not fit the torrent") from None
        assert self.bits is not None
        if self.bits.count:  # BEP 3 allows it as the first message only; those who send it later add nothing new
            return
        self.bits = known
        self._events.append(PeerHasMany(known))

    def _receive_metadata(self, payload: bytes) -> bool:
        """Whether it was due: an answer that we wait for, or a request for what one peer may fetch."""
        message = decode_metadata(payload)
        if isinstance(message, MetadataRequest):
            return self._answer_metadata_request(message.index)
        if message is None:
            return False
        self._events.append(MetadataArrived(message))
        was_due = self._metadata_owed > 0
        self._metadata_owed -= was_due
        return was_due

    def _answer_metadata_request(self, index: int) -> bool:
        number = self.extensions.extensions.get(UT_METADATA, 0)
        if not number:
            return False
        answer = answer_request(self.info_bytes, index)
        was_due = False
        if isinstance(answer, MetadataData):
            piece_count = -(-answer.total_size // METADATA_PIECE_SIZE)
            is_read = sum(map(len, self._output)) < self._config.max_output_bytes
            was_due = is_read and self._metadata_served < self._config.metadata_copies * piece_count
            if was_due:
                self._metadata_served += 1
            else:
                answer = MetadataReject(index)
        self._send(wire.Extended(number, encode_metadata(answer)))
        return was_due

    # Writing

    def _send(self, message: wire.Message) -> None:
        self._put(wire.encode_message(message))

    def _put(self, data: bytes) -> None:
        if not self.is_closed:
            self._sent_at = self._now
            self._output.append(data)


def _ignore_block(index: int, begin: int, data: memoryview) -> None:
    """Before anybody asked for blocks, none are wanted."""


OUR_UT_METADATA = 1  # the number under which we want to receive ut_metadata messages
MAX_PIECE_INDEX = 1 << 24

"""One peer connection as a pure machine: handshake, messages, both choke states, extension protocol, metadata."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from functools import partial

from bittorrent.errors import WireError
from bittorrent.origin import Origin
from bittorrent.peer.config import PeerConfig
from bittorrent.peer.events import HandshakeReceived, PeerEvent, RequestRejected
from bittorrent.peer.extensions import PeerExtensions
from bittorrent.peer.hash_messages import PeerHashes
from bittorrent.peer.outbox import Outbox
from bittorrent.peer.remote import RemotePeer
from bittorrent.peer.silence import Silence
from bittorrent.peer.upload_requests import UploadRequests
from bittorrent.pieces.bitfield import Bitfield
from bittorrent.pieces.block import Block
from bittorrent.pieces.geometry import Geometry
from bittorrent.wire import messages as wire
from bittorrent.wire.extended import ExtendedHandshake
from bittorrent.wire.frames import FrameBuffer
from bittorrent.wire.handshake import HANDSHAKE_SIZE, Handshake, is_handshake_prefix
from bittorrent.wire.hashes import Hashes, HashReject, HashRequest
from bittorrent.wire.metadata import MetadataRequest
from bittorrent.wire.scatter import BlockPlaces, BlockScatter, ScatterScratch
from transfer.errors import LocalProtocolError
from transfer.limits.token_bucket import TokenBucket


class PeerCore:
    """One connection, whichever side opened it.

    Bytes come in through `get_buffer` or `get_buffers`, and `buffer_updated`.

    Blocks do not become events: they are received where they belong (`scatter_to`), or else go straight from the
    receive buffer to `block_sink`, which gets all that came together.

    Args:
        handshake: ours, sent at once on an outgoing connection; None on an incoming one, until `welcome`.
        address: the other side, for `yourip` and for error texts.
        config: bounds and times.
        now: monotonic seconds.

    Invariants:
        once closed: no output, no events, no upload queue
        the upload queue is never longer than config.request_queue
        the peer's bits are known only when the geometry is
        with the fast extension each request of the peer gets one block or one reject (unless the connection ends)
    """

    def __init__(self, *, handshake: Handshake | None, address: Origin, config: PeerConfig, now: float) -> None:
        self.address = address
        self.remote: Handshake | None = None
        self.am_choking = True
        self.am_interested = False
        self.remote_peer = RemotePeer(config)
        self.uploads = UploadRequests(limit=config.request_queue, most_bytes=config.max_block_bytes)
        self.extended = PeerExtensions(self.remote_peer, config)
        self.hashes = PeerHashes(config, send=self._send)
        self.block_sink: Callable[[Sequence[tuple[Block, memoryview]]], None] = _ignore_blocks
        self.closed_because: str | None = None
        self.was_turned_away = False  # our handshake was all that was said when the peer hung up
        self._config = config
        self._ours = handshake
        self._geometry: Geometry | None = None
        self._input = FrameBuffer(max_frame_bytes=config.max_frame_bytes)
        self._scatter: BlockScatter | None = None
        self._outbox = Outbox(now=now)
        self._events: deque[PeerEvent] = deque()
        self._control = TokenBucket(rate_per_s=config.control_rate_per_s, burst=config.control_burst, now=now)
        self.opened_at = now
        self._silence = Silence(config, now=now)
        self._now = now
        if handshake is not None:
            self._outbox.put(handshake.to_bytes(), now=now)

    # Inputs

    def get_buffer(self, hint: int = -1) -> memoryview:
        """Where the next bytes from the network belong (`asyncio.BufferedProtocol.get_buffer`)."""
        return self._input.get_buffer() if self._scatter is None else self._scatter.get_buffer()

    def get_buffers(self) -> list[memoryview]:
        """Where the next bytes belong, in this order: for a caller that can fill several buffers at once."""
        return [self._input.get_buffer()] if self._scatter is None else self._scatter.get_buffers()

    def buffer_updated(self, size: int, *, now: float) -> None:
        """`size` bytes arrived in the buffer or buffers. Never raises for what the peer sent: it closes instead."""
        self._now = self._silence.heard_at = now
        if self._scatter is None:
            self._input.buffer_updated(size)
            self._read()
        else:
            displaced = self._scatter.updated(size)
            if displaced:
                self._read_displaced(memoryview(displaced))
            elif self._input.size:
                self._read()
        if self._input.is_full:
            self.close("the peer sent too much before it was welcomed")
        if self.is_closed:
            self._input.clear()

    def receive_eof(self, reason: str = "the peer closed the connection") -> None:
        """The peer ended its side of the connection, or the network all of it."""
        if not self.is_closed:
            self.was_turned_away = self._ours is not None and self.remote is None and not self._input.size
        self.close(reason)

    def handle_timer(self, *, now: float) -> None:
        """Ends connections that stay silent, and keeps silent ones of ours alive."""
        self._now = now
        if self.is_closed:
            return
        verdict = self._silence.verdict(has_met=self._has_met, now=now)
        if verdict is not None:
            self.close(verdict)
        elif self._has_met and self._silence.is_ours(self._outbox.put_at, now=now):
            self._send(wire.KeepAlive())

    def next_timer(self) -> float | None:
        """When `handle_timer` has something to do."""
        return None if self.is_closed else self._silence.next_timer(self._outbox.put_at, has_met=self._has_met)

    # Commands

    def welcome(self, handshake: Handshake) -> None:
        """Answers an incoming handshake; what the peer sent behind it is read now."""
        if self._ours is not None or self.remote is None:
            raise LocalProtocolError("only an incoming connection that sent its handshake can be welcomed")
        self._ours = handshake
        self.remote_peer.is_fast = handshake.supports_fast and self.remote.supports_fast
        self._put(handshake.to_bytes())
        self._read()

    def introduce(self, *, have: Bitfield | None, listen_port: int | None, dht_port: int | None) -> None:
        """The first messages after both handshakes: what we have, extensions, our DHT port."""
        if self.remote is None or self._ours is None:
            raise LocalProtocolError("the handshakes come first")
        self._send_if(wire.first_message(have, is_fast=self.is_fast))
        self.announce_extensions(listen_port=listen_port)
        if dht_port and self.remote.supports_dht:
            self._send(wire.Port(dht_port))

    def announce_extensions(self, *, listen_port: int | None) -> None:
        """Sends an extension handshake (again, when there is news: the metadata has arrived)."""
        if self.remote is not None and self.remote.supports_extensions:
            self._send(self.extended.handshake(self.address, listen_port=listen_port))

    def set_geometry(self, geometry: Geometry) -> None:
        """The metadata is known: what the peer said about its pieces before is checked and announced now."""
        if self._geometry is not None or self.is_closed:
            return
        self._geometry = geometry
        try:
            self._events += self.remote_peer.set_piece_count(geometry.piece_count)
        except WireError as error:
            self.close(str(error))

    def scatter_to(self, places: BlockPlaces, scratch: ScatterScratch) -> None:
        """From now on blocks may be received straight where they belong."""
        self._scatter = BlockScatter(self._input, places, scratch)

    def set_interested(self, wanted: bool) -> None:
        """Tells the peer whether we want anything; says nothing twice."""
        if wanted != self.am_interested:
            self.am_interested = wanted
            self._send(wire.Interested() if wanted else wire.NotInterested())

    def set_choking(self, choking: bool) -> None:
        """Chokes (and forgets or, with the fast extension, refuses what the peer asked for) or unchokes."""
        if choking != self.am_choking:
            self.am_choking = choking
            self._send(wire.Choke() if choking else wire.Unchoke())
            if choking:
                self.reject(self.uploads.choke())

    def allow_fast(self, pieces: Iterable[int]) -> None:
        """Lets the peer ask for these pieces while it is choked; nothing without the fast extension."""
        if self.is_fast and self._geometry is not None:
            allowed = [(index, self._geometry.piece_size(index)) for index in pieces]
            self.uploads.allow(allowed)
            for index, _ in allowed:
                self._send(wire.AllowedFast(index))

    def suggest(self, index: int) -> None:
        """Asks the peer to ask for this piece first; nothing without the fast extension."""
        if self.is_fast:
            self._send(wire.SuggestPiece(index))

    def request(self, blocks: list[Block]) -> None:
        """Asks for blocks; how many are sensible is the caller's decision."""
        if blocks:
            self._put(wire.encode_requests(blocks))

    def cancel(self, block: Block) -> None:
        """Takes a request back; the block may arrive all the same."""
        self._send(wire.Cancel(block))

    def announce_have(self, index: int) -> None:
        """Tells the peer about a piece of ours, unless it has it itself when the message is written."""
        self.announce_many((index,))

    def announce_many(self, indices: Iterable[int]) -> None:
        """`announce_have` for each. A peer that does not read costs a number for each piece, and no more."""
        if not self.is_closed:
            self._outbox.announce(indices)

    def confirm_have(self, index: int) -> None:
        """Tells the peer that we have a piece which it sent us; says nothing to a peer that has everything.

        A super-seed shows few of its pieces, and may wait for this before it shows more (libtorrent does; BEP 16).
        """
        if self.bits is not None and not self.bits.is_full:
            self._send(wire.Have(index))

    def may_serve(self, block: Block) -> bool:
        """Whether the peer may get a block now."""
        return not self.am_choking or self.uploads.is_allowed(block.piece)

    def reject(self, blocks: list[Block]) -> None:
        """Says of requests that they will not be answered; without the fast extension silence says so."""
        if blocks and self.is_fast:
            self._put(wire.encode_rejects(blocks))

    def send_block(self, block: Block, data: bytes | memoryview) -> None:
        """Answers a request. What `data` is a view of must not change."""
        self.send_blocks([(block, data)])

    def send_blocks(self, blocks: Iterable[tuple[Block, bytes | memoryview]]) -> None:
        """`send_block` for each."""
        if not self.is_closed:
            self._outbox.put_blocks(blocks, now=self._now)

    def request_metadata(self, requests: Iterable[MetadataRequest]) -> None:
        """Asks for metadata; not at all when the peer has switched it off."""
        for message in self.extended.metadata_requests(requests):
            self._send(message)

    def send_extended(self, message: wire.Extended | None) -> None:
        """What `extended` made for the peer; nothing if the peer does not know what that is."""
        self._send_if(message)

    def announce_lost(self, index: int) -> None:
        """Takes a `have` back; peers that do not understand that will be refused the piece (BEP 54)."""
        if not self._outbox.take_back(index):
            self._send_if(self.extended.dont_have(index))

    def announce_upload_only(self, upload_only: bool) -> None:
        """Says that we want nothing any more, or something again (BEP 21); says nothing twice."""
        if upload_only != self.extended.is_upload_only:
            self._send_if(self.extended.upload_only(upload_only))

    def close(self, reason: str) -> None:
        """Ends the connection; the first reason stays."""
        if self.closed_because is None:
            self.closed_because = reason
            self._outbox.clear()
            self._events.clear()
            self.uploads.queue.clear()

    def count_nuisance(self, cost: float = 1.0) -> None:
        """Something came that an honest peer sends rarely, if at all: too much of it ends the connection."""
        if not self._control.spend(cost, now=self._now):
            self.close("the peer floods us with messages")

    # Outputs

    def data_to_send(self) -> bytes:
        """`chunks_to_send`, joined."""
        return b"".join(self.chunks_to_send())

    def chunks_to_send(self) -> list[bytes | memoryview]:
        """Everything that waits to be written, in order; empty when nothing does."""
        return self._outbox.take(self.bits, now=self._now)

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
        return self._has_met and not self.is_closed

    def speaks_for(self, info_hash: bytes) -> bool:
        """Whether one of the handshakes names this hash: the connection is one of that version of the torrent."""
        return any(one is not None and one.info_hash == info_hash for one in (self.remote, self._ours))

    @property
    def reads(self) -> bool:
        """Whether so little waits to be written that the peer seems to read."""
        return self._outbox.size_bytes < self._config.max_output_bytes

    @property
    def has_output(self) -> bool:
        return bool(self._outbox)

    @property
    def bits(self) -> Bitfield | None:
        """What the peer has; None before the geometry is known."""
        return self.remote_peer.pieces.bits

    @property
    def is_choked(self) -> bool:
        """Whether the peer chokes us."""
        return self.remote_peer.is_choking

    @property
    def is_interested(self) -> bool:
        return self.remote_peer.is_interested

    @property
    def is_fast(self) -> bool:
        """Whether both sides speak the fast extension (BEP 6)."""
        return self.remote_peer.is_fast

    @property
    def extensions(self) -> ExtendedHandshake:
        """What the peer's extension handshakes said."""
        return self.remote_peer.extensions

    @property
    def upload_queue(self) -> deque[Block]:
        """The requests of the peer that wait to be served."""
        return self.uploads.queue

    def check_invariants(self) -> None:
        """Asserts what the class docstring promises."""
        self.uploads.check_invariants(is_choked=self.am_choking)
        assert (self.bits is None) == (self._geometry is None) or self.is_closed
        assert not self.is_closed or not (self.has_output or self._events or self.uploads.queue)

    @property
    def _has_met(self) -> bool:
        return self.remote is not None and self._ours is not None

    # Reading

    def _read(self) -> None:
        if self.is_closed:
            return
        try:
            if self.remote is None and not self._read_handshake():
                return
            while self._ours is not None and not self.is_closed:
                blocks = self._input.next_blocks()
                if blocks:
                    self.block_sink(blocks)
                    continue
                requests = self._input.next_requests()
                if requests:
                    self._receive_requests(requests)
                    continue
                frame = self._input.next_frame()
                if frame is None:
                    return
                self._receive(wire.decode_message(frame), len(frame))
        except WireError as error:
            self.close(str(error))

    def _read_displaced(self, data: memoryview) -> None:
        """Reads what came into places where it does not belong: it may be more than the frame buffer holds."""
        while len(data) and not self.is_closed:
            data = self._input.fill(data)
            self._read()

    def _read_handshake(self) -> bool:
        if not is_handshake_prefix(self._input.peek(HANDSHAKE_SIZE)):
            raise WireError("the peer does not speak the BitTorrent protocol")
        data = self._input.take(HANDSHAKE_SIZE)
        if data is None:
            return False
        self.remote = remote = Handshake.from_bytes(data)
        if self._ours is not None:
            if not self._ours.is_answered_by(remote):
                raise WireError("the peer answered for another torrent")
            if remote.peer_id == self._ours.peer_id:
                raise WireError("connected to ourselves")
            self.remote_peer.is_fast = self._ours.supports_fast and remote.supports_fast
        self._events.append(HandshakeReceived(remote))
        return True

    def _receive(self, message: wire.Message, size: int) -> None:
        match message:
            case wire.Request(block):
                self._receive_requests([block])
                return
            case wire.Cancel(block):
                if self.uploads.cancel(block):
                    self.reject([block])  # the duty to answer remains (BEP 6)
            case wire.Have(index):
                is_news, events = self.remote_peer.receive_have(index)
                self._events += events
                if is_news:
                    return
            case wire.RejectRequest(block) if self.is_fast:  # whether it was due only our caller knows
                self._events.append(RequestRejected(block))
                return
            case wire.Extended(number, payload):
                received = self.extended.receive(number, payload, is_read=self.reads)
                self._events += received.events
                self._send_if(received.reply)
                if received.was_due:
                    return
            case HashRequest() | Hashes() | HashReject():
                events, was_due = self.hashes.receive(message)
                self._events += events
                if was_due:
                    return
        # Everything else is rare between honest peers, so it is counted: a flood of it ends the connection. Only
        # cancels come by the hundred, at the end of a download, and what is long counts for many.
        cost = 0.1 if isinstance(message, wire.Cancel) else 1.0 + size // LONG_BYTES
        if not self._control.spend(cost, now=self._now):
            raise WireError("the peer floods us with messages")
        self._events += self.remote_peer.receive(message)

    def _receive_requests(self, blocks: list[Block]) -> None:
        spend = partial(self._control.spend, 0.1, now=self._now)
        self.reject(self.uploads.receive(blocks, self._geometry, is_choked=self.am_choking, may_be_more=spend))

    # Writing

    def _send(self, message: wire.Message) -> None:
        self._put(wire.encode_message(message))

    def _send_if(self, message: wire.Message | None) -> None:
        if message is not None:
            self._send(message)

    def _put(self, data: bytes | memoryview) -> None:
        if not self.is_closed:
            self._outbox.put(data, now=self._now)


def _ignore_blocks(blocks: Sequence[tuple[Block, memoryview]]) -> None:
    """Before any block was asked for, none are wanted."""


LONG_BYTES = 4096  # of a message that is no block: a bitfield of thirty thousand pieces

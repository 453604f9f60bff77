"""All peers of one torrent together: whom to ask for what, whom to serve, whom to distrust. Pure; no sockets, no disk.

The shell reads from and writes to the connections, hashes and stores finished pieces, and reads blocks for uploads;
every decision about it is made here, by the parts this file composes.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from random import Random
from typing import TypeAlias

from bittorrent.assembly import Blame, PieceAssembly
from bittorrent.choker import ChokeCandidate, ChokerCore
from bittorrent.errors import WireError
from bittorrent.metadata_exchange import MetadataExchange
from bittorrent.peer import PeerCore
from bittorrent.peer_events import (
    ChokeChanged,
    DhtPortReceived,
    ExtensionsReceived,
    InterestChanged,
    MetadataArrived,
    PeerEvent,
    PeerHas,
    PeerHasMany,
)
from bittorrent.picker.bitfield import Bitfield
from bittorrent.picker.config import PickerConfig
from bittorrent.picker.geometry import Block, Geometry
from bittorrent.picker.picker import PiecePicker
from bittorrent.swarm_config import SwarmConfig
from bittorrent.swarm_peer import Contribution, Sender, SwarmPeer
from bittorrent.wire.metadata import MetadataData, MetadataReject
from transfer.address import Address


@dataclass(frozen=True, slots=True)
class MetadataCompleted:
    """A magnet link's info dictionary is here, its hash checked."""

    info_bytes: bytes


@dataclass(frozen=True, slots=True)
class PieceCompleted:
    """All blocks of a piece are here: hash it, write it if it is right, and say `piece_verified` or `piece_failed`."""

    index: int
    buffer: bytearray
    senders: dict[int, Sender]


@dataclass(frozen=True, slots=True)
class PeerBanned:
    """This peer certainly lied; its connection is closed already."""

    address: Address


@dataclass(frozen=True, slots=True)
class DhtNodeFound:
    """A peer told us about its DHT node."""

    address: Address


SwarmEvent: TypeAlias = MetadataCompleted | PieceCompleted | PeerBanned | DhtNodeFound


class SwarmCore:
    """The peers of one torrent.

    Peers get numbers that are never used twice. After every call, `peers_to_flush` names the connections that have
    something to write (or are closed), and `next_event` what the shell has to do.

    Args:
        info_hash: of the torrent.
        rng: for the picker and the choker.
        config: bounds and times.

    Invariants:
        the picker knows exactly the peers in `peers` once `begin` was called
        unverified_bytes is the size of the pieces that were handed out and not yet reported back
    """

    def __init__(self, *, info_hash: bytes, rng: Random, config: SwarmConfig) -> None:
        self.peers: dict[int, SwarmPeer] = {}
        self.info_bytes: bytes | None = None
        self.picker: PiecePicker | None = None
        self.downloaded_bytes = 0
        self.uploaded_bytes = 0
        self.wasted_bytes = 0
        self.failed_pieces = 0
        self.unverified_bytes = 0
        self.contributions: dict[Address, Contribution] = {}
        self._info_hash = info_hash
        self._rng = rng
        self._config = config
        self._choker = ChokerCore(rng=rng, config=config.choker)
        self._metadata = MetadataExchange(info_hash=info_hash, max_sources=config.metadata_sources)
        self._assembly: PieceAssembly | None = None
        self._blame = Blame()
        self._events: deque[SwarmEvent] = deque()
        self._touched: dict[int, None] = {}
        self._numbers = 0
        self._now = 0.0
        self._next_tick = 0.0

    # Inputs

    def add_peer(self, core: PeerCore, *, listen_port: int | None, dht_port: int | None, now: float) -> int:
        """A connection whose handshakes are done; returns its number. It is introduced at once."""
        self._now = now
        self._numbers += 1
        number = self._numbers
        peer = SwarmPeer(number=number, core=core, config=self._config.pipeline, now=now)
        self.peers[number] = peer
        core.info_bytes = self.info_bytes
        core.block_sink = lambda index, begin, data: self._receive_block(peer, index, begin, data)
        core.introduce(have=self.picker.have if self.picker else None, listen_port=listen_port, dht_port=dht_port)
        if self.picker is not None:
            self.picker.add_peer(number)
            core.set_geometry(self.picker.geometry)
        self._drain(peer)
        return number

    def receive(self, number: int, size: int, *, now: float) -> None:
        """`size` bytes arrived in the buffer of a peer. Never raises for what they are."""
        self._now = now
        peer = self.peers[number]
        peer.core.buffer_updated(size, now=now)
        self._drain(peer)

    def remove_peer(self, number: int, *, now: float) -> None:
        """The connection is gone. What it owed us is asked from others."""
        self._now = now
        peer = self.peers.pop(number)
        peer.core.block_sink = _drop_block
        self._touched.pop(number, None)
        self._metadata.forget(number)
        if self.picker is not None:
            self.picker.remove_peer(number)
            self._rechoke_soon()
            for other in self.peers.values():
                self._request_from(other)

    def handle_timer(self, *, now: float) -> None:
        """Chokes, gives up on silent peers, keeps connections alive. About once a second."""
        self._now = now
        if now < self._next_tick:
            return
        self._next_tick = now + TICK_S
        for peer in list(self.peers.values()):
            peer.core.handle_timer(now=now)
            if peer.pipeline.tick(now=now) and self.picker is not None:
                self.picker.release_all(peer.number)
            self._touch(peer)
        if self.info_bytes is None:
            self._metadata.handle_timer(now=now)
            self._request_metadata()
        if self.picker is not None:
            self._rechoke()
            for peer in self.peers.values():
                self._request_from(peer)

    def next_timer(self) -> float:
        """When `handle_timer` wants to be called."""
        return self._next_tick

    # Commands

    def begin(self, geometry: Geometry, have: Bitfield, info_bytes: bytes, *, now: float) -> None:
        """The torrent is known and what is on disk is verified: the exchange starts."""
        self._now = now
        self.info_bytes = info_bytes
        config = PickerConfig(max_partial_pieces=self._config.max_partial_pieces(geometry.piece_length))
        self.picker = PiecePicker(geometry, rng=self._rng, config=config)
        self._assembly = PieceAssembly(geometry)
        for index in have:
            self.picker.mark_have(index)
        for peer in list(self.peers.values()):
            self.picker.add_peer(peer.number)
            peer.core.info_bytes = info_bytes
            peer.core.announce_extensions(listen_port=None)
            peer.core.set_geometry(geometry)  # before our pieces: what the peer has itself it need not hear of
            for index in have:
                peer.core.announce_have(index)
            self._drain(peer)
        self._drop_fellow_seeds()

    def piece_verified(self, completed: PieceCompleted, *, now: float) -> None:
        """The piece has its hash and is on disk: only now it counts and is offered to others."""
        was_held_back = self.unverified_bytes >= self._config.max_unverified_bytes
        picker = self._account(completed, now)
        picker.piece_verified(completed.index)
        for liar in self._blame.piece_verified(completed.index, completed.buffer):
            self._ban(liar)
        self._credit(completed)
        self._recycle(completed)
        for peer in list(self.peers.values()):
            peer.core.announce_have(completed.index)
            peer.core.set_interested(picker.is_interesting(peer.number))
            if was_held_back:  # otherwise a right piece is no reason to ask anybody for more
                self._request_from(peer)
            self._touch(peer)
        self._drop_fellow_seeds()

    def piece_failed(self, completed: PieceCompleted, *, now: float) -> None:
        """The piece has another hash: it is fetched again, and whoever must have lied is dropped."""
        picker = self._account(completed, now)
        self.failed_pieces += 1
        self.wasted_bytes += len(completed.buffer)
        picker.piece_failed(completed.index)
        for liar in self._blame.piece_failed(completed.index, completed.buffer, completed.senders, picker.geometry):
            self._ban(liar)
        self._recycle(completed)
        for peer in self.peers.values():
            self._request_from(peer)

    def uploads_from(self, number: int, max_bytes: int) -> list[Block]:
        """Takes requests of a peer off its queue, up to `max_bytes` but at least one: read them, then `send_block`."""
        peer = self.peers[number]
        blocks: list[Block] = []
        size = 0
        while peer.core.upload_queue and (size < max_bytes or not blocks):
            block = peer.core.upload_queue.popleft()
            if self.picker is None or block.piece not in self.picker.have:
                peer.core.close(f"the peer requested piece {block.piece}, which we do not have")
                self._touch(peer)
                return []
            blocks.append(block)
            size += block.length
        return blocks

    def send_block(self, number: int, block: Block, data: bytes, *, now: float) -> None:
        """Answers one request, unless the peer is gone or was choked meanwhile."""
        self._now = now
        peer = self.peers.get(number)
        if peer is None or peer.core.is_closed or peer.core.am_choking:
            return
        peer.core.send_block(block, data)
        peer.upload.add(len(data), now=now)
        peer.uploaded_bytes += len(data)
        self.uploaded_bytes += len(data)
        self._touch(peer)

    # Outputs

    def peers_to_flush(self) -> list[SwarmPeer]:
        """The peers that have output, or are closed, or have requests to be served; each is named once."""
        touched = [self.peers[number] for number in self._touched if number in self.peers]
        self._touched.clear()
        return touched

    def next_event(self) -> SwarmEvent | None:
        """The oldest event not yet seen."""
        return self._events.popleft() if self._events else None

    # Views

    @property
    def is_complete(self) -> bool:
        return self.picker is not None and self.picker.is_complete

    def download_rate_bytes_per_s(self, *, now: float) -> float:
        return sum(peer.download.rate_bytes_per_s(now=now) for peer in self.peers.values())

    def upload_rate_bytes_per_s(self, *, now: float) -> float:
        return sum(peer.upload.rate_bytes_per_s(now=now) for peer in self.peers.values())

    def check_invariants(self) -> None:
        """Asserts what the class docstring promises, and what the parts promise."""
        for peer in self.peers.values():
            peer.core.check_invariants()
            if self.picker is not None:
                self.picker.is_interesting(peer.number)  # raises for a peer it does not know
        if self.picker is not None:
            self.picker.check_invariants()
        assert self.unverified_bytes >= 0

    # What peers say

    def _drain(self, peer: SwarmPeer) -> None:
        while (event := peer.core.next_event()) is not None:
            self._handle(peer, event)
        if self.picker is not None:
            self._request_from(peer)
        self._touch(peer)

    def _handle(self, peer: SwarmPeer, event: PeerEvent) -> None:
        match event:
            case PeerHas(index):
                if self.picker is not None:
                    self.picker.peer_have(peer.number, index)
                    self._peer_gained(peer)
            case PeerHasMany(bits):
                if self.picker is not None:
                    self.picker.peer_bitfield(peer.number, bits)
                    self._peer_gained(peer)
            case ChokeChanged(is_choked):
                if is_choked and self.picker is not None:
                    self.picker.release_all(peer.number)
                    peer.pipeline.nothing_owed()
            case InterestChanged():
                self._rechoke_soon()
            case ExtensionsReceived():
                peer.extensions_changed()
                if self.info_bytes is None and peer.core.metadata_size is not None:
                    self._metadata.offer(peer.number, peer.core.metadata_size)
                    self._request_metadata()
            case MetadataArrived(message):
                self._receive_metadata(peer, message)
            case DhtPortReceived(port):
                self._events.append(DhtNodeFound(Address(peer.core.address.host, port)))

    def _peer_gained(self, peer: SwarmPeer) -> None:
        assert self.picker is not None
        peer.core.set_interested(self.picker.is_interesting(peer.number))
        if self.picker.is_complete and self.picker.is_seed(peer.number):
            peer.core.close("both sides have everything")

    def _receive_metadata(self, peer: SwarmPeer, message: MetadataData | MetadataReject) -> None:
        if self.info_bytes is not None:
            return
        try:
            info_bytes = self._metadata.receive(peer.number, message, now=self._now)
        except WireError as error:
            peer.core.close(str(error))
            self._events.append(PeerBanned(peer.core.address))
            info_bytes = None
        if info_bytes is not None:
            self.info_bytes = info_bytes
            self._events.append(MetadataCompleted(info_bytes))
        else:
            self._request_metadata()

    def _request_metadata(self) -> None:
        if self.info_bytes is None:
            for number, requests in self._metadata.requests_to_send(now=self._now):
                self.peers[number].core.request_metadata(requests)
                self._touch(self.peers[number])

    def _receive_block(self, peer: SwarmPeer, index: int, begin: int, data: memoryview) -> None:
        """The hot path: called from inside `PeerCore.buffer_updated`, once for each block."""
        size = len(data)
        if self.picker is None or self._assembly is None:
            return
        block = Block(index, begin, size)
        received = self.picker.block_received(peer.number, block)
        self._drop_given_up(self.picker)
        if not received.is_new:
            self.wasted_bytes += size
            if not received.is_expected and not peer.forgive_unexpected():
                peer.core.close("the peer keeps sending blocks that nobody asked for")
            return
        self._assembly.write(block, data, peer.sender)
        self.downloaded_bytes += size
        peer.downloaded_bytes += size
        peer.download.add(size, now=self._now)
        outstanding = len(self.picker.requested_from(peer.number))
        peer.pipeline.block_received(size, outstanding=outstanding, now=self._now)
        for number in received.cancel_for:
            other = self.peers[number]
            other.core.cancel(block)
            if not self.picker.requested_from(number):
                other.pipeline.nothing_owed()
            self._touch(other)
        if received.is_piece_complete:
            buffer, senders = self._assembly.take(index)
            self.unverified_bytes += len(buffer)
            self._events.append(PieceCompleted(index, buffer, senders))

    def _request_from(self, peer: SwarmPeer) -> None:
        picker, core = self.picker, peer.core
        assert picker is not None
        if core.is_choked or core.is_closed or self.unverified_bytes >= self._config.max_unverified_bytes:
            return
        outstanding = len(picker.requested_from(peer.number))
        wanted = min(peer.pipeline.target, core.request_limit) - outstanding
        if wanted > 0 and (wanted * 4 >= outstanding or wanted >= 32):  # a few at a time, not one for each block
            blocks = picker.pick(peer.number, wanted, now=self._now)
            self._drop_given_up(picker)
            if blocks:
                core.request(blocks)
                peer.pipeline.requests_sent(now=self._now)
                self._touch(peer)

    def _drop_given_up(self, picker: PiecePicker) -> None:
        """Frees the memory of unfinished pieces that had to make room for others."""
        assert self._assembly is not None
        for index in picker.take_given_up():
            self._assembly.drop(index)

    # Pieces that were checked

    def _account(self, completed: PieceCompleted, now: float) -> PiecePicker:
        assert self.picker is not None
        self._now = now
        self.unverified_bytes -= len(completed.buffer)
        return self.picker

    def _recycle(self, completed: PieceCompleted) -> None:
        assert self._assembly is not None
        self._assembly.recycle(completed.buffer)

    def _credit(self, completed: PieceCompleted) -> None:
        """The piece is put down to whoever sent most of it; `contributions` never outgrows its bound."""
        counts: dict[Address, int] = {}
        for sender in completed.senders.values():
            counts[sender.listen_address] = counts.get(sender.listen_address, 0) + 1
        source = max(counts, key=lambda address: counts[address])
        if source not in self.contributions and len(self.contributions) >= self._config.max_contributions:
            source = EVERYBODY_ELSE
        known = self.contributions.setdefault(source, Contribution())
        known.pieces += 1
        known.size_bytes += len(completed.buffer)

    def _ban(self, liar: Sender) -> None:
        self._events.append(PeerBanned(liar.address))
        peer = self.peers.get(liar.number)
        if peer is not None:
            peer.core.close("the peer sent data with a wrong hash")
            self._touch(peer)

    def _drop_fellow_seeds(self) -> None:
        if self.picker is not None and self.picker.is_complete:
            for peer in self.peers.values():
                peer.core.set_interested(False)
                if self.picker.is_seed(peer.number):
                    peer.core.close("both sides have everything")
                self._touch(peer)

    # Choking

    def _rechoke_soon(self) -> None:
        """Somebody became interested or left: a free slot is given away at once, not at the end of the round."""
        self._next_tick = min(self._next_tick, self._now)

    def _rechoke(self) -> None:
        candidates = [
            ChokeCandidate(
                peer=peer.number,
                is_interested=peer.core.is_interested,
                is_unchoked=not peer.core.am_choking,
                is_snubbed=peer.pipeline.is_snubbed,
                download_bytes_per_s=peer.download.rate_bytes_per_s(now=self._now),
                upload_bytes_per_s=peer.upload.rate_bytes_per_s(now=self._now),
                connected_at=peer.connected_at,
            )
            for peer in self.peers.values()
            if not peer.core.is_closed
        ]
        decision = self._choker.decide(candidates, now=self._now, seeding=self.is_complete)
        for number in decision.choke:
            self.peers[number].core.set_choking(True)
            self._touch(self.peers[number])
        for number in decision.unchoke:
            self.peers[number].core.set_choking(False)
            self._touch(self.peers[number])

    def _touch(self, peer: SwarmPeer) -> None:
        self._touched[peer.number] = None


def _drop_block(index: int, begin: int, data: memoryview) -> None:
    """The peer is gone; what is left in its buffer is nobody's."""


TICK_S = 1.0
EVERYBODY_ELSE = Address("others", 0)

"""All peers of one torrent together: what to ask of which, which to serve, which to distrust. No sockets, no disk.

The shell reads from and writes to the connections, hashes and stores finished pieces, and reads blocks for uploads;
every decision about it is made here, by the parts this file composes.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from random import Random

from bittorrent.identity.torrent_id import TorrentId
from bittorrent.origin import Origin
from bittorrent.peer.core import PeerCore
from bittorrent.peer.events import ExtensionsReceived, InterestChanged, PeerEvent
from bittorrent.picker.picker import PiecePicker
from bittorrent.pieces.bitfield import Bitfield
from bittorrent.pieces.block import BLOCK_SIZE, Block
from bittorrent.pieces.geometry import Geometry
from bittorrent.pieces.hasher import LeafOf
from bittorrent.pieces.unfinished import UnfinishedPiece
from bittorrent.rate_limits import SwarmLimits
from bittorrent.swarm.config import SwarmConfig
from bittorrent.swarm.downloading.contributions import Contribution
from bittorrent.swarm.downloading.downloads import SwarmDownloads
from bittorrent.swarm.events import PieceCompleted, SwarmEvent
from bittorrent.swarm.exchange import SwarmExchange
from bittorrent.swarm.hashes.exchange import SwarmHashes
from bittorrent.swarm.hashes.places import TreePlaces
from bittorrent.swarm.metadata import SwarmMetadata
from bittorrent.swarm.metadata_exchange import MetadataExchange
from bittorrent.swarm.peer import Sender, SwarmPeer
from bittorrent.swarm.peer_events import PeerEvents
from bittorrent.swarm.transfers import SwarmTransfers
from bittorrent.swarm.uploading.uploads import SwarmUploads


class SwarmCore:
    """The peers of one torrent.

    Peers get numbers that are never used twice. After every call, `peers_to_flush` names the connections that have
    something to write (or are closed), and `next_event` what the shell has to do.

    Args:
        torrent_id: what is known of the hashes of the torrent.
        rng: for the picker and the choker.
        config: bounds and times.
        limits: how fast it may be.

    Attributes:
        exchange: what peers tell one another of other peers.

    Invariants:
        the picker knows exactly the peers in `peers` once `begin` was called
    """

    def __init__(
        self, *, torrent_id: TorrentId, rng: Random, config: SwarmConfig, limits: SwarmLimits | None = None
    ) -> None:
        self.peers: dict[int, SwarmPeer] = {}
        self.limits = limits or SwarmLimits()
        self._rng = rng
        self._config = config
        self._uploads = SwarmUploads(self.peers, self._touch, info_hash=torrent_id.info_hash, rng=rng, config=config)
        self._transfers: SwarmTransfers | None = None
        self._events: deque[SwarmEvent] = deque()
        self._metadata = SwarmMetadata(self.peers, self._touch, self._events, torrent_id=torrent_id, config=config)
        self._touched: dict[int, None] = {}
        self.exchange = SwarmExchange(self.peers, self._touch, self._events, config=config)
        self.hashes = SwarmHashes(self.peers, self._touch, self._events, config=config.hashes)
        self.hashes.learn(torrent_id, now=0.0)
        self._peer_events = PeerEvents(self._events, self._metadata, self.exchange, self.hashes)
        self._numbers = 0
        self._now = 0.0
        self._next_tick = 0.0
        self._is_rechoke_due = False

    # Inputs

    def add_peer(
        self,
        core: PeerCore,
        *,
        listen_port: int | None,
        dht_port: int | None,
        is_dialled: bool = False,
        transport: str = "tcp",
        is_encrypted: bool = False,
        now: float,
    ) -> int:
        """A connection whose handshakes are done; returns its number. It is introduced at once.

        Args:
            is_dialled: we opened it.
            transport: what carries it, as `DialPath` has it.
            is_encrypted: nobody on the way can read it.
        """
        self._at(now=now)
        self._numbers += 1
        number = self._numbers
        peer = SwarmPeer(
            number=number,
            core=core,
            is_dialled=is_dialled,
            transport=transport,
            is_encrypted=is_encrypted,
            config=self._config,
            limits=self.limits,
            now=now,
        )
        self.peers[number] = peer
        self.exchange.add_peer(peer, now=now)
        core.extended.is_upload_only = self.is_finished and not self._uploads.is_super_seeding
        core.extended.info_bytes = self._metadata.info_bytes
        have = self._uploads.shown if self._transfers is not None else None
        core.introduce(have=have, listen_port=listen_port, dht_port=dht_port)
        if self._transfers is not None:
            self._transfers.include(peer)
        self.hashes.add_peer(peer, now=now)
        self._drain(peer)
        return number

    def receive(self, number: int, size: int, *, now: float) -> None:
        """`size` bytes arrived in the buffer of a peer. Never raises for what they are."""
        self._at(now=now)
        peer = self.peers[number]
        peer.core.buffer_updated(size, now=now)
        self._drain(peer)

    def remove_peer(self, number: int, *, now: float) -> None:
        """The connection is gone. What it owed us is asked from others."""
        self._at(now=now)
        peer = self.peers.pop(number)
        peer.core.block_sink = _drop_blocks
        self._touched.pop(number, None)
        self._metadata.remove_peer(number)
        self.exchange.remove_peer(number)
        self.hashes.remove_peer(number, now=now)
        if self._transfers is not None:
            self._transfers.exclude(peer)
            self._rechoke_soon()

    def handle_timer(self, *, now: float) -> None:
        """Chokes, gives up on silent peers, keeps connections alive. About once a second."""
        self._at(now=now)
        if now < self._next_tick:
            if self._is_rechoke_due:
                self._rechoke()
            return
        self._next_tick = now + TICK_S
        for peer in list(self.peers.values()):
            peer.core.handle_timer(now=now)
            peer.is_refusing = False
            if peer.pipeline.tick(now=now) and self._transfers is not None:
                self._transfers.downloads.release_all(peer)
            self._touch(peer)
        self._metadata.handle_timer(now=now)
        self.hashes.handle_timer(now=now)
        if self._transfers is not None:
            self._transfers.downloads.measure()
            self._rechoke()
            self._transfers.downloads.tick()
            self.exchange.handle_timer(now=now, is_seed=self._transfers.picker.is_seed)

    def next_timer(self) -> float:
        """When `handle_timer` wants to be called."""
        return self._now if self._is_rechoke_due else self._next_tick

    # Commands

    def begin(
        self,
        geometry: Geometry,
        have: Bitfield,
        info_bytes: bytes,
        *,
        priorities: bytes | None = None,
        is_sequential: bool = False,
        private: bool = False,
        super_seed: bool = False,
        unfinished: Iterable[UnfinishedPiece] = (),
        trees: TreePlaces | None = None,
        leaf_of: LeafOf | None = None,
        now: float,
    ) -> None:
        """The torrent is known and what is on disk is verified: the exchange starts.

        Args:
            priorities: of the pieces, from 0 (not wanted) to 7; None: all are wanted.
            is_sequential: begin pieces in the order of the torrent.
            private: peers are not told about each other, nor believed when they do (BEP 27).
            super_seed: send each piece once before any twice (BEP 16); without effect unless everything is here.
            unfinished: blocks that were kept when an earlier run ended.
            trees: of a torrent of version 2, for peers that ask for hashes, and to find the bad blocks of a piece.
            leaf_of: hashes each block as it comes; None: pieces are hashed as a whole.
        """
        self._metadata.info_bytes = info_bytes
        downloads = SwarmDownloads(
            self.peers,
            self._touch,
            self._events,
            geometry=geometry,
            have=have,
            priorities=priorities,
            rng=self._rng,
            config=self._config,
            leaf_of=leaf_of,
        )
        downloads.picker.is_sequential = is_sequential
        downloads.take_up(unfinished)
        if trees is not None:
            self.hashes.begin(
                trees, downloads.picker.have, on_given_up=lambda piece: self._begun(now=self._now).piece_failed(piece)
            )
        self._uploads.begin(geometry, downloads.picker.have, super_seed=super_seed)
        self._transfers = SwarmTransfers(self.peers, self._touch, downloads=downloads, uploads=self._uploads)
        self._at(now=now)
        self.exchange.begin(private=private)
        shown = list(self._uploads.shown) if self.peers else []
        for peer in list(self.peers.values()):
            peer.core.extended.info_bytes = info_bytes
            peer.core.announce_extensions(listen_port=None)
            self._transfers.include(peer)
            peer.core.announce_many(shown)  # what it turns out to have it will not hear of
            self._drain(peer)
        self._transfers.note_finished()

    def set_priorities(self, priorities: bytes, *, now: float) -> None:
        """The priority of each piece, from 0 (not wanted) to 7."""
        self._begun(now=now).set_priorities(priorities)

    def set_deadlines(
        self, reader: int, deadlines: Mapping[int, float], *, is_urgent: bool = False, now: float
    ) -> None:
        """By when a reader needs which pieces, instead of what it said before; nothing takes it back.

        Args:
            reader: any number, one for each.
            is_urgent: it waits already.
        """
        self._begun(now=now).downloads.set_deadlines(reader, deadlines, is_urgent=is_urgent)

    def piece_verified(self, completed: PieceCompleted, *, now: float) -> None:
        """The piece has its hash and is on disk: only now it counts and is offered to others."""
        self._begun(now=now).piece_verified(completed)

    def piece_failed(self, completed: PieceCompleted, *, now: float) -> None:
        """The piece has another hash: it, or what is bad of it, is fetched again; each peer that lied is dropped."""
        transfers = self._begun(now=now)
        if not self.hashes.doubt(completed, lambda number: transfers.picker.peer_has(number, completed.index), now=now):
            transfers.piece_failed(completed)

    def blocks_judged(self, completed: PieceCompleted, bad: int | None, *, now: float) -> dict[Block, Sender]:
        """Which blocks of a piece that failed are bad (`PieceHasher.bad_blocks`): they alone are fetched again.

        Returns: these blocks, with the peers that sent them, which are dropped; nothing when it is not known.
        """
        return self._begun(now=now).blocks_judged(completed, bad)

    def piece_found(self, index: int, *, now: float) -> None:
        """A piece that was missing is on disk all the same; nothing if it is being fetched."""
        self._begun(now=now).piece_found(index)

    def piece_lost(self, index: int, *, now: float) -> None:
        """A verified piece cannot be read back: it is fetched again, and not offered meanwhile (BEP 54)."""
        self._begun(now=now).piece_lost(index)

    def uploads_from(self, number: int, max_bytes: int) -> list[Block]:
        """Takes requests of a peer off its queue, up to `max_bytes` but at least one: read them, then `send_block`."""
        return self._uploads.take(self.peers[number], max_bytes)

    def send_block(self, number: int, block: Block, data: bytes | memoryview, *, now: float) -> None:
        """Answers one request, unless the peer is gone or was choked meanwhile."""
        self.send_blocks(number, [(block, data)], now=now)

    def send_blocks(self, number: int, blocks: Sequence[tuple[Block, bytes | memoryview]], *, now: float) -> None:
        """Answers requests of a peer, unless it is gone or was choked meanwhile."""
        self._at(now=now)
        peer = self.peers.get(number)
        if peer is not None:
            self._uploads.send(peer, blocks)

    def note_backlog(
        self, number: int, *, delivered_bytes: int, undelivered_bytes: int, is_full: bool, now: float
    ) -> None:
        """How much has got through to a peer and how much is on the way or waits; about once a second.

        Args:
            is_full: so much waits that nothing more is written.
        """
        self.peers[number].slot.note_backlog(
            delivered_bytes=delivered_bytes, undelivered_bytes=undelivered_bytes, is_full=is_full, now=now
        )

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
    def info_bytes(self) -> bytes | None:
        """The info dictionary, as soon as it is known."""
        return self._metadata.info_bytes

    @property
    def metadata(self) -> MetadataExchange:
        """How the info dictionary of a magnet link is fetched."""
        return self._metadata.exchange

    @property
    def picker(self) -> PiecePicker | None:
        """None before `begin`."""
        return self._transfers.picker if self._transfers is not None else None

    @property
    def downloads(self) -> SwarmDownloads | None:
        """The taking side. None before `begin`."""
        return self._transfers.downloads if self._transfers is not None else None

    @property
    def downloaded_bytes(self) -> int:
        return self.downloads.downloaded_bytes if self.downloads else 0

    @property
    def uploaded_bytes(self) -> int:
        return self._uploads.uploaded_bytes

    @property
    def wasted_bytes(self) -> int:
        return self._transfers.downloads.wasted_bytes if self._transfers is not None else 0

    @property
    def failed_pieces(self) -> int:
        return self._transfers.downloads.failed_pieces if self._transfers is not None else 0

    @property
    def unverified_bytes(self) -> int:
        """The size of the pieces that were handed out and not yet reported back."""
        return self._transfers.downloads.unverified_bytes if self._transfers is not None else 0

    @property
    def buffered_bytes(self) -> int:
        """How much memory unfinished pieces take."""
        return self._transfers.downloads.buffered_bytes if self._transfers is not None else 0

    def unfinished(self) -> Iterator[tuple[int, memoryview, Mapping[int, Sender]]]:
        """Pieces of which not all has come, oldest first: index, bytes, and the sender of each block by its offset."""
        return self._transfers.downloads.unfinished() if self._transfers is not None else iter(())

    @property
    def unfinished_bytes(self) -> int:
        """How much is here of pieces of which not all has come. Cost: a look at each."""
        return sum(min(len(view), len(senders) * BLOCK_SIZE) for _, view, senders in self.unfinished())

    @property
    def contributions(self) -> dict[Origin, Contribution]:
        """The peers that gave verified pieces: live."""
        return self._transfers.downloads.contributions.by_source if self._transfers is not None else {}

    @property
    def is_complete(self) -> bool:
        return self.picker is not None and self.picker.is_complete

    @property
    def is_finished(self) -> bool:
        """Whether everything that is wanted is verified."""
        return self.picker is not None and self.picker.is_finished

    def is_seed(self, number: int) -> bool:
        """Whether a peer wants nothing: it has everything, or says so (BEP 21)."""
        picker, peer = self.picker, self.peers[number]
        return bool(peer.core.extensions.upload_only) or (picker is not None and picker.is_seed(number))

    def download_rate_bytes_per_s(self, *, now: float) -> float:
        return sum(peer.download.rate_bytes_per_s(now=now) for peer in self.peers.values())

    def upload_rate_bytes_per_s(self, *, now: float) -> float:
        return sum(peer.upload.rate_bytes_per_s(now=now) for peer in self.peers.values())

    def check_invariants(self) -> None:
        """Asserts what the class docstring promises, and what the parts promise."""
        self.exchange.punching.check_invariants()
        for peer in self.peers.values():
            peer.core.check_invariants()
            if self._transfers is not None:
                self._transfers.picker.is_interesting(peer.number)  # raises for a peer it does not know
        if self._transfers is not None:
            self._transfers.picker.check_invariants()
            self._uploads.check_invariants()
            assert self._transfers.downloads.unverified_bytes >= self.hashes.doubtful_bytes
        self.hashes.check_invariants()

    # What peers say

    def _drain(self, peer: SwarmPeer) -> None:
        while (event := peer.core.next_event()) is not None:
            if self._transfers is None or not self._transfers.handle(peer, event):
                self._handle(peer, event)
        if self._transfers is not None:
            self._transfers.downloads.request_from(peer)
        self._touch(peer)

    def _handle(self, peer: SwarmPeer, event: PeerEvent) -> None:
        self._peer_events.receive(peer, event, now=self._now)
        if isinstance(event, InterestChanged):
            self._uploads.interest_changed(peer)
            self._rechoke_soon()
        elif isinstance(event, ExtensionsReceived) and self._transfers is not None:
            self._transfers.drop_if_useless(peer)

    def _rechoke_soon(self) -> None:
        """A peer became interested or left: a free slot is given away at once, not at the end of the round."""
        self._is_rechoke_due = self._transfers is not None

    def _rechoke(self) -> None:
        self._is_rechoke_due = False
        self._uploads.rechoke(seeding=self.is_finished)

    def _begun(self, *, now: float) -> SwarmTransfers:
        assert self._transfers is not None
        self._at(now=now)
        return self._transfers

    def _at(self, *, now: float) -> None:
        self._now = self._uploads.now = now
        if self._transfers is not None:
            self._transfers.downloads.now = now

    def _touch(self, peer: SwarmPeer) -> None:
        self._touched[peer.number] = None


def _drop_blocks(blocks: Sequence[tuple[Block, memoryview]]) -> None:
    """The peer is gone; what is left in its buffer is nobody's."""


TICK_S = 1.0

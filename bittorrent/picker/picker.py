"""Which block to ask from which peer: rarest first, whole pieces, parole after a bad hash, and the end-game (BEP 3)."""

from __future__ import annotations

from collections.abc import Iterable, KeysView
from random import Random

from bittorrent.picker.availability import Availability
from bittorrent.picker.bitfield import Bitfield
from bittorrent.picker.config import DEFAULT_CONFIG, BlockReceived, PickerConfig, PickerStats, PieceState
from bittorrent.picker.geometry import BLOCK_SIZE, Block, Geometry
from bittorrent.picker.inflight import InFlight, PieceProgress
from bittorrent.picker.peers import PeerPieces, PeerView
from bittorrent.picker.pieces import PieceTable


class PiecePicker:
    """Chooses the blocks to request, and keeps account of every piece of one torrent.

    Peers are opaque integers. Each piece is in exactly one state of `PieceState`. Commands about a peer raise
    `LocalProtocolError` when it was not added.

    Invariants (`check_invariants`): those of `PieceTable`, `PeerPieces`, `Availability` and `InFlight`; and the
    outstanding requests are exactly for the blocks of PARTIAL pieces that are neither free nor received.
    """

    def __init__(self, geometry: Geometry, *, rng: Random, config: PickerConfig = DEFAULT_CONFIG) -> None:
        self.geometry = geometry
        self.config = config
        self._availability = Availability(geometry.piece_count, rng=rng)
        self._pieces = PieceTable(geometry, self._availability)
        self._open = self._pieces.open
        self._have = self._pieces.have
        self._peers = PeerPieces(self._have, self._availability)
        self._in_flight = InFlight()
        self._max_partial = max(1, min(config.max_partial_pieces, config.max_partial_bytes // geometry.piece_length))
        self._duplicate_requests = 0
        self._unneeded_blocks = 0
        self._failed_pieces = 0

    # Peers, and what they have

    def add_peer(self, peer: int) -> None:
        """A peer connected; it has nothing until told otherwise.

        Raises:
            LocalProtocolError: it is there already.
        """
        self._peers.add(peer)
        self._in_flight.add_peer(peer)
        self._open.add_owner(peer)

    def remove_peer(self, peer: int) -> None:
        """A peer is gone: what was asked from it is free again, what it has counts no longer."""
        self.release_all(peer)
        self._pieces.forget_suspect(peer)
        self._open.remove_owner(peer)
        self._in_flight.remove_peer(peer)
        self._peers.remove(peer)

    def peer_have(self, peer: int, index: int) -> None:
        """A peer's `have` message.

        Raises:
            IndexError: the torrent has no such piece (the peer's fault: to be checked before).
        """
        self._peers.set_piece(self._peers.view(peer), index)

    def peer_bitfield(self, peer: int, pieces: Bitfield) -> None:
        """A peer's `bitfield` message; it replaces what was known. `pieces` is copied.

        Raises:
            ValueError: a bitfield of another size.
        """
        if pieces.size != self.geometry.piece_count:
            raise ValueError(f"a bitfield of {pieces.size} pieces for a torrent of {self.geometry.piece_count}")
        self._peers.set_pieces(self._peers.view(peer), pieces)

    def peer_has_all(self, peer: int) -> None:
        """A peer has everything (BEP 6 `have all`). Cost: O(1) for a peer that had nothing."""
        self._peers.set_all(self._peers.view(peer))

    def peer_lost(self, peer: int, index: int) -> None:
        """A peer does not have a piece any more (BEP 54): what was asked of it is free again. Cost: O(pieces).

        Raises:
            IndexError: the torrent has no such piece (the peer's fault: to be checked before).
        """
        for block in [block for block in self._in_flight.blocks_of(peer) if block.piece == index]:
            self.release(peer, block)
        self._peers.clear_piece(self._peers.view(peer), index)

    # Choosing

    def pick(self, peer: int, count: int, *, now: float) -> list[Block]:
        """Up to `count` blocks to ask from a peer that does not choke us; they are outstanding from now on.

        In this order: the rest of what this peer began; unfinished pieces that nobody works on, unless a new one is
        rarer; pieces that failed their hash; new pieces, rarest first; unfinished pieces that others work on; what
        this peer may have spoilt itself. When no block is left that nobody was asked for: blocks that others were
        asked for (the end-game).

        Cost: one or two microseconds for each block, and some dozens for each piece begun among 100,000.
        """
        view = self._peers.view(peer)
        blocks: list[Block] = []
        if not self._peers.interesting(view):
            return blocks
        while len(blocks) < count:
            piece = self._choose(view)
            if piece is None:
                break
            self._assign(piece, peer, count - len(blocks), blocks, now=now)
        if len(blocks) < count and self.is_endgame:
            self._duplicate(view, count - len(blocks), blocks, now=now)
        return blocks

    def pick_from(self, peer: int, indices: Iterable[int], count: int, *, now: float) -> list[Block]:
        """Like `pick`, but only blocks of the named pieces, in their order: those that a peer suggests, or all that it
        gives while it chokes us (BEP 6). Numbers of pieces that the peer does not have are skipped.
        """
        view = self._peers.view(peer)
        blocks: list[Block] = []
        for index in indices:
            if len(blocks) >= count:
                break
            piece = self._named(view, index)
            if piece is not None:
                self._assign(piece, peer, count - len(blocks), blocks, now=now)
        return blocks

    # What became of requests

    def block_received(self, peer: int, block: Block) -> BlockReceived:
        """A block came. Its three numbers may be anything that a stranger sent."""
        view = self._peers.view(peer)
        if self._in_flight.remove(peer, block):
            return self._receive(view, block, self._pieces.partial[block.piece])
        if block not in view.late:
            self._unneeded_blocks += 1
            return _UNEXPECTED
        del view.late[block]
        if not self._takes_late(block):
            self._unneeded_blocks += 1
            return _UNNEEDED
        return self._receive(
            view, block, self._pieces.partial.get(block.piece) or self._pieces.start(block.piece, None)
        )

    def release(self, peer: int, block: Block) -> bool:
        """One request will not be answered (rejected, or given up); False when there was none.

        An answer that comes all the same counts if the block is still needed then.
        """
        view = self._peers.view(peer)
        if not self._in_flight.remove(peer, block):
            return False
        view.remember_late(block, self.config.late_blocks)
        piece = self._pieces.partial[block.piece]
        if not self._in_flight.requesters(block):
            self._pieces.free(piece, block)
        # A piece on parole stays with its owner until nothing of it is outstanding: no block of it has two sources.
        if piece.owner == peer and not (piece.exclusive and piece.is_outstanding) and not piece.is_untouched:
            self._open.change_owner(piece, None)
        return True

    def release_all(self, peer: int) -> int:
        """Nothing that was asked from a peer will be answered (it chokes us, or is too slow); returns how many."""
        self._peers.view(peer)
        blocks = list(self._in_flight.blocks_of(peer))
        for block in blocks:
            self.release(peer, block)
        self._pieces.orphan(peer)
        return len(blocks)

    def stale_requests(self, *, now: float, older_than_s: float) -> list[tuple[int, Block]]:
        """The requests that wait for `older_than_s` or longer, as (peer, block). Cost: O(peers + result)."""
        return self._in_flight.stale(before=now - older_than_s)

    # What became of pieces

    def piece_verified(self, index: int) -> None:
        """The hash of a COMPLETE piece is right, and its bytes are where they belong: it is HAVE.

        Raises:
            LocalProtocolError: the piece is not COMPLETE.
        """
        self._pieces.verify(index)
        self._peers.gained(index)

    def piece_failed(self, index: int) -> tuple[int, ...]:
        """The hash of a COMPLETE piece is wrong: it is MISSING again; returns who sent blocks of it.

        From now on it is on parole: it is fetched whole from one peer, if possible from one that did not contribute.
        When a single peer is returned, that peer sent bad bytes.

        Raises:
            LocalProtocolError: the piece is not COMPLETE.
        """
        contributors = self._pieces.fail(index)
        self._failed_pieces += 1
        for peer in contributors:
            if peer not in self._peers:
                self._pieces.forget_suspect(peer)
        return contributors

    def mark_have(self, index: int) -> None:
        """A piece was found on disk and verified.

        Raises:
            LocalProtocolError: the piece is PARTIAL or COMPLETE.
        """
        if self._pieces.find(index):
            self._peers.gained(index)

    def mark_missing(self, index: int) -> None:
        """A verified piece cannot be read back: it has to be fetched.

        Raises:
            LocalProtocolError: the piece is not HAVE.
        """
        self._pieces.lose(index)
        self._peers.lost(index)

    def take_given_up(self) -> tuple[int, ...]:
        """The pieces whose blocks were dropped to make room: free what is stored of them; it will be fetched again.

        To be asked for after `pick` and `block_received`; a piece is named once.
        """
        given_up = tuple(self._pieces.given_up)
        self._pieces.given_up.clear()
        return given_up

    # Views

    @property
    def have(self) -> Bitfield:
        """The verified pieces: live, not to be changed."""
        return self._have

    @property
    def is_complete(self) -> bool:
        return self._have.is_full

    @property
    def is_endgame(self) -> bool:
        """Every block that is needed was asked for, and some have not come."""
        return bool(self._in_flight.block_count) and self._pieces.is_all_requested

    @property
    def missing_bytes(self) -> int:
        """The bytes of all pieces that are not HAVE: what a tracker wants to know as `left`."""
        return self._pieces.missing_bytes

    def state(self, index: int) -> PieceState:
        return self._pieces.state(index)

    def is_interesting(self, peer: int) -> bool:
        """Whether a peer has a piece that is not HAVE. Cost: O(1)."""
        return bool(self._peers.interesting(self._peers.view(peer)))

    def is_seed(self, peer: int) -> bool:
        """Whether a peer has everything. Cost: O(1)."""
        return self._peers.view(peer).is_seed

    def peer_has(self, peer: int, index: int) -> bool:
        """Whether a peer has a piece. Cost: O(1)."""
        return self._peers.view(peer).has(index)

    def availability(self, index: int) -> int:
        """How many peers have a piece."""
        return self._availability.count(index)

    def requested_from(self, peer: int) -> KeysView[Block]:
        """The blocks that are outstanding at a peer, stalest first: a live view whose `len` costs O(1)."""
        self._peers.view(peer)
        return self._in_flight.blocks_of(peer)

    def contributors(self, index: int) -> tuple[int, ...]:
        """Who sent blocks of a PARTIAL or COMPLETE piece; of others nothing is known."""
        piece = self._pieces.partial.get(index) or self._pieces.complete.get(index)
        return tuple(piece.contributors) if piece is not None else ()

    def received_blocks(self, index: int) -> int:
        """How many blocks of a piece are here."""
        piece = self._pieces.partial.get(index)
        if piece is not None:
            return piece.received.bit_count()
        return 0 if self.state(index) is PieceState.MISSING else self.geometry.block_count(index)

    @property
    def stats(self) -> PickerStats:
        partial, complete, have = len(self._pieces.partial), len(self._pieces.complete), self._have.count
        return PickerStats(
            missing_pieces=self.geometry.piece_count - partial - complete - have,
            partial_pieces=partial,
            complete_pieces=complete,
            have_pieces=have,
            outstanding_blocks=self._in_flight.block_count,
            duplicate_requests=self._duplicate_requests,
            unneeded_blocks=self._unneeded_blocks,
            failed_pieces=self._failed_pieces,
        )

    def check_invariants(self) -> None:
        """Assert what the class says about itself. Cost: O(pieces x peers), for tests."""
        self._pieces.check_invariants()
        self._peers.check_invariants()
        self._in_flight.check_invariants()
        requested = set()
        for piece in self._pieces.partial.values():
            for number in range(piece.block_count):
                if not (piece.free | piece.received) >> number & 1:
                    requested.add(self.geometry.block(piece.index, number))
        assert requested == {block for block, _ in self._in_flight.stalest_first()}

    # Choosing a piece

    def _choose(self, view: PeerView) -> PieceProgress | None:
        """A PARTIAL piece with a free block that this peer has, begun if need be; the order is that of `pick`."""
        for piece in self._open.of(view.id).values():
            if view.has(piece.index):
                return piece
        is_early = self._have.count + len(self._pieces.complete) < self.config.random_first_pieces
        left_over = self._left_over(view, is_early)
        if left_over is not None:
            return self._adopt(left_over, view)
        for index in self._pieces.waiting:
            if view.has(index) and not self._is_suspect(view, index):
                return self._start(index, view)
        if is_early or self._has_many_open:
            return self._shared(view) or self._new(view, is_early) or self._last_resort(view)
        return self._new(view, is_early) or self._shared(view) or self._last_resort(view)

    def _left_over(self, view: PeerView, is_early: bool) -> PieceProgress | None:
        """An unfinished piece that nobody works on, the rarest; none when a new piece is rarer still.

        What is rare must be fetched while somebody has it: others can finish what is common. Only when too many are
        unfinished, or nearly nothing is there to trade, whatever was begun comes first.
        """
        fitting = (
            piece
            for piece in self._open.of(None).values()
            if view.has(piece.index) and not (piece.exclusive and self._is_suspect(view, piece.index))
        )
        if is_early or self._has_many_open:
            return next(fitting, None)
        rarest = min(fitting, key=lambda piece: self._availability.count(piece.index), default=None)
        if rarest is None:
            return None
        lowest_new = self._availability.lowest_count(None if view.is_seed else view.pieces.mask)
        is_rarer = lowest_new is not None and lowest_new < self._availability.count(rarest.index)
        return None if is_rarer and not rarest.exclusive else rarest

    def _new(self, view: PeerView, at_random: bool) -> PieceProgress | None:
        choose = self._availability.random if at_random else self._availability.rarest
        index = choose(None if view.is_seed else view.pieces.mask)
        return None if index is None else self._start(index, view)

    def _shared(self, view: PeerView) -> PieceProgress | None:
        """The piece of another peer that has the fewest free blocks: it will be whole soonest."""
        fitting = (piece for piece in self._open.shareable() if view.has(piece.index))
        return min(fitting, key=lambda piece: piece.free.bit_count(), default=None)

    def _last_resort(self, view: PeerView) -> PieceProgress | None:
        """A failed piece that this peer may have spoilt itself: better from a suspect than from nobody."""
        for piece in self._open.of(None).values():
            if view.has(piece.index):
                return self._adopt(piece, view)
        for index in self._pieces.waiting:
            if view.has(index):
                return self._start(index, view)
        return None

    def _named(self, view: PeerView, index: int) -> PieceProgress | None:
        """A piece with free blocks that this peer may be asked for, begun if need be."""
        if not view.has(index) or self._is_suspect(view, index):
            return None
        piece = self._pieces.partial.get(index)
        if piece is None:
            return self._start(index, view) if self.state(index) is PieceState.MISSING else None
        if not piece.free or (piece.exclusive and piece.owner not in (None, view.id)):
            return None
        return self._adopt(piece, view) if piece.owner is None else piece

    def _start(self, index: int, view: PeerView) -> PieceProgress | None:
        return self._pieces.start(index, view.id) if self._make_room() else None

    def _adopt(self, piece: PieceProgress, view: PeerView) -> PieceProgress:
        if piece.exclusive and not piece.contributors.keys() <= {view.id}:
            piece.reset()  # its blocks came from somebody else, and only a piece from one peer proves who lies
        self._open.change_owner(piece, view.id)
        return piece

    def _assign(self, piece: PieceProgress, peer: int, count: int, blocks: list[Block], *, now: float) -> None:
        """Request up to `count` free blocks of a piece, in order."""
        index, free, size = piece.index, piece.free, self.geometry.piece_size(piece.index)
        add = self._in_flight.add
        for _ in range(count):
            if not free:
                break
            lowest = free & -free
            free ^= lowest
            begin = (lowest.bit_length() - 1) * BLOCK_SIZE
            block = Block(index, begin, BLOCK_SIZE if begin + BLOCK_SIZE <= size else size - begin)
            add(peer, block, now)
            blocks.append(block)
        piece.free = free
        if not free:
            self._open.put(piece)

    def _duplicate(self, view: PeerView, count: int, blocks: list[Block], *, now: float) -> None:
        """Ask for blocks that others were asked for already, the longest untouched first."""
        room = min(count, self.config.endgame_requests - len(self._in_flight.blocks_of(view.id)))
        chosen: list[Block] = []
        for block, requesters in self._in_flight.stalest_first():
            if len(chosen) >= room:
                break
            if view.id in requesters or len(requesters) >= self.config.endgame_requesters:
                continue
            if view.has(block.piece) and not self._pieces.partial[block.piece].exclusive:
                chosen.append(block)
        for block in chosen:
            self._in_flight.add(view.id, block, now)
        self._duplicate_requests += len(chosen)
        blocks += chosen

    # Receiving

    def _receive(self, view: PeerView, block: Block, piece: PieceProgress) -> BlockReceived:
        cancel_for = self._in_flight.remove_block(block)
        for other in cancel_for:
            self._peers.view(other).remember_late(block, self.config.late_blocks)
        if self._pieces.receive(piece, block, view.id):
            return BlockReceived(True, True, True, cancel_for)
        return BlockReceived(True, True, False, cancel_for) if cancel_for else _STORE

    def _takes_late(self, block: Block) -> bool:
        """Whether the answer to a withdrawn request is of use: needed still, and of no piece on parole."""
        if block.piece in self._pieces.suspects:
            return False
        piece = self._pieces.partial.get(block.piece)
        if piece is not None:
            return not piece.received >> block.begin // BLOCK_SIZE & 1
        return self.state(block.piece) is PieceState.MISSING and self._make_room()

    # Facts

    def _make_room(self) -> bool:
        """Whether one more piece may be begun, if need be at the price of one that nobody works on."""
        return len(self._pieces.partial) < self._max_partial or self._pieces.give_up_one()

    @property
    def _has_many_open(self) -> bool:
        count = self._open.count
        is_many = count > self.config.open_pieces_per_peer * len(self._peers)
        return is_many or count * self.geometry.piece_length > self.config.max_open_blocks * BLOCK_SIZE

    def _is_suspect(self, view: PeerView, index: int) -> bool:
        return view.id in self._pieces.suspects.get(index, ())


_STORE = BlockReceived(True, True, False, ())
_UNNEEDED = BlockReceived(True, False, False, ())
_UNEXPECTED = BlockReceived(False, False, False, ())

"""Which piece a peer is asked for next: the policy of the picker."""

from __future__ import annotations

from itertools import islice

from bittorrent.picker.availability import Availability
from bittorrent.picker.config import PickerConfig, PieceState
from bittorrent.picker.open_pieces import PieceProgress
from bittorrent.picker.peers import PeerPieces, PeerView
from bittorrent.picker.pieces import PieceTable
from bittorrent.pieces.bitfield import Bitfield
from bittorrent.pieces.block import BLOCK_SIZE
from bittorrent.pieces.geometry import Geometry


class PieceChoice:
    """Finds the piece to work on, or begins one.

    In this order: the rest of what this peer began; unfinished pieces that no peer works on, unless a new one is
    rarer; pieces that failed their hash; what a much slower peer began; new pieces, by priority and the rarest first;
    unfinished pieces that others work on; what this peer may have spoilt itself. A slow peer shares the pieces of
    other slow ones before it begins one, so that pieces are whole sooner and fewer are unfinished.
    """

    __slots__ = (
        "_availability",
        "_config",
        "_geometry",
        "_max_partial",
        "_open",
        "_peers",
        "_pieces",
        "is_sequential",
        "stolen_pieces",
    )

    def __init__(
        self,
        pieces: PieceTable,
        peers: PeerPieces,
        *,
        availability: Availability,
        geometry: Geometry,
        config: PickerConfig,
    ) -> None:
        self.is_sequential = False
        self.stolen_pieces = 0
        self._pieces = pieces
        self._open = pieces.open
        self._peers = peers
        self._availability = availability
        self._geometry = geometry
        self._config = config
        self._max_partial = max(1, min(config.max_partial_pieces, config.max_partial_bytes // geometry.piece_length))

    def choose(self, view: PeerView) -> PieceProgress | None:
        """A PARTIAL piece with a free block that this peer has, begun if need be; a new one is empty so far."""
        for piece in self._open.of(view.id).values():
            if view.has(piece.index):
                return piece
        has_many = self._has_many_open
        is_early = self._pieces.have.count + len(self._pieces.complete) < self._config.random_first_pieces
        new = None if has_many or is_early else self._best_new(view)
        left_over = self._left_over(view, new)
        if left_over is not None:
            return self.adopt(left_over, view)
        for index in self._pieces.waiting:
            if view.has(index) and self._pieces.is_wanted(index) and not self.is_suspect(view, index):
                return self.start(index, view)
        if is_early or has_many:
            return self._shared(view) or self._begin(self._first_new(view, is_early), view) or self._last_resort(view)
        stolen = self._steal(view)
        if stolen is not None:
            return stolen
        if self._is_slow(view) and (shared := self._shared_by_slow(view)) is not None:
            return shared
        return self._begin(new, view) or self._shared(view) or self._last_resort(view)

    def named(self, view: PeerView, index: int) -> PieceProgress | None:
        """The piece of that number, if this peer may be asked for something of it; begun if need be."""
        if not view.has(index) or not self._pieces.is_wanted(index) or self.is_suspect(view, index):
            return None
        piece = self._pieces.partial.get(index)
        if piece is None:
            return self.start(index, view) if self._pieces.state(index) is PieceState.MISSING else None
        if not piece.free or (piece.exclusive and piece.owner not in (None, view.id)):
            return None
        return self.adopt(piece, view) if piece.owner is None else piece

    def start(self, index: int, view: PeerView) -> PieceProgress | None:
        """Begins a piece, if there is room for one more."""
        return self._pieces.start(index, view.id) if self.make_room() else None

    def adopt(self, piece: PieceProgress, view: PeerView) -> PieceProgress:
        """From now on this peer works on a piece."""
        if piece.exclusive and not piece.contributors.keys() <= {view.id}:
            self._pieces.restart(piece)  # others sent of it, and only a piece from one peer proves which one lies
        self._open.change_owner(piece, view.id)
        return piece

    def make_room(self) -> bool:
        """Whether one more piece may be begun, if need be at the price of one that no peer works on."""
        return self.has_room or self._pieces.give_up_one()

    @property
    def has_room(self) -> bool:
        """Whether one more piece may be begun and none has to be given up for it."""
        return len(self._pieces.partial) < self._max_partial

    def is_suspect(self, view: PeerView, index: int) -> bool:
        """Whether this peer may have spoilt a piece on parole."""
        return view.id in self._pieces.suspects.get(index, ())

    # New pieces

    def _first_new(self, view: PeerView, is_early: bool) -> int | None:
        if is_early and not self.is_sequential:
            return self._availability.random(_pieces_of(view))
        return self._best_new(view)

    def _best_new(self, view: PeerView) -> int | None:
        choose = self._availability.first if self.is_sequential else self._availability.rarest
        return choose(_pieces_of(view))

    def _begin(self, index: int | None, view: PeerView) -> PieceProgress | None:
        return None if index is None else self.start(index, view)

    def _rank(self, index: int) -> tuple[int, int]:
        """Lower is better."""
        return -self._pieces.priority(index), index if self.is_sequential else self._availability.count(index)

    # Unfinished pieces

    def _left_over(self, view: PeerView, new: int | None) -> PieceProgress | None:
        """The best of the unfinished pieces that no peer works on; none when a new piece is better still.

        What is rare must be fetched while a peer has it: others can finish what is common. Only when too many are
        unfinished, or nearly nothing is there to trade, whatever was begun comes first.
        """
        fitting = (
            piece
            for piece in self._open.of(None).values()
            if view.has(piece.index) and not (piece.exclusive and self.is_suspect(view, piece.index))
        )
        best = min(fitting, key=lambda piece: self._rank(piece.index), default=None)
        if best is None or new is None or best.exclusive:
            return best
        return best if self._rank(best.index) <= self._rank(new) else None

    def _shared(self, view: PeerView) -> PieceProgress | None:
        """A piece of another peer; of the first few, the one with the fewest free blocks: it will be whole soonest."""
        fitting = (piece for piece in self._open.shareable() if view.has(piece.index))
        return min(islice(fitting, ENOUGH), key=lambda piece: piece.free.bit_count(), default=None)

    def _shared_by_slow(self, view: PeerView) -> PieceProgress | None:
        for owner in self._peers.by_rate:
            if not self._is_slow(owner):
                return None
            for piece in self._open.of(owner.id).values():
                if not piece.exclusive and view.has(piece.index):
                    return piece
        return None

    def _steal(self, view: PeerView) -> PieceProgress | None:
        """A piece of a peer that is many times slower."""
        if not view.rate_bytes_per_s:
            return None
        limit = view.rate_bytes_per_s / self._config.steal_factor
        for owner in self._peers.by_rate:
            if owner.rate_bytes_per_s is None or owner.rate_bytes_per_s > limit:
                return None
            for piece in self._open.of(owner.id).values():
                if not piece.exclusive and view.has(piece.index):
                    self.stolen_pieces += 1
                    return self.adopt(piece, view)
        return None

    def _last_resort(self, view: PeerView) -> PieceProgress | None:
        """A failed piece that this peer may have spoilt itself: better from a suspect than not at all."""
        for piece in self._open.of(None).values():
            if view.has(piece.index):
                return self.adopt(piece, view)
        for index in self._pieces.waiting:
            if view.has(index) and self._pieces.is_wanted(index):
                return self.start(index, view)
        return None

    # Facts

    @property
    def _has_many_open(self) -> bool:
        count = self._open.count
        is_many = count > self._config.open_pieces_per_peer * len(self._peers)
        return is_many or count * self._geometry.piece_length > self._config.max_open_blocks * BLOCK_SIZE

    def _is_slow(self, view: PeerView) -> bool:
        rate = view.rate_bytes_per_s
        return rate is not None and rate * self._config.whole_piece_s < self._geometry.piece_length


def _pieces_of(view: PeerView) -> Bitfield | None:
    return None if view.is_seed else view.pieces


ENOUGH = 16

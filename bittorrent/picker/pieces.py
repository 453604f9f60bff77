"""The state of every piece, and the transitions between the four states."""

from __future__ import annotations

from bittorrent.picker.availability import Availability
from bittorrent.picker.config import PieceState
from bittorrent.picker.open_pieces import OpenPieces, PieceProgress
from bittorrent.pieces.bitfield import Bitfield
from bittorrent.pieces.block import BLOCK_SIZE, Block
from bittorrent.pieces.geometry import Geometry
from transfer.errors import LocalProtocolError


class PieceTable:
    """Where each piece stands. The candidates of `availability` are kept in step; priorities are kept there.

    A piece is wanted unless its priority is 0; `needed` are those that are wanted and not HAVE. A piece that failed its
    hash is on parole until it is verified: `suspects` names the peers that may be to blame, and one peer alone has to
    send all of it. While such a piece is MISSING it is in `waiting` (oldest failure first). `given_up` are pieces whose
    received blocks were forgotten, until the caller asks or the piece is begun again.

    Invariants: a piece is in exactly one state; a MISSING piece is either a candidate or waiting; a PARTIAL piece is
    wanted; a block of it is free, requested or received; the PARTIAL pieces with free blocks are those of `open`.
    """

    __slots__ = (
        "_availability",
        "_geometry",
        "complete",
        "given_up",
        "have",
        "needed",
        "open",
        "partial",
        "suspects",
        "waiting",
    )

    def __init__(self, geometry: Geometry, availability: Availability, have: Bitfield) -> None:
        self._geometry = geometry
        self._availability = availability
        self.have = have.copy()
        self.needed = Bitfield.full(geometry.piece_count).without(have)
        self.partial: dict[int, PieceProgress] = {}
        self.complete: dict[int, PieceProgress] = {}
        self.open = OpenPieces()
        self.suspects: dict[int, dict[int, None]] = {}
        self.waiting: dict[int, None] = {}
        self.given_up: dict[int, None] = {}

    def state(self, index: int) -> PieceState:
        if index in self.have:
            return PieceState.HAVE
        if index in self.partial:
            return PieceState.PARTIAL
        if index in self.complete:
            return PieceState.COMPLETE
        if not 0 <= index < self.have.size:
            raise IndexError(f"piece {index} is not one of {self.have.size}")
        return PieceState.MISSING

    @property
    def is_all_requested(self) -> bool:
        """Every block that is needed was asked for."""
        if self.open.count or self._availability.has_wanted:
            return False
        return not any(self.is_wanted(index) for index in self.waiting)

    def priority(self, index: int) -> int:
        return self._availability.priorities[index]

    def is_wanted(self, index: int) -> bool:
        return self._availability.priorities[index] > 0

    def free_blocks(self, index: int) -> int:
        """How many blocks no peer was asked for, of a piece that is neither COMPLETE nor HAVE."""
        piece = self.partial.get(index)
        return piece.free.bit_count() if piece is not None else self._geometry.needed_blocks(index).bit_count()

    def start(self, index: int, owner: int | None) -> PieceProgress:
        """MISSING to PARTIAL; the caller requests or receives a block of it at once."""
        self._availability.exclude(index)
        self.waiting.pop(index, None)
        exclusive = index in self.suspects
        piece = PieceProgress(index, self._geometry.needed_blocks(index), owner=owner, exclusive=exclusive)
        self.partial[index] = piece
        self.open.put(piece)
        return piece

    def free(self, piece: PieceProgress, block: Block) -> None:
        """A block of a PARTIAL piece is not requested any more; without any block left the piece is MISSING."""
        piece.free |= 1 << block.begin // BLOCK_SIZE
        if piece.is_untouched:
            self._make_missing(piece)
        else:
            self.open.put(piece)

    def receive(self, piece: PieceProgress, blocks: int, peer: int) -> bool:
        """Blocks of a PARTIAL piece (a set of numbers) came; True when the piece is COMPLETE by that."""
        had_free = piece.free
        if piece.receive(blocks, peer):
            self.open.discard(piece)
            del self.partial[piece.index]
            self.complete[piece.index] = piece
            return True
        if had_free and not piece.free:
            self.open.put(piece)
        return False

    def orphan(self, owner: int) -> None:
        """A peer does not work on its pieces any more."""
        for piece in self.partial.values():
            if piece.owner == owner:
                self.open.change_owner(piece, None)

    def verify(self, index: int) -> None:
        """COMPLETE to HAVE."""
        self._pop_complete(index)
        self._gain(index)

    def fail(self, index: int) -> tuple[int, ...]:
        """COMPLETE to MISSING, on parole; returns the peers that sent blocks of it."""
        contributors = tuple(self._pop_complete(index).contributors)
        self.suspects.setdefault(index, {}).update(dict.fromkeys(contributors))
        self.waiting[index] = None
        return contributors

    def find(self, index: int) -> bool:
        """MISSING to HAVE, for what is on disk; False when it is HAVE already."""
        state = self.state(index)
        if state is PieceState.HAVE:
            return False
        if state is not PieceState.MISSING:
            raise LocalProtocolError(f"piece {index} is {state.value}: it cannot be found on disk now")
        self._availability.exclude(index)
        self.waiting.pop(index, None)
        self._gain(index)
        return True

    def lose(self, index: int) -> None:
        """HAVE to MISSING."""
        if not self.have.clear(index):
            raise LocalProtocolError(f"piece {index} is {self.state(index).value}: it cannot be lost")
        if self.is_wanted(index):
            self.needed.set(index)
        self._availability.include(index)

    def set_priorities(self, priorities: bytes) -> None:
        """New priorities for all; no PARTIAL piece may be unwanted by them: `give_up` comes first."""
        self._availability.set_priorities(priorities)
        self.needed = Bitfield.from_flags(priorities).without(self.have)

    def give_up(self, piece: PieceProgress) -> None:
        """PARTIAL to MISSING for a piece of which nothing is outstanding: what came of it is forgotten."""
        self._make_missing(piece)
        self.given_up[piece.index] = None

    def restart(self, piece: PieceProgress) -> None:
        """A PARTIAL piece of which nothing is outstanding is fetched anew: what came of it is forgotten."""
        piece.reset()
        self.given_up[piece.index] = None

    def give_up_one(self) -> bool:
        """PARTIAL to MISSING for the oldest piece that no peer works on: what came of it is forgotten."""
        for piece in self.open.of(None).values():
            if not piece.is_outstanding:
                self.give_up(piece)
                return True
        return False

    def take_up(self, index: int, blocks: int) -> PieceState:
        """A wanted MISSING piece, of which some blocks are here from an earlier run; returns its state after that."""
        piece = self.start(index, None)
        self.open.discard(piece)
        piece.received = blocks & piece.needed
        piece.free = piece.needed ^ piece.received
        if piece.is_untouched:
            self._make_missing(piece)
        elif piece.is_complete:
            del self.partial[index]
            self.complete[index] = piece
        else:
            self.open.put(piece)
        return self.state(index)

    def take_back(self, index: int, blocks: int) -> None:
        """COMPLETE to PARTIAL, or MISSING if nothing is left, without some blocks: they are to be fetched."""
        piece = self._pop_complete(index)
        piece.received &= ~blocks
        piece.free = piece.needed ^ piece.received
        piece.owner = None
        self.partial[index] = piece
        if piece.is_untouched or not self.is_wanted(index):
            self._make_missing(piece)
        else:
            self.open.put(piece)

    def forget_suspect(self, peer: int) -> None:
        for suspects in self.suspects.values():
            suspects.pop(peer, None)

    def check_invariants(self) -> None:
        self._availability.check_invariants()
        self.open.check_invariants()
        for index in range(self.have.size):
            places = [index in place for place in (self.have, self.partial, self.complete)]
            assert sum(places) <= 1, f"piece {index} is in two states"
            is_candidate = self._availability.is_candidate(index)
            assert is_candidate + (index in self.waiting) == (not any(places)), f"piece {index} is not accounted for"
            assert (index in self.needed) == (self.is_wanted(index) and not places[0])
        assert self.waiting.keys() <= self.suspects.keys()
        for index, piece in self.partial.items():
            assert piece.index == index
            assert self.is_wanted(index), f"piece {index} is fetched though nobody wants it"
            assert not piece.is_complete
            assert not piece.is_untouched
            assert not piece.free & piece.received
            assert piece.exclusive == (index in self.suspects)
            assert (index in self.open.of(piece.owner)) == bool(piece.free)
        assert self.open.count == sum(bool(piece.free) for piece in self.partial.values())

    def _make_missing(self, piece: PieceProgress) -> None:
        self.open.discard(piece)
        del self.partial[piece.index]
        if piece.exclusive:
            self.waiting[piece.index] = None
        else:
            self._availability.include(piece.index)

    def _pop_complete(self, index: int) -> PieceProgress:
        if index not in self.complete:
            raise LocalProtocolError(f"piece {index} is {self.state(index).value}: there is nothing to verify")
        return self.complete.pop(index)

    def _gain(self, index: int) -> None:
        self.suspects.pop(index, None)
        self.have.set(index)
        self.needed.clear(index)

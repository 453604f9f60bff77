"""What the picker can be told, and what it tells: its configuration, its answers and its snapshot."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple


@dataclass(frozen=True, slots=True, kw_only=True)
class PickerConfig:
    """How pieces are chosen.

    Attributes:
        random_first_pieces: while fewer pieces than this are there, new ones are taken at random and shared between
            peers: a first whole piece, something to trade, matters more than a rare one.
        open_pieces_per_peer: with more unfinished pieces than this for each peer that have blocks no peer was asked
            for, help with those comes before new ones.
        max_open_blocks: the same, counted in the blocks of those pieces (2048 are 32 MiB).
        max_partial_pieces: never more unfinished pieces than this, nor (one piece excepted) of more
            bytes: a piece that no peer works on is given up first, and without one no new piece is begun.
        max_partial_bytes: see `max_partial_pieces`.
        endgame_requesters: how many peers one block is asked from at most, in the end-game.
        endgame_patience_s: one more peer is asked for a block, whatever that bound, when for so long none was.
        endgame_requests: a peer with this many requests outstanding is not given duplicates.
        whole_piece_s: a peer that needs longer than this for a piece shares the pieces of others as slow as itself.
        steal_factor: a piece is taken over from a peer that is so many times slower.
        parole_turn_s: a piece that failed its hash is left to one peer for so long, and for twice as long each time.
        max_deadlines: how many pieces can have a deadline at a time.
        critical_requesters: how many peers a block with a deadline is asked from at most, when it is late.
        late_after_s: an answer may be so much later than the peer's rate lets expect.
        late_blocks: how many withdrawn requests of a peer are remembered, so that an answer under way still counts.
    """

    random_first_pieces: int = 4
    open_pieces_per_peer: float = 1.5
    max_open_blocks: int = 2048
    max_partial_pieces: int = 2048
    max_partial_bytes: int = 512 << 20
    endgame_requesters: int = 2
    endgame_patience_s: float = 5.0
    endgame_requests: int = 16
    whole_piece_s: float = 20.0
    steal_factor: float = 10.0
    parole_turn_s: float = 30.0
    max_deadlines: int = 1024
    critical_requesters: int = 3
    late_after_s: float = 1.0
    late_blocks: int = 256

    def __post_init__(self) -> None:
        if self.random_first_pieces < 0 or self.late_blocks < 0:
            raise ValueError("random_first_pieces and late_blocks cannot be negative")
        if (
            self.open_pieces_per_peer <= 0
            or min(self.max_open_blocks, self.max_partial_pieces, self.max_partial_bytes) < 1
        ):
            raise ValueError("the bounds of unfinished pieces must be positive")
        if min(self.endgame_requesters, self.endgame_requests, self.critical_requesters, self.max_deadlines) < 1:
            raise ValueError("there must be at least one requester, one request and one deadline")
        times = (self.whole_piece_s, self.late_after_s, self.parole_turn_s, self.endgame_patience_s)
        if min(times) <= 0 or self.steal_factor <= 1:
            raise ValueError("times must be positive and steal_factor greater than 1")


DEFAULT_CONFIG = PickerConfig()


class PieceState(Enum):
    """Where a piece stands: a piece is in exactly one of these states.

    * MISSING: no block received, none requested;
    * PARTIAL: some block received or requested, and not all received;
    * COMPLETE: all blocks received, the hash is not checked yet;
    * HAVE: verified.
    """

    MISSING = "missing"
    PARTIAL = "partial"
    COMPLETE = "complete"
    HAVE = "have"


class BlockReceived(NamedTuple):
    """What to do with a block that came.

    Attributes:
        is_expected: it was asked from this peer, even if the request was withdrawn since. A block that is not is no
            offence by itself (only the latest withdrawn requests are remembered): drop it.
        is_new: it was needed: store it.
        is_piece_complete: it was the last one missing: verify the piece, then say `piece_verified` or `piece_failed`.
        cancel_for: the other peers that were asked for it and are not waited for any more.
    """

    is_expected: bool
    is_new: bool
    is_piece_complete: bool
    cancel_for: tuple[int, ...]


STORE = BlockReceived(True, True, False, ())  # what nearly every block is answered with: always this object
COMPLETE = BlockReceived(True, True, True, ())


@dataclass(frozen=True, slots=True, kw_only=True)
class PickerStats:
    """A snapshot: the pieces in each state, then what happened so far.

    Attributes:
        outstanding_blocks: different blocks that are requested now.
        duplicate_requests: requests for blocks that another peer was asked for too (the end-game's price).
        unneeded_blocks: blocks that came and were of no use.
        failed_pieces: how often a hash was wrong.
        stolen_pieces: how often a fast peer took over what a slow one had begun.
    """

    missing_pieces: int
    partial_pieces: int
    complete_pieces: int
    have_pieces: int
    outstanding_blocks: int
    duplicate_requests: int
    unneeded_blocks: int
    failed_pieces: int
    stolen_pieces: int

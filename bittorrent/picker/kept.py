"""Pieces of which blocks are here that no peer answers for: they were kept when an earlier run ended."""

from __future__ import annotations

from bittorrent.picker.choice import PieceChoice
from bittorrent.picker.config import PieceState
from bittorrent.picker.pieces import PieceTable
from transfer.errors import LocalProtocolError


class KeptPieces:
    """Takes up what was kept, and takes it back when it was of no use.

    A piece that fails its hash with kept blocks in it says nothing about the peers that sent the others: it loses the
    kept ones, is not on parole, and goes on. So does one whose bad blocks are known.
    """

    __slots__ = ("_pieces", "_policy")

    def __init__(self, pieces: PieceTable, policy: PieceChoice) -> None:
        self._pieces = pieces
        self._policy = policy

    def take_up(self, index: int, blocks: int) -> bool:
        """Whether the piece has these blocks (a set of numbers as an integer) now; it may be COMPLETE by that.

        Not when it is not MISSING, not wanted, on parole (one peer alone shall answer for all of it), or one more than
        there may be.
        """
        is_missing = self._pieces.state(index) is PieceState.MISSING
        if not is_missing or not self._pieces.is_wanted(index) or index in self._pieces.suspects:
            return False
        return self._policy.has_room and self._pieces.take_up(index, blocks) is not PieceState.MISSING

    def take_back(self, index: int, blocks: int) -> None:
        """A COMPLETE piece has a wrong hash, and these blocks of it are doubtful or bad: they are to be fetched.

        Raises:
            LocalProtocolError: the piece is not COMPLETE, or there are no such blocks.
        """
        if not blocks:
            raise LocalProtocolError(f"no block of piece {index} is named")
        self._pieces.take_back(index, blocks)

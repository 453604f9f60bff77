"""For how long one peer may keep a piece that failed its hash to itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from bittorrent.picker.choice import PieceChoice
from bittorrent.picker.inflight import InFlight
from bittorrent.picker.open_pieces import PieceProgress
from bittorrent.picker.peers import PeerView
from bittorrent.picker.pieces import PieceTable
from bittorrent.pieces.block import Block


class ParoleTurns:
    """Which peer works on each piece on parole, and until when no other may.

    Such a piece is asked from one peer alone, and no end-game helps with it: a peer that says nothing, or hardly
    anything, would hold up the whole torrent. So it has a turn; after that, a peer that has nothing else to do takes
    the piece over. Each turn is twice as long as the one before: a peer that is slow but honest has the time it needs
    in the end.

    Args:
        first_turn_s: how long the first turn of a piece is.
    """

    __slots__ = ("_first_turn_s", "_in_flight", "_pieces", "_policy", "_turns", "_withdrawn")

    def __init__(self, pieces: PieceTable, in_flight: InFlight, policy: PieceChoice, *, first_turn_s: float) -> None:
        self._pieces = pieces
        self._in_flight = in_flight
        self._policy = policy
        self._first_turn_s = first_turn_s
        self._turns: dict[int, _Turn] = {}
        self._withdrawn: list[tuple[int, Block]] = []

    def note(self, index: int, peer: int, *, now: float) -> None:
        """A peer is asked for blocks of a piece on parole: its turn begins, unless it is running."""
        before = self._turns.get(index)
        if before is None or before.peer != peer:
            doublings = before.doublings if before is not None else 0
            self._turns[index] = _Turn(peer, now + self._first_turn_s * 2**doublings, doublings)

    def take_over(self, view: PeerView, release: Callable[[int, Block], bool], *, now: float) -> PieceProgress | None:
        """A piece that this peer has and whose owner has had its turn: it is fetched anew, from this peer.

        Args:
            release: takes a request back.
        """
        for index, turn in list(self._turns.items()):
            piece = self._pieces.partial.get(index)
            if index not in self._pieces.suspects:
                del self._turns[index]  # it is verified
            elif piece is not None and now >= turn.ends_at and view.has(index) and piece.owner not in (None, view.id):
                self._end(piece, release)
                left = self._pieces.partial.get(index)
                return self._policy.adopt(left, view) if left is not None else self._policy.start(index, view)
        return None

    def take_withdrawn(self) -> list[tuple[int, Block]]:
        """The requests (peer, block) that were withdrawn since the last time: each peer is to be told."""
        withdrawn, self._withdrawn = self._withdrawn, []
        return withdrawn

    def _end(self, piece: PieceProgress, release: Callable[[int, Block], bool]) -> None:
        """The owner is done with a piece, and is the last to be asked for it again."""
        index, owner = piece.index, piece.owner
        assert owner is not None
        for block in [block for block in self._in_flight.blocks_of(owner) if block.piece == index]:
            release(owner, block)
            self._withdrawn.append((owner, block))
        self._pieces.suspects[index][owner] = None
        turn = self._turns[index]
        self._turns[index] = turn._replace(doublings=min(turn.doublings + 1, MAX_DOUBLINGS))


class _Turn(NamedTuple):
    peer: int
    ends_at: float
    doublings: int


MAX_DOUBLINGS = 10

"""How far each unfinished piece is, and whose piece it is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping


class PieceProgress:
    """One piece of which a block was asked for or received.

    `free` and `received` are sets of block numbers as integers (block `n` is bit `n`); a block in neither is
    requested. `owner` is the peer that this piece is left to while others have something better to do. An `exclusive`
    piece is never shared at all: it failed its hash before, and one peer alone shall answer for all of it. `needed` are
    the blocks that have to come.
    """

    __slots__ = ("contributors", "exclusive", "free", "index", "needed", "owner", "received")

    def __init__(self, index: int, needed: int, *, owner: int | None, exclusive: bool) -> None:
        self.index = index
        self.needed = needed
        self.owner = owner
        self.exclusive = exclusive
        self.reset()

    def reset(self) -> None:
        """Forget what was received."""
        self.free = self.needed
        self.received = 0
        self.contributors: dict[int, None] = {}

    def receive(self, blocks: int, peer: int) -> bool:
        """Whether these blocks (a set of numbers) were the last that were missing."""
        self.free &= ~blocks
        self.received |= blocks
        self.contributors[peer] = None
        return self.received == self.needed

    @property
    def is_complete(self) -> bool:
        return self.received == self.needed

    @property
    def requested(self) -> int:
        """The blocks that are neither free nor received."""
        return self.needed ^ self.free ^ self.received

    @property
    def is_outstanding(self) -> bool:
        """Some block of it is requested."""
        return self.requested != 0

    @property
    def is_untouched(self) -> bool:
        """Nothing received and nothing requested."""
        return self.free == self.needed


class OpenPieces:
    """The unfinished pieces that have free blocks, grouped by owner (None: without one).

    Invariants: exactly the partial pieces with free blocks are here, each once, under its owner; no group is empty.
    """

    __slots__ = ("_groups", "count")

    def __init__(self) -> None:
        self._groups: dict[int | None, dict[int, PieceProgress]] = {}
        self.count = 0

    def put(self, piece: PieceProgress) -> None:
        """List a piece if it has free blocks, unlist it if it has none. To be called after each change of `free`."""
        if not piece.free:
            self.discard(piece)
            return
        group = self._groups.get(piece.owner)
        if group is None:
            group = self._groups[piece.owner] = {}
        if piece.index not in group:
            group[piece.index] = piece
            self.count += 1

    def discard(self, piece: PieceProgress) -> None:
        """Unlist a piece that is no longer partial."""
        group = self._groups.get(piece.owner)
        if group is not None and group.pop(piece.index, None) is not None:
            self.count -= 1
            if not group:
                del self._groups[piece.owner]

    def change_owner(self, piece: PieceProgress, owner: int | None) -> None:
        self.discard(piece)
        piece.owner = owner
        if piece.free:
            self.put(piece)

    def of(self, owner: int | None) -> Mapping[int, PieceProgress]:
        """The open pieces of one owner, oldest first."""
        return self._groups.get(owner, _NONE)

    def shareable(self) -> Iterator[PieceProgress]:
        """The open pieces that any peer may help with."""
        for group in self._groups.values():
            for piece in group.values():
                if not piece.exclusive:
                    yield piece

    def check_invariants(self) -> None:
        assert all(self._groups.values()), "an empty group is listed"
        assert self.count == sum(map(len, self._groups.values()))


_NONE: Mapping[int, PieceProgress] = {}

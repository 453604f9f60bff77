"""What is under way: which block was asked from whom and when, and how far each unfinished piece is."""

from __future__ import annotations

from collections.abc import Iterator, KeysView

from bittorrent.picker.geometry import BLOCK_SIZE, Block


class InFlight:
    """The outstanding requests, by peer and by block.

    Time never runs backwards, so the order of insertion of both dictionaries is the order of age: the stalest request
    is always in front and nothing is ever sorted.

    Invariant: a block is listed under a peer exactly if the peer is listed under the block.
    """

    __slots__ = ("_by_block", "_by_peer")

    def __init__(self) -> None:
        self._by_peer: dict[int, dict[Block, float]] = {}
        self._by_block: dict[Block, tuple[int, ...]] = {}

    def add_peer(self, peer: int) -> None:
        self._by_peer[peer] = {}

    def remove_peer(self, peer: int) -> None:
        """Forget a peer, which has nothing outstanding any more."""
        del self._by_peer[peer]

    def add(self, peer: int, block: Block, now: float) -> None:
        """Note a request. Asking a second peer makes the block the youngest again."""
        self._by_peer[peer][block] = now
        others = self._by_block.pop(block, None)
        self._by_block[block] = (peer,) if others is None else (*others, peer)

    def remove(self, peer: int, block: Block) -> bool:
        """Forget one request; False when there was none."""
        if self._by_peer[peer].pop(block, None) is None:
            return False
        requesters = self._by_block[block]
        if len(requesters) == 1:
            del self._by_block[block]
        else:
            self._by_block[block] = tuple(other for other in requesters if other != peer)
        return True

    def remove_block(self, block: Block) -> tuple[int, ...]:
        """Forget all requests for a block; returns who they were made to."""
        requesters = self._by_block.pop(block, ())
        for peer in requesters:
            del self._by_peer[peer][block]
        return requesters

    def blocks_of(self, peer: int) -> KeysView[Block]:
        """The blocks asked from a peer, stalest first: a live view."""
        return self._by_peer[peer].keys()

    def requesters(self, block: Block) -> tuple[int, ...]:
        return self._by_block.get(block, ())

    def stalest_first(self) -> Iterator[tuple[Block, tuple[int, ...]]]:
        """Each outstanding block with the peers it was asked from; the one untouched for longest comes first."""
        return iter(self._by_block.items())

    def stale(self, *, before: float) -> list[tuple[int, Block]]:
        """The requests made at or before a time. Cost: O(peers + result)."""
        found = []
        for peer, requests in self._by_peer.items():
            for block, since in requests.items():
                if since > before:
                    break
                found.append((peer, block))
        return found

    @property
    def block_count(self) -> int:
        """How many different blocks are outstanding."""
        return len(self._by_block)

    def check_invariants(self) -> None:
        pairs = {(peer, block) for peer, requests in self._by_peer.items() for block in requests}
        assert pairs == {(peer, block) for block, peers in self._by_block.items() for peer in peers}
        for requests in self._by_peer.values():
            times = list(requests.values())
            assert times == sorted(times), "requests of a peer are out of order"


class PieceProgress:
    """One piece of which a block was asked for or received.

    `free` and `received` are sets of block numbers as integers (block `n` is bit `n`); a block in neither is
    requested. `owner` is the peer that this piece is left to while others have something better to do. An `exclusive`
    piece is never shared at all: it failed its hash before, and one peer alone shall answer for all of it.
    """

    __slots__ = ("block_count", "contributors", "exclusive", "free", "index", "owner", "received")

    def __init__(self, index: int, block_count: int, *, owner: int | None, exclusive: bool) -> None:
        self.index = index
        self.block_count = block_count
        self.owner = owner
        self.exclusive = exclusive
        self.reset()

    def reset(self) -> None:
        """Forget what was received."""
        self.free = (1 << self.block_count) - 1
        self.received = 0
        self.contributors: dict[int, None] = {}

    def receive(self, block: Block, peer: int) -> None:
        bit = 1 << block.begin // BLOCK_SIZE
        self.free &= ~bit
        self.received |= bit
        self.contributors[peer] = None

    @property
    def is_complete(self) -> bool:
        return self.received == (1 << self.block_count) - 1

    @property
    def is_outstanding(self) -> bool:
        """Some block of it is requested."""
        return self.free | self.received != (1 << self.block_count) - 1

    @property
    def is_untouched(self) -> bool:
        """Nothing received and nothing requested."""
        return self.free == (1 << self.block_count) - 1


class OpenPieces:
    """The unfinished pieces that have free blocks, grouped by owner (None: nobody's).

    Invariant: exactly the partial pieces with free blocks are here, each once, under its owner.
    """

    __slots__ = ("_groups", "count")

    def __init__(self) -> None:
        self._groups: dict[int | None, dict[int, PieceProgress]] = {None: {}}
        self.count = 0

    def add_owner(self, owner: int) -> None:
        self._groups[owner] = {}

    def remove_owner(self, owner: int) -> None:
        """Forget a peer, which owns no open piece any more."""
        del self._groups[owner]

    def put(self, piece: PieceProgress) -> None:
        """List a piece if it has free blocks, unlist it if it has none. To be called after each change of `free`."""
        group = self._groups[piece.owner]
        if piece.free:
            if piece.index not in group:
                group[piece.index] = piece
                self.count += 1
        elif group.pop(piece.index, None) is not None:
            self.count -= 1

    def discard(self, piece: PieceProgress) -> None:
        """Unlist a piece that is no longer partial."""
        if self._groups[piece.owner].pop(piece.index, None) is not None:
            self.count -= 1

    def change_owner(self, piece: PieceProgress, owner: int | None) -> None:
        self.discard(piece)
        piece.owner = owner
        if piece.free:
            self.put(piece)

    def of(self, owner: int | None) -> dict[int, PieceProgress]:
        """The open pieces of one owner, oldest first: not to be changed."""
        return self._groups[owner]

    def shareable(self) -> Iterator[PieceProgress]:
        """The open pieces that any peer may help with."""
        for group in self._groups.values():
            for piece in group.values():
                if not piece.exclusive:
                    yield piece

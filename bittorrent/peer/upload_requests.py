"""What one peer asked of us and has not got yet, under the rules of BEP 3 and BEP 6."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable

from bittorrent.errors import WireError
from bittorrent.pieces.block import Block
from bittorrent.pieces.geometry import Geometry


class UploadRequests:
    """The queue that a connection is served from, first come first served.

    Args:
        limit: how many may wait.
        most_bytes: that one may be for.

    Invariants:
        at most `limit` wait; while the peer is choked, only blocks of pieces that it may have all the same
    """

    __slots__ = ("_allowed", "_limit", "_most_bytes", "queue")

    def __init__(self, *, limit: int, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self.queue: deque[Block] = deque()
        self._limit = limit
        self._allowed: dict[int, int] = {}  # piece: how many bytes of it may be asked for while choked

    def receive(
        self,
        blocks: list[Block],
        geometry: Geometry | None,
        *,
        is_choked: bool,
        may_be_more: Callable[[], bool],
    ) -> list[Block]:
        """Queues what is right; returns what has to be refused.

        Args:
            geometry: None when it is not known yet: nobody can ask for anything then.
            may_be_more: asked for each request that is refused, since some are sent before our choke arrives.

        Raises:
            WireError: a request for what there is not, or too many of those that are refused.
        """
        refused: list[Block] = []
        for block in blocks:
            if geometry is None or block[2] > self._most_bytes or not geometry.contains(*block):
                raise WireError(f"the peer requested {block.length} bytes at {block.begin} of piece {block.piece}")
            if self.accept(block, is_choked=is_choked):
                continue
            if not may_be_more():
                if is_choked:
                    raise WireError("the peer keeps requesting while choked")
                raise WireError(f"the peer has more than {self._limit} requests outstanding")
            refused.append(block)
        return refused

    def accept(self, block: Block, *, is_choked: bool) -> bool:
        """Queues a request; False when it will not be answered with data."""
        if len(self.queue) >= self._limit:
            return False
        if is_choked:
            left_bytes = self._allowed.get(block.piece, 0)
            if block.length > left_bytes:
                return False
            self._allowed[block.piece] = left_bytes - block.length
        self.queue.append(block)
        return True

    def cancel(self, block: Block) -> bool:
        """Takes a request back; False when it is not waiting, so that its answer is under way or was given."""
        try:
            self.queue.remove(block)
        except ValueError:
            return False
        return True

    def choke(self) -> list[Block]:
        """Forgets all requests but those that the peer may make while choked; returns the forgotten ones."""
        dropped = [block for block in self.queue if block.piece not in self._allowed]
        kept = [block for block in self.queue if block.piece in self._allowed]
        self.queue.clear()
        self.queue.extend(kept)
        return dropped

    def allow(self, pieces: Iterable[tuple[int, int]]) -> None:
        """Pieces, with their sizes, that the peer may fetch while choked (BEP 6).

        Each of them a few times: a request may be repeated after a bad hash, but a slot that is never taken away must
        not be made of it.
        """
        for index, size in pieces:
            self._allowed[index] = COPIES_WHILE_CHOKED * size

    def is_allowed(self, piece: int) -> bool:
        """Whether the peer may fetch a piece while choked."""
        return piece in self._allowed

    def check_invariants(self, *, is_choked: bool) -> None:
        """Asserts what the class docstring promises."""
        assert len(self.queue) <= self._limit
        assert not is_choked or all(self.is_allowed(block.piece) for block in self.queue)


COPIES_WHILE_CHOKED = 2

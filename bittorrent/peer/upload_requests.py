"""What one peer asked of us and has not got yet, under the rules of BEP 3 and BEP 6."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from bittorrent.pieces.block import Block


class UploadRequests:
    """The queue that a connection is served from, first come first served.

    Args:
        limit: how many may wait.

    Invariants:
        at most `limit` wait; while the peer is choked, only blocks of pieces that it may have all the same
    """

    __slots__ = ("_allowed", "_limit", "queue")

    def __init__(self, *, limit: int) -> None:
        self.queue: deque[Block] = deque()
        self._limit = limit
        self._allowed: dict[int, int] = {}  # piece: how many bytes of it may be asked for while choked

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


COPIES_WHILE_CHOKED = 2

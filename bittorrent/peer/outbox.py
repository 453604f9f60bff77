"""What waits to be written to a peer."""

from __future__ import annotations

from collections.abc import Iterable

from bittorrent.pieces.bitfield import Bitfield
from bittorrent.pieces.block import Block
from bittorrent.wire import messages as wire


class Outbox:
    """Messages in the order in which they were sent, and pieces to be announced behind them.

    The bytes of blocks are not copied: what they are views of must not change. Announcements become messages when
    everything is taken: so a peer that does not read costs a number for each piece and no more, and is not told of
    what it has itself by then.

    Args:
        now: monotonic seconds.

    Attributes:
        put_at: when a message was put last.
    """

    __slots__ = ("_chunks", "_haves", "put_at")

    def __init__(self, *, now: float) -> None:
        self.put_at = now
        self._chunks: list[bytes | memoryview] = []
        self._haves: list[int] = []

    def put(self, data: bytes | memoryview, *, now: float) -> None:
        """One message, or several."""
        self.put_at = now
        self._chunks.append(data)

    def put_blocks(self, blocks: Iterable[tuple[Block, bytes | memoryview]], *, now: float) -> None:
        """A `piece` message for each block."""
        self.put_at = now
        chunks = self._chunks
        for (piece, begin, _), data in blocks:
            chunks.append(wire.piece_header(piece, begin, len(data)))
            chunks.append(data)

    def announce(self, indices: Iterable[int]) -> None:
        """A `have` message for each piece."""
        self._haves += indices

    def take_back(self, index: int) -> bool:
        """Takes an announcement back; False when it was made already, or never."""
        if index not in self._haves:
            return False
        self._haves.remove(index)
        return True

    def take(self, held: Bitfield | None, *, now: float) -> list[bytes | memoryview]:
        """Everything, in order.

        Args:
            held: what the peer has; None when that is not known.
        """
        if self._haves:
            self._put_haves(held, now=now)
        chunks, self._chunks = self._chunks, []
        return chunks

    def clear(self) -> None:
        """Nothing is to be written any more."""
        self._chunks.clear()
        self._haves.clear()

    def __bool__(self) -> bool:
        return bool(self._chunks or self._haves)

    @property
    def size_bytes(self) -> int:
        """The bytes of all messages. Cost: O(messages)."""
        return sum(map(len, self._chunks))

    def _put_haves(self, held: Bitfield | None, *, now: float) -> None:
        news, self._haves = self._haves, []
        if held:
            known = set(held) if len(news) > MANY else held
            news = [index for index in news if index not in known]
        if news:
            self.put(wire.encode_haves(news), now=now)


MANY = 1000  # haves at once, from where on a set is worth its price

"""The metadata extension of one connection: what it may ask of us, and which of its answers are due (BEP 9)."""

from __future__ import annotations

from bittorrent.wire.metadata import METADATA_PIECE_SIZE, MetadataData, MetadataReject, answer_request


class MetadataAccount:
    """Counts both directions, so that neither a flood of requests nor one of answers passes for honest traffic.

    Args:
        copies: how often the peer may fetch the whole.
    """

    __slots__ = ("_copies", "_owed", "_served", "info_bytes")

    def __init__(self, *, copies: int) -> None:
        self.info_bytes: bytes | None = None  # what requests are answered from
        self._copies = copies
        self._owed = 0  # answers to our requests that have not come
        self._served = 0  # pieces

    def requested(self) -> None:
        """We asked for a piece."""
        self._owed += 1

    def answered(self) -> bool:
        """An answer came: whether it was due."""
        was_due = self._owed > 0
        self._owed -= was_due
        return was_due

    def answer(self, index: int, *, is_read: bool) -> tuple[MetadataData | MetadataReject, bool]:
        """The answer to a request, and whether the request was due.

        Args:
            is_read: whether the peer reads what is sent to it.
        """
        answer = answer_request(self.info_bytes, index)
        if isinstance(answer, MetadataReject):
            return answer, False
        piece_count = -(-answer.total_size // METADATA_PIECE_SIZE)
        if not is_read or self._served >= self._copies * piece_count:
            return MetadataReject(index), False
        self._served += 1
        return answer, True

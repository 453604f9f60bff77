"""Where a range of a torrent's bytes lies in its files."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence

from bittorrent.files.entry import FileEntry
from transfer.errors import LocalProtocolError


class FileSpans:
    """Cuts ranges at the borders of files. A file without bytes lies in no range.

    Args:
        spans: offset and length of each file, in the order of the torrent.

    Attributes:
        numbers: the files that have bytes, by their number.
        total_bytes: where the last one ends.
    """

    __slots__ = ("_ends", "_starts", "numbers", "total_bytes")

    def __init__(self, spans: Iterable[tuple[int, int]]) -> None:
        self.numbers: list[int] = []
        self._starts: list[int] = []
        self._ends: list[int] = []
        for number, (offset, length) in enumerate(spans):
            if length:
                self.numbers.append(number)
                self._starts.append(offset)
                self._ends.append(offset + length)
        self.total_bytes = self._ends[-1] if self._ends else 0

    @classmethod
    def of(cls, files: Sequence[FileEntry]) -> FileSpans:
        """All files, padding included."""
        return cls((entry.offset, entry.length) for entry in files)

    @classmethod
    def without_padding(cls, files: Sequence[FileEntry]) -> FileSpans:
        """The files that are on disk, or could be: what lies in padding lies in none of them."""
        return cls((entry.offset, 0 if entry.is_padding else entry.length) for entry in files)

    def cut(self, offset: int, length: int) -> Iterator[tuple[int, int, int]]:
        """The files that a range reaches into, in order: (number of the file, position in it, length)."""
        end = offset + length
        for place in range(max(0, bisect_right(self._starts, offset) - 1), len(self.numbers)):
            start = self._starts[place]
            if start >= end:
                return
            first, last = max(offset, start), min(end, self._ends[place])
            if first < last:
                yield self.numbers[place], first - start, last - first


def check_inside(offset: int, length: int, total_bytes: int) -> None:
    """Raises LocalProtocolError for a range that is not inside a torrent of `total_bytes`."""
    if offset < 0 or length < 0 or offset + length > total_bytes:
        raise LocalProtocolError(f"{length} bytes at {offset} are not inside the {total_bytes} of the torrent")

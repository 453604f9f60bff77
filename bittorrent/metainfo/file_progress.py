"""How much of each file is verified."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence

from bittorrent.metainfo.files import FileEntry
from bittorrent.pieces.bitfield import Bitfield
from bittorrent.pieces.geometry import Geometry


class FileProgress:
    """Counts verified bytes per file.

    Args:
        have: what is verified so far.

    Attributes:
        done_bytes: of each file.
        visible: the numbers of the files that are no padding.

    Invariants: `done_bytes` of a file are its bytes in verified pieces.
    """

    __slots__ = ("_files", "_geometry", "_numbers", "_offsets", "done_bytes", "visible")

    def __init__(self, files: Sequence[FileEntry], geometry: Geometry, have: Bitfield) -> None:
        self._files = files
        self._geometry = geometry
        # There may be any number of empty files at one offset: a piece has nothing to do with them.
        self._numbers = [number for number, entry in enumerate(files) if entry.length]
        self._offsets = [files[number].offset for number in self._numbers]
        self.done_bytes = [0] * len(files)
        if have.count:
            for number in self._numbers:
                self.done_bytes[number] = self._done_bytes_of(files[number], have)
        self.visible = [number for number, entry in enumerate(files) if not entry.is_padding]

    def verified(self, index: int) -> list[int]:
        """One more piece; returns the files that are complete by it. Cost: O(log files), and the files in the piece."""
        complete: list[int] = []
        for number, size in self._overlaps(index):
            self.done_bytes[number] += size
            if self.done_bytes[number] == self._files[number].length and not self._files[number].is_padding:
                complete.append(number)
        return complete

    def _done_bytes_of(self, entry: FileEntry, have: Bitfield) -> int:
        """Cost: O(pieces of the file / 8)."""
        piece_length = self._geometry.piece_length
        first, last = entry.offset // piece_length, (entry.end - 1) // piece_length
        inside = have.count_between(first + 1, last) * piece_length
        edges = [index for index in {first, last} if index in have]
        return inside + sum(
            min(entry.end, (index + 1) * piece_length) - max(entry.offset, index * piece_length) for index in edges
        )

    def _overlaps(self, index: int) -> Iterator[tuple[int, int]]:
        """The files with bytes in a piece, and how many."""
        begin = self._geometry.piece_offset(index)
        end = begin + self._geometry.piece_size(index)
        for place in range(bisect_right(self._offsets, begin) - 1, len(self._numbers)):
            number = self._numbers[place]
            entry = self._files[number]
            if entry.offset >= end:
                return
            size = min(end, entry.end) - max(begin, entry.offset)
            if size > 0:
                yield number, size

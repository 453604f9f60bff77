"""How much of each file is verified."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bittorrent.files.entry import FileEntry
from bittorrent.files.spans import FileSpans
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

    __slots__ = ("_files", "_geometry", "_spans", "done_bytes", "visible")

    def __init__(self, files: Sequence[FileEntry], geometry: Geometry, have: Bitfield) -> None:
        self._files = files
        self._geometry = geometry
        # There may be any number of empty files at one offset: a piece has nothing to do with them.
        self._spans = FileSpans.of(files)
        self.done_bytes = [0] * len(files)
        if have.count:
            for number in self._spans.numbers:
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
        pieces = self._geometry.pieces_of(entry.offset, entry.length)
        first, last = pieces[0], pieces[-1]
        inside = have.count_between(first + 1, last) * self._geometry.piece_length
        done = 0
        for index in {first, last}:
            if index in have:
                begin, size = self._geometry.piece_span(index)
                done += min(entry.end, begin + size) - max(entry.offset, begin)
        return inside + done

    def _overlaps(self, index: int) -> Iterator[tuple[int, int]]:
        """The files with bytes in a piece, and how many."""
        for number, _, size in self._spans.cut(*self._geometry.piece_span(index)):
            yield number, size

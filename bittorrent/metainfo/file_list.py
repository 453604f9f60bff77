"""The files of a torrent at one moment, made one by one as the caller looks at them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import overload

from bittorrent.files.entry import FileEntry
from bittorrent.stats import FileStats


class FileList(Sequence[FileStats]):
    """A snapshot: what happens later does not change it.

    Args:
        files: all of the torrent.
        visible: the numbers of those that are in this list.
        done_bytes: of each of `files`; not to be changed any more.
        priorities: of each of `files`.
    """

    __slots__ = ("_done_bytes", "_files", "_priorities", "_visible")

    def __init__(
        self, files: Sequence[FileEntry], visible: Sequence[int], done_bytes: Sequence[int], priorities: Sequence[int]
    ) -> None:
        self._files = files
        self._visible = visible
        self._done_bytes = done_bytes
        self._priorities = priorities

    def __len__(self) -> int:
        return len(self._visible)

    @overload
    def __getitem__(self, index: int) -> FileStats: ...

    @overload
    def __getitem__(self, index: slice) -> FileList: ...

    def __getitem__(self, index: int | slice) -> FileStats | FileList:
        if isinstance(index, slice):
            return FileList(self._files, self._visible[index], self._done_bytes, self._priorities)
        number = self._visible[index]
        entry = self._files[number]
        return FileStats(
            number=number,
            path=str(entry),
            size_bytes=entry.length,
            done_bytes=self._done_bytes[number],
            priority=self._priorities[number],
        )

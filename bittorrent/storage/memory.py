"""A torrent that never touches a disk: for programs that only want the bytes, and for tests."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence

from bittorrent.errors import MissingDataError, StorageError
from bittorrent.files.entry import FileEntry
from bittorrent.files.spans import FileSpans, check_inside
from transfer.errors import LocalProtocolError


class MemoryStorage:
    """The storage port in memory. The content of files stays available when it is closed.

    Args:
        files: of the torrent.
        root: means nothing here.
        max_bytes: a larger torrent is refused by `prepare`.
    """

    __slots__ = ("_buffers", "_closed", "_max_bytes", "_spans", "_writable", "files", "total_bytes")

    def __init__(
        self,
        files: Sequence[FileEntry],
        root: str | os.PathLike[str] = "",
        *,
        writable: bool = True,
        max_bytes: int = 1 << 30,
    ) -> None:
        self.files = tuple(files)
        self._spans = FileSpans.without_padding(files)
        self._buffers: dict[FileEntry, bytearray] = {}
        self._writable = writable
        self._max_bytes = max_bytes
        self._closed = False
        self.total_bytes = files[-1].end if files else 0

    def content(self, path: str) -> bytes:
        """The bytes of a file, named as `str` of its entry does (`album/song.ogg`); zeros where nothing has come yet.

        Raises:
            KeyError: the torrent has no such file.
        """
        entry = next((entry for entry in self.files if str(entry) == path and not entry.is_padding), None)
        if entry is None:
            raise KeyError(path)
        return bytes(self._buffers.get(entry, entry.length))

    # Storage

    def read(self, offset: int, length: int) -> bytes:
        buffer = bytearray(length)
        self.read_into(offset, buffer)
        return bytes(buffer)

    def read_cached(self, offset: int, length: int) -> memoryview:
        """All of it is in memory."""
        return memoryview(self.read(offset, length))

    def read_into(self, offset: int, buffer: bytearray | memoryview) -> None:
        view = memoryview(buffer)
        self._check(offset, len(view))
        view[:] = bytes(len(view))  # padding
        for entry, start, size in self._parts(offset, len(view)):
            stored = self._buffers.get(entry)
            if stored is None:
                raise MissingDataError(f"cannot read {entry}: nothing of it has come yet", path=str(entry))
            at = entry.offset + start - offset
            view[at : at + size] = memoryview(stored)[start : start + size]

    def write(self, offset: int, data: bytes | bytearray | memoryview) -> None:
        view = memoryview(data)
        self._check(offset, len(view))
        if not self._writable:
            raise LocalProtocolError("this storage was opened for reading only")
        for entry, start, size in self._parts(offset, len(view)):
            stored = self._buffers.get(entry)
            if stored is None:  # setting a default is atomic: another thread may write to the same file
                stored = self._buffers.setdefault(entry, bytearray(entry.length))
            at = entry.offset + start - offset
            stored[start : start + size] = view[at : at + size]

    def prepare(self) -> None:
        self._check(0, 0)
        size = sum(entry.length for entry in self.files if not entry.is_padding)
        if size > self._max_bytes:
            raise StorageError(f"the torrent has {size} bytes, more than the {self._max_bytes} for memory")

    def exists_any(self) -> bool:
        return bool(self._buffers)

    def is_hole(self, offset: int, length: int) -> bool:
        self._check(offset, length)
        entries = [entry for entry, _, _ in self._parts(offset, length)]
        return bool(entries) and not any(entry in self._buffers for entry in entries)

    def flush(self) -> None:
        self._check(0, 0)

    def close(self) -> None:
        self._closed = True

    def _parts(self, offset: int, length: int) -> Iterator[tuple[FileEntry, int, int]]:
        """(file, position in it, length) for the files, without padding, that a range reaches into."""
        for number, start, size in self._spans.cut(offset, length):
            yield self.files[number], start, size

    def _check(self, offset: int, length: int) -> None:
        if self._closed:
            raise LocalProtocolError("this storage is closed")
        check_inside(offset, length, self.total_bytes)

"""A torrent straight into any file system that fsspec knows: S3, GCS, SFTP, memory, ….

Needs the extra `fsspec`, and the package of the file system (`s3fs` for S3).
"""

from __future__ import annotations

import os
from bisect import bisect_right, insort
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from bittorrent.errors import MissingDataError, StorageError
from bittorrent.files.entry import FileEntry
from bittorrent.files.spans import FileSpans, check_inside
from transfer.errors import LocalProtocolError


class FsspecStorage:
    """The storage port on an `fsspec` file system.

    Object stores cannot write into the middle of an object. So every write becomes an object of its own,
    `<file>.parts/<position>`, and `flush`, which a torrent calls when it is complete, puts the files together that are
    whole and removes their parts. Files that are there with the right size are read as they are; a later start finds
    the parts of an earlier one.

    Args:
        files: of the torrent.
        root: the directory or bucket, as the file system names it.
        fs: an `fsspec.AbstractFileSystem`; made by `fsspec.filesystem("s3", …)`, not an asynchronous one.
    """

    __slots__ = ("_closed", "_files", "_fs", "_parts", "_root", "_spans", "_whole", "_writable", "total_bytes")

    def __init__(self, files: Sequence[FileEntry], root: str | os.PathLike[str], *, fs: Any, writable: bool) -> None:
        self._fs = fs
        self._root = str(root).rstrip("/")
        self._writable = writable
        self._files = files
        self._spans = FileSpans.without_padding(files)
        self._parts: dict[FileEntry, list[tuple[int, int]]] = {
            files[number]: [] for number in self._spans.numbers
        }  # (start, end)
        self._whole: set[FileEntry] = set()
        self._closed = False
        self.total_bytes = files[-1].end if files else 0

    @classmethod
    def opener(cls, fs: Any, root: str) -> Callable[..., FsspecStorage]:
        """What `Session(open_storage=…)` takes: all torrents go below `root` of `fs`."""

        def open_storage(
            files: Sequence[FileEntry], directory: str | os.PathLike[str], /, *, writable: bool
        ) -> FsspecStorage:
            return cls(files, root, fs=fs, writable=writable)

        return open_storage

    # Storage

    def read(self, offset: int, length: int) -> bytes:
        buffer = bytearray(length)
        self.read_into(offset, buffer)
        return bytes(buffer)

    def read_into(self, offset: int, buffer: bytearray | memoryview) -> None:
        view = memoryview(buffer)
        self._check(offset, len(view))
        view[:] = bytes(len(view))  # padding
        for entry, start, size in self._ranges(offset, len(view)):
            at = entry.offset + start - offset
            for source, first, last in self._sources(entry, start, start + size):
                data = self._call("read", source, self._cat, source, first, last)
                if len(data) != last - first:
                    raise MissingDataError(f"cannot read {source}: it ends too early", path=source)
                view[at : at + len(data)] = data
                at += len(data)

    def write(self, offset: int, data: bytes | bytearray | memoryview) -> None:
        view = memoryview(data)
        self._check(offset, len(view))
        if not self._writable:
            raise LocalProtocolError("this storage was opened for reading only")
        for entry, start, size in self._ranges(offset, len(view)):
            at = entry.offset + start - offset
            path = self._part_path(entry, start)
            content = bytes(view[at : at + size])
            self._call("write", path, self._fs.pipe_file, path, content)
            self._note(entry, start, start + size)

    def prepare(self) -> None:
        self._check(0, 0)
        for entry in self._parts:
            path = self._path(entry)
            if self._call("use", path, self._fs.exists, path):
                size = self._call("use", path, self._fs.size, path)
                if size != entry.length:
                    raise StorageError(
                        f"{path} has {size} bytes but the torrent says {entry.length}, so it is another file;"
                        " move it away or choose another place",
                        path=path,
                    )
                self._whole.add(entry)
            elif self._writable:
                self._find_parts(entry)

    def exists_any(self) -> bool:
        return bool(self._whole) or any(self._parts.values())

    def is_hole(self, offset: int, length: int) -> bool:
        self._check(offset, length)
        found = False
        for entry, start, size in self._ranges(offset, length):
            if entry in self._whole or any(first < start + size and start < last for first, last in self._parts[entry]):
                return False
            found = True
        return found

    def flush(self) -> None:
        """As the port says; files that are whole by now are put together."""
        self._check(0, 0)
        for entry in self._parts:
            if entry not in self._whole and self._is_covered(entry):
                self._put_together(entry)

    def close(self) -> None:
        self._closed = True

    # Parts

    def _put_together(self, entry: FileEntry) -> None:
        path = self._path(entry)

        def copy() -> None:
            with self._fs.open(path, "wb") as file:
                for source, first, last in self._sources(entry, 0, entry.length):
                    file.write(self._cat(source, first, last))

        self._call("write", path, copy)
        self._whole.add(entry)
        self._parts[entry] = []
        folder = self._parts_folder(entry)
        self._call("remove", folder, self._fs.rm, folder, True)

    def _find_parts(self, entry: FileEntry) -> None:
        folder = self._parts_folder(entry)
        try:
            listed = self._fs.ls(folder, detail=True)
        except FileNotFoundError:
            return
        except OSError as error:
            raise StorageError.from_os_error("read", folder, error) from None
        for item in listed:
            name = str(item["name"]).rpartition("/")[2]
            start, size = int(name) if name.isdigit() else -1, item.get("size") or 0
            if start >= 0 and size and start + size <= entry.length:
                self._note(entry, start, start + size)

    def _note(self, entry: FileEntry, start: int, end: int) -> None:
        parts = self._parts[entry]
        if (start, end) not in parts:
            insort(parts, (start, end))

    def _is_covered(self, entry: FileEntry) -> bool:
        reached = 0
        for start, end in self._parts[entry]:
            if start > reached:
                return False
            reached = max(reached, end)
        return reached >= entry.length

    def _sources(self, entry: FileEntry, start: int, end: int) -> Iterator[tuple[str, int, int]]:
        """Where a range of a file is: (object, first, last), in order and without gaps."""
        if entry in self._whole:
            yield self._path(entry), start, end
            return
        parts = list(self._parts[entry])
        while start < end:
            index = bisect_right(parts, (start, self.total_bytes)) - 1
            while index >= 0 and parts[index][1] <= start:
                index -= 1
            if index < 0:
                raise MissingDataError(f"cannot read {entry}: byte {start} has not come yet", path=str(entry))
            first, last = parts[index]
            stop = min(end, last)
            yield self._part_path(entry, first), start - first, stop - first
            start = stop

    def _path(self, entry: FileEntry) -> str:
        return f"{self._root}/{entry}"

    def _parts_folder(self, entry: FileEntry) -> str:
        return f"{self._path(entry)}.parts"

    def _part_path(self, entry: FileEntry, start: int) -> str:
        return f"{self._parts_folder(entry)}/{start}"

    def _ranges(self, offset: int, length: int) -> Iterator[tuple[FileEntry, int, int]]:
        for number, start, size in self._spans.cut(offset, length):
            yield self._files[number], start, size

    def _cat(self, path: str, first: int, last: int) -> bytes:
        """Part of an object. By name, since s3fs has the version in front of the range."""
        data: bytes = self._fs.cat_file(path, start=first, end=last)
        return data

    def _call(self, action: str, path: str, work: Callable[..., Any], *arguments: object) -> Any:
        try:
            return work(*arguments)
        except FileNotFoundError as error:
            raise MissingDataError.from_os_error(action, path, error) from None
        except (OSError, ValueError) as error:  # fsspec file systems raise both for what the other side refuses
            if isinstance(error, OSError):
                raise StorageError.from_os_error(action, path, error) from None
            raise StorageError(f"cannot {action} {path}: {error}", path=path) from None

    def _check(self, offset: int, length: int) -> None:
        if self._closed:
            raise LocalProtocolError("this storage is closed")
        check_inside(offset, length, self.total_bytes)

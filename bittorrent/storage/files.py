"""The bytes of a torrent in the files that it names, each byte at its final place from the start."""

from __future__ import annotations

import errno
import os
import stat
import sys
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bittorrent.errors import MissingDataError, StorageError
from bittorrent.metainfo.files import FileEntry
from bittorrent.storage.descriptors import HAS_POSITIONED_CALLS, DescriptorCache, read_at, write_at
from transfer.errors import LocalProtocolError


@dataclass(frozen=True, slots=True, kw_only=True)
class FileStorageConfig:
    """`open_files` bounds the descriptors that one torrent keeps open; 0 opens and closes around each access.

    Without `case_sensitive_names`, a torrent with two paths that differ only in case is refused: each would overwrite
    the other.
    """

    open_files: int = 64
    case_sensitive_names: bool = sys.platform not in ("win32", "darwin")

    def __post_init__(self) -> None:
        if self.open_files < 0:
            raise ValueError("open_files must not be negative")


DEFAULT_CONFIG = FileStorageConfig()


class FileStorage:
    """The storage port on ordinary, sparse files below `root`.

    Nothing is created, not even a folder, before `prepare` or the first write. What belongs to the user is never cut
    off, and nothing is written through a symbolic link that leads out of `root`. With `writable=False` symbolic links
    are followed: what is read is worth nothing to anybody unless it has the hashes of the torrent.

    Padding reads as zeros and swallows what is written to it.
    """

    __slots__ = (
        "_closed",
        "_descriptors",
        "_dirty",
        "_paths",
        "_root",
        "_spans",
        "_starts",
        "_writable",
        "total_bytes",
    )

    def __init__(
        self,
        files: Sequence[FileEntry],
        root: str | os.PathLike[str],
        *,
        writable: bool = True,
        config: FileStorageConfig = DEFAULT_CONFIG,
    ) -> None:
        self._root = os.path.abspath(root)
        self._writable = writable
        # A file without bytes lies in no range, so only `prepare` knows it.
        self._spans = tuple(entry for entry in files if entry.length)
        self._starts = tuple(entry.offset for entry in self._spans)
        self._paths = tuple((entry, os.path.join(self._root, *entry.path)) for entry in files if not entry.is_padding)
        if not config.case_sensitive_names:
            _check_case(files)
        self.total_bytes = self._spans[-1].end if self._spans else 0
        limit = config.open_files if HAS_POSITIONED_CALLS else 0
        self._descriptors: DescriptorCache[tuple[int, bool]] = DescriptorCache(self._open, limit=limit)
        self._dirty: set[int] = set()
        self._closed = False

    def read(self, offset: int, length: int) -> bytes:
        parts = [self._read_file(*piece) for piece in self._pieces_of(offset, length)]
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def read_into(self, offset: int, buffer: bytearray | memoryview) -> None:
        view = memoryview(buffer)
        for index, position, length in self._pieces_of(offset, len(view)):
            self._read_file_into(index, position, view[:length])
            view = view[length:]

    def write(self, offset: int, data: bytes | bytearray | memoryview) -> None:
        if not self._writable:
            raise LocalProtocolError("this storage was opened for reading only")
        view = memoryview(data)
        for index, position, length in self._pieces_of(offset, len(view)):
            self._write_file(index, position, view[:length])
            view = view[length:]

    def prepare(self) -> None:
        """As the port says. A file longer than in the torrent is refused, not cut: it belongs to somebody else."""
        self._check_open()
        checked: set[str] = set()
        for entry, path in self._paths:
            folder = os.path.dirname(path)
            if self._writable and folder not in checked:
                self._check_folder(folder)
                checked.add(folder)
            try:
                status = os.lstat(path) if self._writable else os.stat(path)
            except FileNotFoundError:
                if entry.length == 0 and self._writable:
                    self._create_empty(path)
                continue
            except OSError as error:
                raise StorageError.from_os_error("use", path, error) from None
            if stat.S_ISLNK(status.st_mode):
                raise _symbolic_link(path)
            if not stat.S_ISREG(status.st_mode):
                raise _not_a_file(path)
            if status.st_size > entry.length:
                raise StorageError(
                    f"{path} has {status.st_size} bytes but the torrent says {entry.length}, so it is another file;"
                    " move it away or choose another directory",
                    path=path,
                )

    def exists_any(self) -> bool:
        return any(entry.length and os.path.lexists(path) for entry, path in self._paths)

    def is_hole(self, offset: int, length: int) -> bool:
        """As the port says. Padding alone is no hole."""
        found = False
        for index, position, size in self._pieces_of(offset, length):
            if self._spans[index].is_padding:
                continue
            try:
                descriptor = self._descriptors.get((index, False))
                if os.fstat(descriptor.number).st_size > position and not _is_sparse(descriptor.number, position, size):
                    return False
            except MissingDataError:
                pass
            except StorageError:
                raise
            except OSError as error:
                raise StorageError.from_os_error("read", self._path(index), error) from None
            found = True
        return found

    def flush(self) -> None:
        self._check_open()
        while self._dirty:
            index = self._dirty.pop()  # before the call: what is written during it is dirty again
            try:
                descriptor = self._descriptors.get((index, True))
                os.fsync(descriptor.number)
            except StorageError:
                self._dirty.add(index)
                raise
            except OSError as error:
                self._dirty.add(index)
                raise StorageError.from_os_error("write", self._path(index), error) from None

    def close(self) -> None:
        self._closed = True
        self._descriptors.clear()

    def _pieces_of(self, offset: int, length: int) -> Iterator[tuple[int, int, int]]:
        """Cuts a range at file borders: (index of the span, position in its file, length), in order."""
        self._check_open()
        if offset < 0 or length < 0 or offset + length > self.total_bytes:
            raise LocalProtocolError(f"{length} bytes at {offset} are not inside the {self.total_bytes} of the torrent")
        index = bisect_right(self._starts, offset) - 1
        while length > 0:
            entry = self._spans[index]
            position = offset - entry.offset
            size = min(length, entry.length - position)
            yield index, position, size
            offset += size
            length -= size
            index += 1

    def _read_file(self, index: int, position: int, length: int) -> bytes:
        if HAS_POSITIONED_CALLS and not self._spans[index].is_padding:
            descriptor = self._descriptors.get((index, False))
            try:
                data = os.pread(descriptor.number, length, position)
            except OSError as error:
                raise StorageError.from_os_error("read", self._path(index), error) from None
            if len(data) == length:  # the system may give less without being at the end
                return data
        buffer = bytearray(length)
        self._read_file_into(index, position, memoryview(buffer))
        return bytes(buffer)

    def _read_file_into(self, index: int, position: int, view: memoryview) -> None:
        if self._spans[index].is_padding:
            view[:] = bytes(len(view))
            return
        descriptor = self._descriptors.get((index, False))
        while view:
            try:
                size = read_at(descriptor.number, view, position)
            except OSError as error:
                raise StorageError.from_os_error("read", self._path(index), error) from None
            if size == 0:
                path = self._path(index)
                raise MissingDataError(f"cannot read {path}: it ends at byte {position} or before", path=path)
            view = view[size:]
            position += size

    def _write_file(self, index: int, position: int, view: memoryview) -> None:
        if self._spans[index].is_padding:
            return
        descriptor = self._descriptors.get((index, True))
        self._dirty.add(index)
        while view:
            try:
                size = write_at(descriptor.number, view, position)
            except OSError as error:
                raise StorageError.from_os_error("write", self._path(index), error) from None
            view = view[size:]
            position += size

    def _open(self, key: tuple[int, bool]) -> int:
        """A new descriptor for one file; the second half of the key says whether it is for writing."""
        index, for_writing = key
        path = self._path(index)
        if self._closed:
            raise LocalProtocolError("this storage is closed")
        try:
            return self._open_to_write(path) if for_writing else self._open_to_read(path)
        except StorageError:
            raise
        except OSError as error:
            if error.errno == errno.ELOOP:
                raise _symbolic_link(path) from None
            failure = MissingDataError if error.errno == errno.ENOENT and not for_writing else StorageError
            raise failure.from_os_error("write" if for_writing else "read", path, error) from None

    def _open_to_read(self, path: str) -> int:
        """Opens first and checks then: nothing is changed by it, and most files that are not there cost one call."""
        number = os.open(path, _FLAGS | (_NO_FOLLOW if self._writable else 0))
        try:
            if self._writable:
                self._check_inside(path)
            _check_regular(number, path)
        except StorageError:
            os.close(number)
            raise
        return number

    def _open_to_write(self, path: str) -> int:
        self._check_inside(path)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        number = os.open(path, _FLAGS | _NO_FOLLOW | os.O_RDWR | os.O_CREAT, 0o666)
        try:
            _check_regular(number, path)
        except StorageError:
            os.close(number)
            raise
        return number

    def _create_empty(self, path: str) -> None:
        try:
            os.close(self._open_to_write(path))
        except StorageError:
            raise
        except OSError as error:
            raise StorageError.from_os_error("write", path, error) from None

    def _check_inside(self, path: str) -> None:
        if os.path.islink(path):  # O_NOFOLLOW says the same without a race, where it exists
            raise _symbolic_link(path)
        self._check_folder(os.path.dirname(path))

    def _check_folder(self, folder: str) -> None:
        """Folders on the way to a file may be symbolic links, as long as they stay inside `root`."""
        root, real = os.path.realpath(self._root), os.path.realpath(folder)
        if real != root and not real.startswith(os.path.join(root, "")):
            raise StorageError(
                f"{folder} leads out of {self._root} through a symbolic link; remove it or choose another directory",
                path=folder,
            )

    def _path(self, index: int) -> str:
        return os.path.join(self._root, *self._spans[index].path)

    def _check_open(self) -> None:
        if self._closed:
            raise LocalProtocolError("this storage is closed")


def _is_sparse(descriptor: int, position: int, length: int) -> bool:
    """Whether no block of the disk belongs to the range. Moves the file position, which nobody relies on."""
    if not _CAN_SEEK_DATA:
        return False
    try:
        return os.lseek(descriptor, position, os.SEEK_DATA) >= position + length
    except OSError as error:
        return error.errno == errno.ENXIO  # no data from here to the end; anything else: not supported here


def _check_regular(descriptor: int, path: str) -> None:
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        raise _not_a_file(path)


def _check_case(files: Sequence[FileEntry]) -> None:
    seen: dict[str, FileEntry] = {}
    for entry in files:
        if not entry.is_padding and seen.setdefault(str(entry).casefold(), entry) is not entry:
            raise StorageError(
                f"{str(entry)!r} is in the torrent twice for a system that ignores case", path=str(entry)
            )


def _not_a_file(path: str) -> StorageError:
    return StorageError(f"{path} is not a file; move it away or choose another directory", path=path)


def _symbolic_link(path: str) -> StorageError:
    text = f"{path} is a symbolic link, and nothing is written through it; remove it or choose another directory"
    return StorageError(text, path=path)


# O_NONBLOCK, so that a pipe in the place of a file cannot stop the program; for files it means nothing.
_FLAGS = getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0)
_NO_FOLLOW = getattr(os, "O_NOFOLLOW", 0)
_CAN_SEEK_DATA = hasattr(os, "SEEK_DATA")

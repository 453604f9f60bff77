"""The bytes of a torrent in the files that it names, each byte at its final place from the start."""

from __future__ import annotations

import errno
import os
import stat
import sys
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from bittorrent.errors import MetainfoError, MissingDataError, StorageError
from bittorrent.metainfo.files import FileEntry
from bittorrent.metainfo.paths import check_path
from bittorrent.storage.descriptors import HAS_POSITIONED_CALLS, DescriptorCache, read_at, read_cached_at, write_at
from bittorrent.storage.durable import make_folders
from bittorrent.storage.part_file import PartFile
from bittorrent.storage.places import find_places
from bittorrent.storage.ports import FileStamp
from bittorrent.storage.relocation import relocate, remove_files
from bittorrent.storage.safe_folder import SafeFolder, not_a_file, symbolic_link
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
    """The storage port, and `FileBacked`, on ordinary, sparse files below `root`.

    Nothing is created, not even a folder, before `prepare` or the first write. What belongs to the user is never cut
    off, and nothing is written through a symbolic link that leads out of `root`. With `writable=False` symbolic links
    are followed: what is read is worth nothing to anybody unless it has the hashes of the torrent.

    Padding reads as zeros and swallows what is written to it. Files that are not wanted are not created: what pieces
    reach into them goes to the part file.
    """

    __slots__ = (
        "_closed",
        "_descriptors",
        "_dirty",
        "_files",
        "_folder",
        "_numbers",
        "_part",
        "_parted",
        "_paths",
        "_spans",
        "_starts",
        "_wanted",
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
        self._files = list(files)
        self._folder = SafeFolder(root, writable=writable)
        self._paths = find_places(files, self._folder.root)
        # A file without bytes lies in no range, so only `prepare` knows it.
        self._numbers = tuple(number for number, entry in enumerate(files) if entry.length)
        self._spans = tuple(files[number] for number in self._numbers)
        self._starts = tuple(entry.offset for entry in self._spans)
        if not config.case_sensitive_names:
            _check_case(files)
        self.total_bytes = self._spans[-1].end if self._spans else 0
        limit = config.open_files if HAS_POSITIONED_CALLS else 0
        self._descriptors: DescriptorCache[tuple[int, bool]] = DescriptorCache(self._open, limit=limit)
        self._dirty: set[int] = set()
        self._wanted = [True] * len(files)
        self._part: PartFile | None = None
        self._parted = [False] * len(self._spans)  # whose bytes are in the part file
        self._closed = False

    # Storage

    def read(self, offset: int, length: int) -> bytes:
        parts = [self._read_file(*piece) for piece in self._pieces_of(offset, length)]
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def read_cached(self, offset: int, length: int) -> memoryview | None:
        """Of files that are open already, and on one of them: to find out more could take a disk."""
        index, position, size = next(self._pieces_of(offset, length), (0, 0, 0))
        if not size or size < length or self._spans[index].is_padding or self._parted[index]:
            return None
        descriptor = self._descriptors.peek((index, False))
        if descriptor is None:
            return None
        buffer = bytearray(length)
        is_whole = read_cached_at(descriptor.number, buffer, position) == length
        return memoryview(buffer).toreadonly() if is_whole else None

    def read_into(self, offset: int, buffer: bytearray | memoryview) -> None:
        view = memoryview(buffer)
        for index, position, length in self._pieces_of(offset, len(view)):
            self._read_file_into(index, position, view[:length])
            view = view[length:]

    def write(self, offset: int, data: bytes | bytearray | memoryview) -> None:
        self._check_writable()
        view = memoryview(data)
        for index, position, length in self._pieces_of(offset, len(view)):
            self._write_file(index, position, view[:length])
            view = view[length:]

    def prepare(self) -> None:
        """As the port says. A file longer than in the torrent is refused, not cut: it belongs to somebody else."""
        self._check_open()
        checked: set[str] = set()
        for number, entry in enumerate(self._files):
            if entry.is_padding:
                continue
            path = self._paths[number]
            folder = os.path.dirname(path)
            if self._folder.writable and folder not in checked:
                self._folder.check_folder(folder)
                checked.add(folder)
            try:
                status = os.lstat(path) if self._folder.writable else os.stat(path)
            except FileNotFoundError:
                if entry.length == 0 and self._folder.writable and self._wanted[number]:
                    self._make(number)
                continue
            except OSError as error:
                raise StorageError.from_os_error("use", path, error) from None
            if not entry.link_to:
                _check_status(path, status, entry.length)

    def exists_any(self) -> bool:
        is_any = any(os.path.lexists(self._paths[number]) for number in self._numbers if not self._is_padding(number))
        return is_any or bool(self._part)

    def is_hole(self, offset: int, length: int) -> bool:
        """As the port says. Padding alone is no hole."""
        found = False
        for index, position, size in self._pieces_of(offset, length):
            span = self._spans[index]
            if span.is_padding:
                continue
            if self._parted[index]:
                start = span.offset + position
                if self._part is not None and any(True for _ in self._part.ranges(start, start + size)):
                    return False
            elif not self._is_hole_in_file(index, position, size):
                return False
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
        if self._part is not None:
            self._part.flush()

    def close(self) -> None:
        self._closed = True
        self._descriptors.clear()
        if self._part is not None:
            self._part.close()

    # FileBacked

    @property
    def paths(self) -> tuple[tuple[str, ...], ...]:
        return tuple(entry.path for entry in self._files)

    def stamps(self) -> tuple[FileStamp | None, ...]:
        self._check_open()
        places = [None if entry.is_padding else path for entry, path in zip(self._files, self._paths, strict=True)]
        return tuple(_stamp(path) for path in [*places, self._part.path if self._part is not None else None])

    def select(self, wanted: Sequence[bool], *, part_file: str) -> None:
        """As the port says. A file that is on disk already stays where it is when it is not wanted any more."""
        self._check_writable()
        if len(wanted) != len(self._files):
            raise LocalProtocolError(f"{len(wanted)} choices for {len(self._files)} files")
        if self._part is None:
            self._part = PartFile(os.path.join(self._folder.root, part_file))
            self._part.load()
        self._wanted = list(wanted)
        for index, number in enumerate(self._numbers):
            if self._spans[index].is_padding:
                continue
            is_parted = not wanted[number] and not os.path.lexists(self._paths[number])
            if not is_parted:
                self._take_out(index)
            self._parted[index] = is_parted
        if not any(self._parted):
            self._part.remove()
            self._part = None
        for number, entry in enumerate(self._files):
            if wanted[number] and not entry.length and not entry.is_padding:
                self._make(number)

    def allocate(self) -> None:
        self._check_writable()
        for index, number in enumerate(self._numbers):
            span = self._spans[index]
            if span.is_padding or not self._wanted[number]:
                continue
            try:
                descriptor = self._descriptors.get((index, True))
                self._dirty.add(index)
                if hasattr(os, "posix_fallocate"):
                    os.posix_fallocate(descriptor.number, 0, span.length)
                elif os.fstat(descriptor.number).st_size < span.length:
                    os.truncate(descriptor.number, span.length)
            except StorageError:
                raise
            except OSError as error:
                raise StorageError.from_os_error("reserve room for", self._path(index), error) from None

    def move(self, root: str | os.PathLike[str]) -> None:
        self._check_writable()
        new = SafeFolder(root, writable=True)
        if os.path.realpath(new.root) == os.path.realpath(self._folder.root):
            return
        paths = [new.path(entry.path) for entry in self._files]
        moves = [
            (old, path)
            for old, path, entry in zip(self._paths, paths, self._files, strict=True)
            if not entry.is_padding
        ]
        part = None
        if self._part is not None:
            part = os.path.join(new.root, os.path.relpath(self._part.path, self._folder.root))
            moves.append((self._part.path, part))
        for _, path in moves:
            new.check_inside(path)
        self.flush()
        self._descriptors.clear()
        relocate(moves, roots=(self._folder.root, new.root))
        self._folder, self._paths = new, paths
        if self._part is not None and part is not None:
            self._part.move(part)

    def rename(self, number: int, path: tuple[str, ...]) -> None:
        self._check_writable()
        entry = self._files[number]
        try:
            check_path(path)
        except MetainfoError as error:
            raise StorageError(f"cannot rename {entry}: {error.reason}") from None
        others = [other.path for other in self._files if other is not entry and not other.is_padding]
        if any(other[: len(path)] == path or path[: len(other)] == other for other in others):
            raise StorageError(f"cannot rename {entry}: another file of the torrent is in the way")
        target = self._folder.path(path)
        self._folder.check_inside(target)
        self._descriptors.clear()
        if target != self._paths[number]:
            relocate([(self._paths[number], target)], roots=(self._folder.root,))
        self._paths[number] = target
        self._files[number] = replace(entry, path=path)

    def delete(self) -> None:
        self._check_writable()
        self._dirty.clear()
        self._descriptors.clear()
        paths = [path for path, entry in zip(self._paths, self._files, strict=True) if not entry.is_padding]
        remove_files(paths, roots=(self._folder.root,))
        if self._part is not None:
            self._part.remove()

    # Files

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
        if HAS_POSITIONED_CALLS and not self._spans[index].is_padding and not self._parted[index]:
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
        if self._parted[index]:
            assert self._part is not None
            self._part.read_into(self._starts[index] + position, view)
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
        if self._parted[index]:
            assert self._part is not None
            self._part.write(self._starts[index] + position, view)
        else:
            self._write_to_place(index, position, view)

    def _write_to_place(self, index: int, position: int, view: memoryview) -> None:
        descriptor = self._descriptors.get((index, True))
        self._dirty.add(index)
        while view:
            try:
                size = write_at(descriptor.number, view, position)
            except OSError as error:
                raise StorageError.from_os_error("write", self._path(index), error) from None
            view = view[size:]
            position += size

    def _take_out(self, index: int) -> None:
        """Brings what the part file holds of a file to its place."""
        assert self._part is not None
        span = self._spans[index]
        found = list(self._part.ranges(span.offset, span.end))
        for offset, length in found:
            buffer = memoryview(bytearray(length))
            self._part.read_into(offset, buffer)
            self._write_to_place(index, offset - span.offset, buffer)
        if found:
            self.flush()  # first: until then the part file has the only copy that would survive
            self._part.discard(span.offset, span.end)

    def _make(self, number: int) -> None:
        """A file without bytes, or a symbolic link: no write would ever make it."""
        entry, path = self._files[number], self._paths[number]
        try:
            if entry.link_to:
                self._folder.check_inside(path)
                make_folders(os.path.dirname(path))
                target = os.path.join(self._folder.root, *entry.link_to)
                os.symlink(os.path.relpath(target, os.path.dirname(path)), path)
            else:
                os.close(self._folder.open_to_write(path, mode=_mode(entry)))
        except (StorageError, FileExistsError):
            if not entry.link_to:
                raise
        except OSError as error:
            if not entry.link_to:  # the content is whole without links, which some systems do not have
                raise StorageError.from_os_error("write", path, error) from None

    def _open(self, key: tuple[int, bool]) -> int:
        """A new descriptor for one file; the second half of the key says whether it is for writing."""
        index, for_writing = key
        path = self._path(index)
        self._check_open()
        try:
            if for_writing:
                return self._folder.open_to_write(path, mode=_mode(self._spans[index]))
            return self._folder.open_to_read(path)
        except StorageError:
            raise
        except OSError as error:
            if error.errno == errno.ELOOP:
                raise symbolic_link(path) from None
            failure = MissingDataError if error.errno == errno.ENOENT and not for_writing else StorageError
            raise failure.from_os_error("write" if for_writing else "read", path, error) from None

    def _is_hole_in_file(self, index: int, position: int, size: int) -> bool:
        try:
            descriptor = self._descriptors.get((index, False))
            end = os.fstat(descriptor.number).st_size
            return end <= position or _is_sparse(descriptor.number, position, size)
        except MissingDataError:
            return True
        except StorageError:
            raise
        except OSError as error:
            raise StorageError.from_os_error("read", self._path(index), error) from None

    def _path(self, index: int) -> str:
        return self._paths[self._numbers[index]]

    def _is_padding(self, number: int) -> bool:
        return self._files[number].is_padding

    def _check_writable(self) -> None:
        self._check_open()
        if not self._folder.writable:
            raise LocalProtocolError("this storage was opened for reading only")

    def _check_open(self) -> None:
        if self._closed:
            raise LocalProtocolError("this storage is closed")


def _is_sparse(descriptor: int, position: int, length: int) -> bool:
    """Whether no block of the disk belongs to the range. Moves the file position, which nobody relies on."""
    if not hasattr(os, "SEEK_DATA"):
        return False
    try:
        return os.lseek(descriptor, position, os.SEEK_DATA) >= position + length
    except OSError as error:
        return error.errno == errno.ENXIO  # no data from here to the end; anything else: not supported here


def _check_status(path: str, status: os.stat_result, length: int) -> None:
    if stat.S_ISLNK(status.st_mode):
        raise symbolic_link(path)
    if not stat.S_ISREG(status.st_mode):
        raise not_a_file(path)
    if status.st_size > length:
        raise StorageError(
            f"{path} has {status.st_size} bytes but the torrent says {length}, so it is another file;"
            " move it away or choose another directory",
            path=path,
        )


def _check_case(files: Sequence[FileEntry]) -> None:
    seen: dict[str, FileEntry] = {}
    for entry in files:
        if not entry.is_padding and seen.setdefault(str(entry).casefold(), entry) is not entry:
            raise StorageError(
                f"{str(entry)!r} is in the torrent twice for a system that ignores case", path=str(entry)
            )


def _stamp(path: str | None) -> FileStamp | None:
    try:
        status = os.stat(path) if path is not None else None
    except OSError:
        return None
    return FileStamp(status.st_size, status.st_mtime_ns) if status is not None else None


def _mode(entry: FileEntry) -> int:
    """What a new file may be used for, before the user's umask."""
    return 0o777 if entry.is_executable else 0o666

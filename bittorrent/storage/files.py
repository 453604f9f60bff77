"""The bytes of a torrent in the files that it names, each byte at its final place from the start."""

from __future__ import annotations

import os
import sys
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace

from bittorrent.errors import FilesChangedError, MetainfoError, StorageError
from bittorrent.files.entry import FileEntry
from bittorrent.files.paths import check_path
from bittorrent.files.spans import FileSpans, check_inside
from bittorrent.storage.file_access import FileAccess
from bittorrent.storage.file_facts import check_case, stamp_of
from bittorrent.storage.ownership import foreign_error
from bittorrent.storage.part_file import PartFile
from bittorrent.storage.placed_files import PlacedFiles
from bittorrent.storage.ports import FileChange, FileStamp
from bittorrent.storage.relocation import relocate, remove_files
from bittorrent.storage.safe_folder import SafeFolder
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
    """The storage port, `FileBacked` and `Watched`, on ordinary, sparse files below `root`.

    Nothing is created, not even a folder, before `prepare` or the first write. What belongs to the user is never cut
    off, and symbolic links are followed as `SafeFolder` has it.

    Padding reads as zeros and swallows what is written to it. Files that are not wanted are not created: what pieces
    reach into them goes to the part file.
    """

    __slots__ = (
        "_access",
        "_compared",
        "_held",
        "_left",
        "_part",
        "_parted",
        "_places",
        "_spans",
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
        self._places = PlacedFiles(files, SafeFolder(root, writable=writable))
        self._spans = FileSpans.of(files)
        if not config.case_sensitive_names:
            check_case(files)
        self.total_bytes = self._spans.total_bytes
        self._access = FileAccess(self._places, open_files=config.open_files)
        self._left: frozenset[int] = frozenset()  # by number: files that belong to others
        self._compared: frozenset[int] = frozenset()
        self._held: set[int] = set()  # it is not yet decided whose they are
        self._wanted = [True] * len(files)
        self._part: PartFile | None = None
        self._parted = [False] * len(files)  # whose bytes are in the part file

    # Storage

    def read(self, offset: int, length: int) -> bytes:
        parts = [
            self._access.read(number, position, size)
            if self._is_plain(number)
            else self._read_elsewhere(number, position, size)
            for number, position, size in self._pieces_of(offset, length)
        ]
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def read_cached(self, offset: int, length: int) -> memoryview | None:
        """Of files that are open already, and on one of them: to find out more could take a disk."""
        number, position, size = next(self._pieces_of(offset, length), (0, 0, 0))
        if not size or size < length or not self._is_plain(number):
            return None
        return self._access.read_cached(number, position, length)

    def read_into(self, offset: int, buffer: bytearray | memoryview) -> None:
        view = memoryview(buffer)
        for number, position, length in self._pieces_of(offset, len(view)):
            self._read_file_into(number, position, view[:length])
            view = view[length:]

    def write(self, offset: int, data: bytes | bytearray | memoryview) -> None:
        self._check_writable()
        view = memoryview(data)
        for number, position, length in self._pieces_of(offset, len(view)):
            self._write_file(number, position, view[:length])
            view = view[length:]

    def prepare(self) -> None:
        """As the port says. A file longer than in the torrent is refused, not cut: it belongs to others."""
        self._check_open()
        checked: set[str] = set()
        for number, entry in enumerate(self._places.files):
            if entry.is_padding or (not self._wanted[number] and not self._places.is_usable(number)):
                continue
            is_there = self._places.prepare(number, checked=checked)
            if not is_there and entry.length == 0 and self._places.folder.writable and self._wanted[number]:
                self._places.make(number)
        self._places.end_preparation()

    def exists_any(self) -> bool:
        with_bytes = [number for number in self._spans.numbers if not self._places.files[number].is_padding]
        return any(os.path.lexists(self._places.paths[number]) for number in with_bytes) or bool(self._part)

    def is_hole(self, offset: int, length: int) -> bool:
        """As the port says. Padding alone is no hole."""
        found = False
        for number, position, size in self._pieces_of(offset, length):
            entry = self._places.files[number]
            if entry.is_padding:
                continue
            if self._parted[number]:
                start = entry.offset + position
                if self._part is not None and any(True for _ in self._part.ranges(start, start + size)):
                    return False
            elif not self._access.is_hole(number, position, size):
                return False
            found = True
        return found

    def flush(self) -> None:
        self._check_open()
        self._access.flush()
        if self._part is not None:
            self._part.flush()

    def close(self) -> None:
        self._access.close()
        if self._part is not None:
            self._part.close()

    def interrupt(self) -> None:
        self._places.is_interrupted = True

    # FileBacked

    @property
    def paths(self) -> tuple[tuple[str, ...], ...]:
        return tuple(entry.path for entry in self._places.files)

    def stamps(self) -> tuple[FileStamp | None, ...]:
        self._check_open()
        places = [
            None if entry.is_padding else path
            for entry, path in zip(self._places.files, self._places.paths, strict=True)
        ]
        return tuple(stamp_of(path) for path in [*places, self._part.path if self._part is not None else None])

    def select(self, wanted: Sequence[bool], *, part_file: str) -> None:
        """As the port says. A file that is on disk already stays where it is when it is not wanted any more."""
        self._check_writable()
        if len(wanted) != len(self._places.files):
            raise LocalProtocolError(f"{len(wanted)} choices for {len(self._places.files)} files")
        if self._part is None:
            self._part = PartFile(os.path.join(self._places.folder.root, part_file))
            self._part.load()
        self._wanted = list(wanted)
        for number in self._spans.numbers:
            if self._places.files[number].is_padding:
                continue
            is_parted = not wanted[number] and (number in self._left or not self._places.is_usable(number))
            if not is_parted:
                self._take_out(number)
            self._parted[number] = is_parted
        if not any(self._parted):
            self._part.remove()
            self._part = None
        for number, entry in enumerate(self._places.files):
            if wanted[number] and not entry.length and not entry.is_padding and not self._places.known.is_known(number):
                self._places.make(number)

    def allocate(self) -> None:
        self._check_writable()
        for number in self._spans.numbers:
            entry = self._places.files[number]
            if self._wanted[number] and not entry.is_padding:
                self._access.reserve(number, entry.length)

    def move(self, root: str | os.PathLike[str]) -> None:
        self._check_writable()
        new = SafeFolder(root, writable=True)
        if os.path.realpath(new.root) == os.path.realpath(self._places.folder.root):
            return
        paths = [new.path(entry.path) for entry in self._places.files]
        moves = [
            (old, path)
            for old, path, entry in zip(self._places.paths, paths, self._places.files, strict=True)
            if not entry.is_padding
        ]
        part = None
        if self._part is not None:
            part = os.path.join(new.root, os.path.relpath(self._part.path, self._places.folder.root))
            moves.append((self._part.path, part))
        for _, path in moves:
            new.resolve(os.path.dirname(path))
        self.flush()
        self._access.let_go()
        relocate(moves, roots=(self._places.folder.root, new.root))
        self._places.folder, self._places.paths[:] = new, paths
        if self._part is not None and part is not None:
            self._part.move(part)
        self._places.meet_again(range(len(self._places.files)))

    def rename(self, number: int, path: tuple[str, ...]) -> None:
        self._check_writable()
        entry = self._places.files[number]
        try:
            check_path(path)
        except MetainfoError as error:
            raise StorageError(f"cannot rename {entry}: {error.reason}") from None
        others = [other.path for other in self._places.files if other is not entry and not other.is_padding]
        if any(other[: len(path)] == path or path[: len(other)] == other for other in others):
            raise StorageError(f"cannot rename {entry}: another file of the torrent is in the way")
        target = self._places.folder.path(path)
        self._places.folder.resolve(os.path.dirname(target))
        self._access.let_go()
        if target != self._places.paths[number]:
            relocate([(self._places.paths[number], target)], roots=(self._places.folder.root,))
        self._places.paths[number] = target
        self._places.files[number] = replace(entry, path=path)
        self._places.meet_again([number])

    def delete(self) -> None:
        self._check_writable()
        self._access.forget_all()
        paths = [
            path for path, entry in zip(self._places.paths, self._places.files, strict=True) if not entry.is_padding
        ]
        remove_files(paths, roots=(self._places.folder.root,))
        if self._part is not None:
            self._part.remove()

    # Watched

    def changes(self) -> list[FileChange]:
        self._check_open()
        found = self._places.changes()
        if self._part is not None and self._part.has_changed():
            found.append(FileChange(len(self._places.files), self._part.path))
        return found

    def met(self) -> set[int]:
        return {number for number in range(len(self._places.files)) if self._places.known.is_known(number)}

    def holding(self, numbers: Collection[int]) -> dict[int, int]:
        self._check_open()
        return self._places.holding(numbers)

    def leave(self, alone: Collection[int], compared: Collection[int]) -> None:
        self._left, self._compared = frozenset(alone), frozenset(compared)
        self._held.clear()

    def cut(self, numbers: Collection[int]) -> None:
        self._check_writable()
        entries = self._places.files
        self._places.cut(
            number
            for number in numbers
            if self._wanted[number] and not entries[number].is_padding and not entries[number].link_to
        )

    def look_again(self, numbers: Collection[int]) -> None:
        self._check_open()
        self._access.let_go()
        checked: set[str] = set()
        for number in numbers:
            if number == len(self._places.files):
                if self._part is not None:
                    self._part.reload()
            elif not self._places.files[number].is_padding:
                before = self._places.known.identity(number)
                self._places.forget(number)
                self._places.prepare(number, checked=checked)
                if self._places.known.identity(number) not in (None, before):
                    self._held.add(number)
        self._access.forget_gone()

    def holes(self) -> list[tuple[int, int]]:
        self._check_open()
        found: list[tuple[int, int]] = []
        for number in sorted(self._access.written):
            entry = self._places.files[number]
            if not self._parted[number]:
                holes = self._access.holes(number, entry.length)
                found += ((entry.offset + position, length) for position, length in holes)
        return found

    # Files

    def _pieces_of(self, offset: int, length: int) -> Iterator[tuple[int, int, int]]:
        """Cuts a range at file borders: (number of the file, position in it, length), in order."""
        self._check_open()
        check_inside(offset, length, self.total_bytes)
        return self._spans.cut(offset, length)

    def _is_plain(self, number: int) -> bool:
        """Whether the bytes of a file are where it is, and nowhere else."""
        return not (self._parted[number] or self._places.files[number].is_padding)

    def _read_elsewhere(self, number: int, position: int, length: int) -> bytes:
        buffer = bytearray(length)
        self._read_file_into(number, position, memoryview(buffer))
        return bytes(buffer)

    def _read_file_into(self, number: int, position: int, view: memoryview) -> None:
        entry = self._places.files[number]
        if entry.is_padding:
            view[:] = bytes(len(view))
        elif self._parted[number]:
            assert self._part is not None
            self._part.read_into(entry.offset + position, view)
        else:
            self._access.read_into(number, position, view)

    def _write_file(self, number: int, position: int, view: memoryview) -> None:
        entry = self._places.files[number]
        if entry.is_padding:
            return
        if self._parted[number]:
            assert self._part is not None
            self._part.write(entry.offset + position, view)
        else:
            self._write_to_place(number, position, view)

    def _write_to_place(self, number: int, position: int, view: memoryview) -> None:
        if number in self._held:
            path = self._places.paths[number]
            raise FilesChangedError(f"{path} was replaced by another file", path=path, number=number)
        if number in self._compared:
            self._compare(number, position, view)
        else:
            self._access.write(number, position, view)

    def _compare(self, number: int, position: int, view: memoryview) -> None:
        """A file that may belong to others is as it should be, or stays as it is."""
        self._access.open_to_write(number)
        found = bytearray(len(view))
        self._access.read_into(number, position, memoryview(found))
        if found != view:
            raise foreign_error([self._places.paths[number]], "this torrent")

    def _take_out(self, number: int) -> None:
        """Brings what the part file holds of a file to its place."""
        assert self._part is not None
        entry = self._places.files[number]
        found = list(self._part.ranges(entry.offset, entry.end))
        for offset, length in found:
            buffer = memoryview(bytearray(length))
            self._part.read_into(offset, buffer)
            self._write_to_place(number, offset - entry.offset, buffer)
        if found:
            self.flush()  # first: until then the part file has the only copy that would survive
            self._part.discard(entry.offset, entry.end)

    def _check_writable(self) -> None:
        self._check_open()
        if not self._places.folder.writable:
            raise LocalProtocolError("this storage was opened for reading only")

    def _check_open(self) -> None:
        self._access.check_open()

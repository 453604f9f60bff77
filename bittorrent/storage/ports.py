"""The port behind which the bytes of a torrent are kept."""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from typing import NamedTuple, Protocol, runtime_checkable

from bittorrent.files.entry import FileEntry


class Storage(Protocol):
    """Positioned, synchronous access to the bytes of one torrent, in the space that its pieces are cut from.

    Every call may block on a disk. One thread may write while another one reads; ranges that are written at the same
    time must not overlap. Offsets and lengths lie inside the torrent, which the caller sees to.
    """

    def read(self, offset: int, length: int) -> bytes:
        """Exactly `length` bytes.

        Raises:
            MissingDataError: the range reaches into a file that is missing or too short.
            StorageError: the system refused.
        """
        ...

    def read_into(self, offset: int, buffer: bytearray | memoryview) -> None:
        """`read` of `len(buffer)` bytes without a new object; what is in `buffer` after an error is not defined."""
        ...

    def write(self, offset: int, data: bytes | bytearray | memoryview) -> None:
        """Puts all of `data` at its place; files and folders are made when their first byte arrives.

        Raises:
            StorageError: the system refused; how much was written is not known.
        """
        ...

    def prepare(self) -> None:
        """Checks what is on disk against the torrent, once, before the first read or write.

        When writable it makes the files that have no bytes: no write would ever do that.

        Raises:
            StorageError: what is there belongs to something else, or cannot be used.
        """
        ...

    def exists_any(self) -> bool:
        """Whether any file with content is there, so that a check of the pieces can find something."""
        ...

    def is_hole(self, offset: int, length: int) -> bool:
        """Whether certainly nothing was ever written in the range, at the cost of a few system calls.

        True says that each byte is missing or an implicit zero of a sparse file; False says nothing.
        """
        ...

    def flush(self) -> None:
        """Returns when everything written so far survives a loss of power.

        Raises:
            StorageError: the system refused.
        """
        ...

    def close(self) -> None:
        """Releases what is held; may be called twice. Any later access raises LocalProtocolError."""
        ...


@runtime_checkable
class CachedReads(Protocol):
    """What a storage can do besides `Storage` when it may know that a read will not wait."""

    def read_cached(self, offset: int, length: int) -> memoryview | None:
        """As `Storage.read`, read-only; None, at once, when a disk might have to be waited for, or anything is unusual.

        May be called from an event loop, and while other threads read and write.
        """
        ...


@runtime_checkable
class Interruptible(Protocol):
    """What a storage can do besides `Storage` when its `prepare` or `select` may take long: there may be many files."""

    def interrupt(self) -> None:
        """Calls of these two that run raise JobInterruptedError soon, and so do later ones. From any thread."""
        ...


class FileStamp(NamedTuple):
    """By what a file is seen to be the same as before, without reading it."""

    size: int
    modified_ns: int


@runtime_checkable
class FileBacked(Protocol):
    """What a storage can do besides `Storage` when there are files behind it. A session offers it where it is there.

    No other call runs at the same time as one of these, which the caller sees to; they may take as long as copying all
    the data does.
    """

    @property
    def paths(self) -> tuple[tuple[str, ...], ...]:
        """Where each file is below the directory, in the order of the torrent: `rename` changes it."""
        ...

    def stamps(self) -> tuple[FileStamp | None, ...]:
        """For each file, and last for the part file: None for what does not exist."""
        ...

    def select(self, wanted: Sequence[bool], *, part_file: str) -> None:
        """Says which files shall exist, one choice for each file of the torrent. At the start all are wanted.

        What is written to a file that is neither wanted nor there already goes to the part file, whose path relative to
        the directory is `part_file`, and moves to its place when the file becomes wanted.

        Raises:
            StorageError: the system refused; the call can be repeated.
        """
        ...

    def allocate(self) -> None:
        """Reserves the room for all wanted files, where the system can do that.

        Raises:
            StorageError: there is not enough room, or the system refused.
        """
        ...

    def move(self, root: str | os.PathLike[str]) -> None:
        """Brings all files below another directory, which may be on another file system.

        Raises:
            StorageError: something is there already, or the system refused; everything is where it was.
        """
        ...

    def rename(self, number: int, path: tuple[str, ...]) -> None:
        """Gives one file another path below the directory.

        Raises:
            StorageError: no safe path, something is there already, or the system refused; nothing has changed.
        """
        ...

    def delete(self) -> None:
        """Removes all files and the folders that are left empty.

        Raises:
            StorageError: the system refused.
        """
        ...


class FileChange(NamedTuple):
    """A file that is not what it was. `number` is that in the torrent; the part file comes after all others."""

    number: int
    path: str
    is_gone: bool = False
    is_another: bool = False


@runtime_checkable
class Watched(Protocol):
    """What a storage can do besides `FileBacked` when it notices what others do to its files."""

    def changes(self) -> list[FileChange]:
        """What others did to files.

        Which are gone, are others than those that were used, became shorter or longer, or were changed by another
        program while they were at rest.

        It may run beside reads and writes, and costs a system call for each file.

        Raises:
            StorageError: the system refused.
        """
        ...

    def met(self) -> set[int]:
        """The files that are there and were looked at, by their numbers."""
        ...

    def holding(self, numbers: Collection[int]) -> dict[int, int]:
        """The sizes of those files that hold anything.

        Not the empty ones, and not those for which only room was reserved.

        Raises:
            StorageError: the system refused.
        """
        ...

    def leave(self, alone: Collection[int], compared: Collection[int]) -> None:
        """Says which files are left alone, because they belong to others.

        They are never written to, and are not to be wanted (what pieces reach into them goes to the part file, after
        the next `select`). Those that are `compared` are not changed either: a write of other bytes than those that are
        there raises StorageError.
        """
        ...

    def cut(self, numbers: Collection[int]) -> None:
        """Shortens those of these files that are wanted and longer than in the torrent.

        Raises:
            StorageError: the system refused.
        """
        ...

    def look_again(self, numbers: Collection[int]) -> None:
        """Takes these files as they are now.

        To be called alone, as the methods of `FileBacked`. A write to one that is new raises FilesChangedError until
        `leave` is called.

        Raises:
            StorageError: the system refused, or what is there belongs to something else.
        """
        ...

    def holes(self) -> list[tuple[int, int]]:
        """The ranges of the torrent, in files that were written to, of which nothing is on disk.

        As (offset, length), in order. A file that another program cut off and that has grown again since has one where
        it was cut.

        Raises:
            StorageError: the system refused.
        """
        ...


class OpenStorage(Protocol):
    """Makes the storage of a torrent. `FileStorage` is the usual one; tests and applications bring others."""

    def __call__(self, files: Sequence[FileEntry], root: str | os.PathLike[str], /, *, writable: bool) -> Storage:
        """The storage of `files` below the directory `root`; nothing is touched before `prepare`."""
        ...

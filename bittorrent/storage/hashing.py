"""The piece hashes of files that are to be shared, on as many cores as an executor has threads."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING

from bittorrent.errors import StorageError
from bittorrent.files.spans import FileSpans
from bittorrent.pieces.geometry import Geometry
from bittorrent.pieces.hasher import PieceHasher
from bittorrent.storage.descriptors import HAS_POSITIONED_CALLS, DescriptorCache, read_at

if TYPE_CHECKING:
    from concurrent.futures import Executor


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file to share as it was found: `path` is relative to the shared folder, empty for a single file.

    `attributes` are letters of BEP 47. Padding ("p") has no location and reads as zeros; a symbolic link ("l") has no
    bytes, and `link_to` is the path of what it stands for.
    """

    path: tuple[str, ...]
    location: str
    length: int
    modified_ns: int
    attributes: str = ""
    link_to: tuple[str, ...] = ()

    @property
    def raw_path(self) -> list[bytes]:
        """`path` as bytes: as the system has it, UTF-8 or not."""
        return [os.fsencode(element) for element in self.path]

    @property
    def is_on_disk(self) -> bool:
        """Whether there are bytes that can be read, or could be."""
        return bool(self.location)


def hash_pieces(
    files: Sequence[SourceFile],
    piece_length: int,
    hasher: PieceHasher,
    *,
    executor: Executor | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> bytes:
    """The digest of each piece of the concatenated files, one after the other.

    Args:
        executor: hashes in its threads, all at once; without one everything happens in the caller's.
        progress: called in the caller's thread with the hashed and the total number of bytes, now and then.

    Raises:
        StorageError: a file cannot be read, or is not as it was when it was found.

    Cost: as fast as the hash on each thread for what is in the page cache.
    """
    source = _Source(files, piece_length, hasher)
    count = source.geometry.piece_count
    smallest = -(-count // _MAX_JOBS)
    batch = max(1, smallest, (_JOB_BYTES if executor is None else _THREAD_JOB_BYTES) // piece_length)
    starts = range(0, count, batch)

    def job(start: int) -> bytes:
        return source.hash(range(start, min(start + batch, count)))

    results: Iterable[bytes] = map(job, starts) if executor is None else executor.map(job, starts)
    hashes = bytearray()
    for start, digests in zip(starts, results, strict=True):
        hashes += digests
        if progress is not None:
            last = min(start + batch, count) - 1
            progress(sum(source.geometry.piece_span(last)), source.geometry.total_bytes)
    source.check_unchanged()
    return bytes(hashes)


class _Source:
    """Files read as one; shared by threads."""

    def __init__(self, files: Sequence[SourceFile], piece_length: int, hasher: PieceHasher) -> None:
        self._hasher = hasher
        self._files = files
        ends = accumulate(file.length for file in files)
        self._spans = FileSpans((end - file.length, file.length) for end, file in zip(ends, files, strict=True))
        self.geometry = Geometry.of(self._spans.total_bytes, piece_length)
        self._open: DescriptorCache[str] = DescriptorCache(_open, limit=_OPEN_FILES if HAS_POSITIONED_CALLS else 0)

    def hash(self, pieces: range) -> bytes:
        """The digests of some pieces. Blocks; the interpreter is free meanwhile."""
        buffer = memoryview(bytearray(min(_READ_BYTES, self.geometry.piece_length)))
        digests = bytearray()
        for index in pieces:
            running = self._hasher.begin(index)
            for number, position, size in self._spans.cut(*self.geometry.piece_span(index)):
                self._feed(running.update, self._files[number], position, size, buffer)
            digests += running.digest()
        return bytes(digests)

    def check_unchanged(self) -> None:
        """A file that is written to while it is read gives a torrent of neither its old nor its new content."""
        for file in self._files:
            if not file.is_on_disk:
                continue
            try:
                status = os.stat(file.location)
            except OSError as error:
                raise StorageError.from_os_error("read", file.location, error) from None
            if (status.st_size, status.st_mtime_ns) != (file.length, file.modified_ns):
                raise _changed(file)

    def _feed(
        self, update: Callable[[memoryview], object], file: SourceFile, position: int, size: int, buffer: memoryview
    ) -> None:
        if not file.is_on_disk:
            while size:
                chunk = buffer[: min(size, len(buffer))]
                chunk[:] = bytes(len(chunk))
                update(chunk)
                size -= len(chunk)
            return
        try:
            descriptor = self._open.get(file.location)
            while size:
                count = read_at(descriptor.number, buffer[: min(size, len(buffer))], position)
                if count == 0:
                    raise _changed(file)
                update(buffer[:count])
                position += count
                size -= count
        except StorageError:
            raise
        except OSError as error:
            raise StorageError.from_os_error("read", file.location, error) from None


def _open(location: str) -> int:
    return os.open(location, os.O_RDONLY | getattr(os, "O_BINARY", 0))


def _changed(file: SourceFile) -> StorageError:
    text = f"{file.location} changed while it was read; try again when nothing writes to it any more"
    return StorageError(text, path=file.location)


_READ_BYTES = 128 << 10  # measured: what stays in a core's own cache is hashed twice as fast as a mebibyte
_JOB_BYTES = 1 << 20
_THREAD_JOB_BYTES = 8 << 20  # enough that handing it to a thread costs nothing beside the hashing
_MAX_JOBS = 1 << 16
_OPEN_FILES = 64

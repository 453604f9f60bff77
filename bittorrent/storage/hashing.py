"""The piece hashes of files that are to be shared, on as many cores as an executor has threads."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING

from bittorrent.errors import StorageError
from bittorrent.files.spans import FileSpans
from bittorrent.pieces.geometry import Geometry
from bittorrent.pieces.hasher import PieceHasher, RunningHash
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
    without_padding: bool = False,
    read_bytes: int = 128 << 10,
    executor: Executor | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> bytes:
    """The digest of each piece of the concatenated files, one after the other.

    Args:
        without_padding: padding only says where the next file begins: it is not hashed (BEP 52).
        read_bytes: how much is read, and given to the hasher, at a time. Measured for SHA-1: what stays in a core's own
            cache is hashed twice as fast as a mebibyte.
        executor: hashes in its threads, all at once; without one everything happens in the caller's.
        progress: called in the caller's thread with the hashed and the total number of bytes, now and then.

    Raises:
        StorageError: a file cannot be read, or is not as it was when it was found.

    Cost: as fast as the hash on each thread for what is in the page cache.
    """
    source = _Source(files, piece_length, hasher, read_bytes, without_padding=without_padding)
    total = source.hashed_bytes
    job_bytes = max(_JOB_BYTES if executor is None else _THREAD_JOB_BYTES, total // _MAX_JOBS)
    jobs = list(source.jobs(job_bytes))
    results: Iterable[bytes] = map(source.hash, jobs) if executor is None else executor.map(source.hash, jobs)
    hashes = bytearray()
    done = 0
    for job, digests in zip(jobs, results, strict=True):
        hashes += digests
        done += job.size
        if progress is not None:
            progress(done, total)
    source.check_unchanged()
    return bytes(hashes)


@dataclass(frozen=True, slots=True)
class _Job:
    """Pieces that one thread hashes, and the bytes that they have."""

    pieces: range
    size: int


class _Source:
    """Files read as one; shared by threads."""

    def __init__(
        self,
        files: Sequence[SourceFile],
        piece_length: int,
        hasher: PieceHasher,
        read_bytes: int,
        *,
        without_padding: bool,
    ) -> None:
        self._hasher = hasher
        self._read_bytes = min(read_bytes, piece_length)
        self._files = files
        ends = accumulate(file.length for file in files)
        self._spans = FileSpans((end - file.length, file.length) for end, file in zip(ends, files, strict=True))
        self._geometry = Geometry.of(self._spans.total_bytes, piece_length)
        self._without_padding = without_padding
        self.hashed_bytes = sum(file.length for file in files if file.is_on_disk or not without_padding)
        self._open: DescriptorCache[str] = DescriptorCache(_open, limit=_OPEN_FILES if HAS_POSITIONED_CALLS else 0)

    def jobs(self, job_bytes: int) -> Iterator[_Job]:
        """All pieces, in order, in portions of about so many bytes: pieces of a large file, or many small files."""
        piece_length = self._geometry.piece_length
        parts = [self._geometry.total_bytes]
        if self._without_padding:  # each file has pieces of its own
            parts = [file.length for file in self._files if file.length and file.is_on_disk]
        start = end = size = 0
        for left in parts:
            while left:
                if (size and size + min(left, piece_length) > job_bytes) or end - start >= _JOB_PIECES:
                    yield _Job(range(start, end), size)
                    start, size = end, 0
                count = max(1, min(-(-left // piece_length), (job_bytes - size) // piece_length))
                portion = min(left, count * piece_length)
                end, size, left = end + count, size + portion, left - portion
        if start < end:
            yield _Job(range(start, end), size)

    def hash(self, job: _Job) -> bytes:
        """The digests of some pieces. Blocks; the interpreter is free meanwhile."""
        buffer = memoryview(bytearray(self._read_bytes))
        hashed: list[RunningHash] = []
        for index in job.pieces:
            running = self._hasher.begin(index)
            hashed.append(running)
            for number, position, size in self._spans.cut(*self._geometry.piece_span(index)):
                file = self._files[number]
                if file.is_on_disk:
                    self._feed(running.update, file, position, size, buffer)
                elif not self._without_padding:
                    _feed_zeros(running.update, size)
        # All at once: what a tree has above its leaves holds the interpreter up, and each time the other threads, too.
        return b"".join([running.digest() for running in hashed])

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


def _feed_zeros(update: Callable[[memoryview], object], size: int) -> None:
    while size:
        chunk = _ZEROS[:size]
        update(chunk)
        size -= len(chunk)


def _open(location: str) -> int:
    return os.open(location, os.O_RDONLY | getattr(os, "O_BINARY", 0))


def _changed(file: SourceFile) -> StorageError:
    text = f"{file.location} changed while it was read; try again when nothing writes to it any more"
    return StorageError(text, path=file.location)


_ZEROS = memoryview(bytes(128 << 10))
_JOB_BYTES = 1 << 20
_THREAD_JOB_BYTES = 8 << 20  # enough that handing it to a thread costs nothing beside the hashing
_JOB_PIECES = 1 << 12  # of files that are next to nothing, each of which takes a while to open
_MAX_JOBS = 1 << 16
_OPEN_FILES = 64

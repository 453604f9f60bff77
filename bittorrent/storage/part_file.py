"""The hidden file for bytes of files that are not wanted: what pieces at the edge of wanted files reach into."""

from __future__ import annotations

import os
import stat
import struct
from collections import deque
from collections.abc import Iterator
from itertools import count
from typing import NamedTuple

from bittorrent.errors import MissingDataError, StorageError
from bittorrent.storage.descriptors import HAS_POSITIONED_CALLS, DescriptorCache, read_at, write_at
from bittorrent.storage.durable import make_folders
from bittorrent.storage.safe_folder import not_a_file

CHUNK_BYTES = 16384


class PartFile:
    """Ranges of a torrent's bytes in one file, in the order in which they came; so it is as small as what is in it.

    Exactly what was written can be read, not a byte more. Nothing is created before the first write. Threads may read
    and write at the same time as the storage port allows; `discard`, `remove` and `close` need to be alone.

    Layout: `MAGIC`, then records: where the range begins plus 1 (8 bytes, big-endian; 0 is a free record), its length
    (4 bytes), and `CHUNK_BYTES` bytes of room for content. A file that does not begin so is removed.

    Invariants:
        no two ranges overlap, and none crosses a multiple of CHUNK_BYTES
        no two ranges share a record, and no free record belongs to a range
    """

    __slots__ = ("_chunks", "_descriptors", "_free", "_next", "_same", "path")

    def __init__(self, path: str) -> None:
        self.path = path
        self._chunks: dict[int, dict[int, _Range]] = {}  # by number of the chunk, then by where the range begins
        self._free: deque[int] = deque()
        self._same: tuple[int, int] | None = None  # which file it is
        self._next = count()  # drawing a number and setting a default are atomic: threads need no lock
        self._descriptors: DescriptorCache[bool] = DescriptorCache(self._open, limit=1 if HAS_POSITIONED_CALLS else 0)

    def load(self) -> None:
        """Reads which ranges are there; to be called once, before anything else.

        Raises:
            StorageError: it cannot be read.
        """
        try:
            descriptor = self._descriptors.get(False)
        except FileNotFoundError:
            return
        except OSError as error:
            raise StorageError.from_os_error("read", self.path, error) from None
        try:
            size = os.fstat(descriptor.number).st_size
            if _read_up_to(descriptor.number, len(MAGIC), 0) != MAGIC:
                self.remove()
                return
            records = -(-max(0, size - len(MAGIC)) // _RECORD_BYTES)
            for record in range(records):
                start, length = _HEAD.unpack(_read_up_to(descriptor.number, _HEAD.size, _position(record)))
                if not self._take_up(start - 1, length, record):
                    self._free.append(record)
        except OSError as error:
            raise StorageError.from_os_error("read", self.path, error) from None
        self._next = count(records)

    def has_changed(self) -> bool:
        """Whether what was written is not there any more: the file is gone, or another one."""
        if not self._chunks:
            return False
        try:
            status = os.stat(self.path)
        except OSError:
            return True
        return self._same is not None and self._same != (status.st_dev, status.st_ino)

    def reload(self) -> None:
        """Takes the file as it is now.

        Raises:
            StorageError: it cannot be read.
        """
        self.close()
        self._clear()
        self.load()

    def read_into(self, offset: int, view: memoryview) -> None:
        """Fills `view` with the bytes from `offset` on.

        Raises:
            MissingDataError: some byte was never written.
            StorageError: the system refused.
        """
        end = offset + len(view)
        for found in self._find(offset, end):
            first, last = max(offset, found.start), min(end, found.end)
            if first > offset:
                break
            try:
                position = found.position + first - found.start
                data = _read_up_to(self._descriptors.get(True).number, last - first, position)
            except OSError as error:
                raise StorageError.from_os_error("read", self.path, error) from None
            view[: len(data)] = data
            view, offset = view[len(data) :], last
        if offset < end:
            raise MissingDataError(f"cannot read {self.path}: it does not hold byte {offset}", path=self.path)

    def write(self, offset: int, view: memoryview) -> None:
        """Keeps bytes at `offset`.

        Raises:
            StorageError: the system refused.
        """
        try:
            descriptor = self._descriptors.get(True)
            end = offset + len(view)
            while offset < end:
                stop = min(end, offset - offset % CHUNK_BYTES + CHUNK_BYTES)
                for first, last, position in self._places(offset, stop, descriptor.number):
                    _write_all(descriptor.number, view[: last - first], position)
                    view = view[last - first :]
                offset = stop
        except OSError as error:
            raise StorageError.from_os_error("write", self.path, error) from None

    def ranges(self, start: int, end: int) -> Iterator[tuple[int, int]]:
        """What is here of a range: (offset, length), in order."""
        for found in self._find(start, end):
            first, last = max(start, found.start), min(end, found.end)
            yield first, last - first

    def discard(self, start: int, end: int) -> None:
        """Forgets what begins inside a range; its room is used again.

        Raises:
            StorageError: the system refused.
        """
        try:
            for found in self._find(start, end):
                if found.start >= start:
                    descriptor = self._descriptors.get(True)
                    _write_all(descriptor.number, memoryview(bytes(_HEAD.size)), found.position - _HEAD.size)
                    del self._chunks[found.start // CHUNK_BYTES][found.start]
                    self._free.append(found.record)
        except OSError as error:
            raise StorageError.from_os_error("write", self.path, error) from None

    def flush(self) -> None:
        """Returns when everything written so far survives a loss of power.

        Raises:
            StorageError: the system refused.
        """
        if self._chunks:
            try:
                os.fsync(self._descriptors.get(True).number)
            except OSError as error:
                raise StorageError.from_os_error("write", self.path, error) from None

    def remove(self) -> None:
        """Forgets everything and removes the file.

        Raises:
            StorageError: the system refused.
        """
        self.close()
        self._clear()
        try:
            os.unlink(self.path)
        except FileNotFoundError:
            pass
        except OSError as error:
            raise StorageError.from_os_error("remove", self.path, error) from None

    def move(self, path: str) -> None:
        """The file was brought elsewhere."""
        self.close()
        self.path = path
        self._same = None

    def close(self) -> None:
        self._descriptors.clear()

    def __len__(self) -> int:
        """How many bytes are here."""
        return sum(found.length for chunk in self._chunks.values() for found in chunk.values())

    def check_invariants(self) -> None:
        used = []
        for number, chunk in self._chunks.items():
            reached = number * CHUNK_BYTES
            for found in sorted(chunk.values()):
                assert reached <= found.start < found.end <= (number + 1) * CHUNK_BYTES
                reached = found.end
                used.append(found.record)
        assert len({*used, *self._free}) == len(used) + len(self._free)

    def _clear(self) -> None:
        self._chunks.clear()
        self._free.clear()
        self._next = count()
        self._same = None

    def _take_up(self, start: int, length: int, record: int) -> bool:
        """Whether a record that was found is a range of its own."""
        number = start // CHUNK_BYTES
        if start < 0 or not 0 < length <= (number + 1) * CHUNK_BYTES - start or self._find(start, start + length):
            return False
        self._chunks.setdefault(number, {})[start] = _Range(start, length, record)
        return True

    def _find(self, start: int, end: int) -> list[_Range]:
        """The ranges that overlap one, in order."""
        numbers = range(start // CHUNK_BYTES, -(-end // CHUNK_BYTES))
        if len(numbers) > len(self._chunks):
            chunks = [chunk for number, chunk in tuple(self._chunks.items()) if number in numbers]
        else:
            chunks = [chunk for number in numbers if (chunk := self._chunks.get(number))]
        return sorted(
            found for chunk in chunks for found in tuple(chunk.values()) if found.start < end > start < found.end
        )

    def _places(self, start: int, end: int, descriptor: int) -> Iterator[tuple[int, int, int]]:
        """Where to write a range inside one chunk, in order: (first, last, position in the file)."""
        for found in [*self._find(start, end), None]:
            stop = found.start if found is not None else end
            if start < stop:
                new = self._add(start, stop - start, descriptor)
                yield start, stop, new.position
                start = stop
            if found is not None:
                stop = min(end, found.end)
                yield start, stop, found.position + start - found.start
                start = stop

    def _add(self, start: int, length: int, descriptor: int) -> _Range:
        try:
            record = self._free.popleft()
        except IndexError:
            record = next(self._next)
        new = _Range(start, length, record)
        _write_all(descriptor, memoryview(_HEAD.pack(start + 1, length)), _position(record))
        self._chunks.setdefault(start // CHUNK_BYTES, {})[start] = new
        return new

    def _open(self, for_writing: bool) -> int:
        if not for_writing:
            return self._checked(os.open(self.path, os.O_RDONLY | _FLAGS))
        make_folders(os.path.dirname(self.path))
        number = self._checked(os.open(self.path, os.O_RDWR | os.O_CREAT | _FLAGS, 0o666))
        try:
            _write_all(number, memoryview(MAGIC), 0)  # not only into a new file: two threads may open it at once
        except BaseException:
            os.close(number)
            raise
        return number

    def _checked(self, descriptor: int) -> int:
        """The descriptor, of a file. One that is opened again has to be the same as before."""
        status = os.fstat(descriptor)
        same = (status.st_dev, status.st_ino)
        if not stat.S_ISREG(status.st_mode):
            os.close(descriptor)
            raise not_a_file(self.path)
        if self._same not in (None, same):
            os.close(descriptor)
            raise StorageError(f"{self.path} was replaced by another file", path=self.path)
        self._same = same
        return descriptor


class _Range(NamedTuple):
    start: int
    length: int
    record: int

    @property
    def end(self) -> int:
        return self.start + self.length

    @property
    def position(self) -> int:
        """Where its content is in the file."""
        return _position(self.record) + _HEAD.size


def _position(record: int) -> int:
    return len(MAGIC) + record * _RECORD_BYTES


def _read_up_to(descriptor: int, length: int, position: int) -> bytes:
    """`length` bytes, zeros behind the end of the file."""
    buffer = bytearray(length)
    view = memoryview(buffer)
    while view and (size := read_at(descriptor, view, position)):
        view, position = view[size:], position + size
    return bytes(buffer)


def _write_all(descriptor: int, view: memoryview, position: int) -> None:
    while view:
        size = write_at(descriptor, view, position)
        view, position = view[size:], position + size


MAGIC = b"kad parts 1\n\0\0\0\0"
_HEAD = struct.Struct(">QI")
_RECORD_BYTES = _HEAD.size + CHUNK_BYTES
_FLAGS = getattr(os, "O_BINARY", 0) | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)

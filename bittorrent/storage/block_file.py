"""The hidden file for blocks of unfinished pieces: what the next start need not fetch again."""

from __future__ import annotations

import heapq
import os
import stat
import struct
from collections.abc import Iterator, Sequence
from contextlib import suppress
from hashlib import blake2b
from typing import NamedTuple

from bittorrent.errors import StorageError
from bittorrent.pieces.bitfield import Bitfield
from bittorrent.pieces.block import BLOCK_SIZE, Block
from bittorrent.pieces.geometry import Geometry
from bittorrent.pieces.unfinished import KeepingStep, UnfinishedPiece
from bittorrent.storage.descriptors import read_at, write_at
from bittorrent.storage.safe_folder import not_a_file

try:
    import fcntl
except ImportError:  # Windows: two processes then write to one file, and each finds the other's blocks, or none
    fcntl = None  # type: ignore[assignment]


class BlockFile:
    """Blocks of one torrent, each with a checksum, in any order. One thread at a time may use it.

    Nothing is created before the first write. Between that and `release` it is ours alone: another process (or session)
    that wants the same file gets an error. The lock ends with the process.

    Layout: `MAGIC` and the info-hash, then records: offset in the torrent (8 bytes, big-endian), length (4 bytes; 0 is
    a free record), checksum over info-hash, offset, length and content (16 bytes), and room for a block. Only a free
    record is ever written to, and a wrong checksum makes one free: after a crash each block is whole or not there.

    Args:
        path: of the file; its folder is made when it is missing.
        max_bytes: of the content; further blocks are not kept.

    Invariants:
        no two blocks share a record, no block is in two, and no free record belongs to a block
    """

    __slots__ = (
        "_descriptor",
        "_end",
        "_free",
        "_geometry",
        "_info_hash",
        "_left_as",
        "_max_records",
        "_records",
        "path",
    )

    def __init__(self, path: str, *, info_hash: bytes, geometry: Geometry, max_bytes: int) -> None:
        self.path = path
        self._info_hash = info_hash
        self._geometry = geometry
        self._max_records = max_bytes // BLOCK_SIZE
        self._descriptor: int | None = None
        self._left_as: _Stamp | None = None  # the file when it was released
        self._records: dict[int, dict[int, int]] = {}  # by piece, then by offset in it
        self._free: list[int] = []  # a heap: the file stays as short as it can
        self._end = 0  # how many records the file has

    def load(self, wanted: Bitfield, *, max_pieces: int) -> list[UnfinishedPiece]:
        """What is there of these pieces, of `max_pieces` at most; other records are free from now on.

        Raises:
            StorageError: it cannot be read, or another process uses it.
        """
        if not os.path.lexists(self.path):
            return []
        try:
            descriptor = self._open()
            size = os.fstat(descriptor).st_size
            if _read(descriptor, _HEADER.size, 0) != self._header:
                size = 0  # another file, or nothing
            self._end = min(self._max_records, max(0, size - _HEADER.size) // _RECORD_BYTES)
            pieces: dict[int, UnfinishedPiece] = {}
            for record in range(self._end):
                found = self._read_record(descriptor, record)
                if found is None or not self._take_up(*found, record, pieces, wanted, max_pieces):
                    heapq.heappush(self._free, record)
            if not pieces:
                self.remove()
        except OSError as error:
            self._forget()
            raise StorageError.from_os_error("read", self.path, error) from None
        return list(pieces.values())

    def apply(self, step: KeepingStep) -> None:
        """Carries out a step.

        Raises:
            StorageError: the system refused, another program changed the file, or another process uses it; what is
                kept now is not known, so `remove` comes next.
        """
        try:
            descriptor = self._use(create=bool(step.blocks))
            if descriptor is None:
                return
            for index in step.verified:
                self._free_records(index)
            for index in step.dropped:
                for record in self._free_records(index):
                    _write(descriptor, bytes(_HEAD.size), _position(record))
            self._write_blocks(descriptor, step.blocks)
        except OSError as error:
            raise StorageError.from_os_error("write", self.path, error) from None

    def release(self) -> None:
        """Holds no descriptor until the next `apply`. A file in which nothing is kept is removed."""
        if not self._records:
            self.remove()
        elif self._descriptor is not None:
            self._left_as = _stamp(self._descriptor)
            os.close(self._descriptor)
            self._descriptor = None

    def remove(self) -> None:
        """Forgets everything and removes the file, if it is ours. What the system refuses stays behind."""
        with suppress(OSError):
            if self._use(create=False) is not None:
                os.unlink(self.path)  # first: a process that waits for the lock must not get that of a nameless file
        is_open = self._descriptor is not None
        self._forget()
        if is_open and os.name == "nt":  # which removes no file that is open
            with suppress(OSError):
                os.unlink(self.path)

    @property
    def is_empty(self) -> bool:
        """Whether there is no record, not even a free one. May be asked while a thread is at work."""
        return not self._end

    def __len__(self) -> int:
        """How many blocks are kept."""
        return sum(map(len, self._records.values()))

    def check_invariants(self) -> None:
        used = [record for records in self._records.values() for record in records.values()]
        assert len({*used, *self._free}) == len(used) + len(self._free) == self._end <= self._max_records

    # Records

    def _take_up(
        self,
        block: Block,
        data: memoryview,
        record: int,
        pieces: dict[int, UnfinishedPiece],
        wanted: Bitfield,
        max_pieces: int,
    ) -> bool:
        """Whether a record that was found is of use."""
        index, begin, length = block
        if index not in wanted or begin in self._records.get(index, ()):
            return False
        piece = pieces.get(index)
        if piece is None:
            if len(pieces) >= max_pieces:
                return False
            piece = pieces[index] = UnfinishedPiece(index, bytearray(self._geometry.piece_size(index)), 0)
        piece.buffer[begin : begin + length] = data
        piece.blocks |= 1 << begin // BLOCK_SIZE
        self._records.setdefault(index, {})[begin] = record
        return True

    def _read_record(self, descriptor: int, record: int) -> tuple[Block, memoryview] | None:
        data = _read(descriptor, _RECORD_BYTES, _position(record))
        offset, length, checksum = _HEAD.unpack_from(data)
        index, begin = self._geometry.place_of(offset)
        content = memoryview(data)[_HEAD.size : _HEAD.size + length]
        if index >= self._geometry.piece_count or begin % BLOCK_SIZE or not length:
            return None
        number = begin // BLOCK_SIZE
        if not self._geometry.needed_blocks(index) >> number & 1:
            return None
        block = self._geometry.block(index, number)
        if block.length != length or checksum != self._checksum(offset, content):
            return None
        return block, content

    def _write_blocks(self, descriptor: int, blocks: Sequence[tuple[Block, bytes]]) -> None:
        for first, run in self._runs(blocks):
            _write(descriptor, b"".join(run), _position(first))

    def _runs(self, blocks: Sequence[tuple[Block, bytes]]) -> Iterator[tuple[int, list[bytes]]]:
        """Records that are next to each other go to the disk together."""
        run: list[bytes] = []
        first = 0
        for (index, begin, length), data in blocks:
            kept = self._records.setdefault(index, {})
            record = self._take_free() if begin not in kept else None
            if record is None:
                continue
            kept[begin] = record
            if run and record != first + len(run):
                yield first, run
                run = []
            if not run:
                first = record
            offset = self._geometry.offset_of(index, begin)
            head = _HEAD.pack(offset, length, self._checksum(offset, data))
            run.append(head + data + bytes(BLOCK_SIZE - length))
        if run:
            yield first, run

    def _take_free(self) -> int | None:
        if self._free:
            return heapq.heappop(self._free)
        if self._end >= self._max_records:
            return None
        self._end += 1
        return self._end - 1

    def _free_records(self, index: int) -> list[int]:
        freed = list(self._records.pop(index, {}).values())
        for record in freed:
            heapq.heappush(self._free, record)
        return freed

    def _checksum(self, offset: int, content: bytes | memoryview) -> bytes:
        hasher = blake2b(self._info_hash, digest_size=_CHECKSUM_SIZE)
        hasher.update(_PLACE.pack(offset, len(content)))
        hasher.update(content)
        return hasher.digest()

    # The file

    @property
    def _header(self) -> bytes:
        return _HEADER.pack(MAGIC, self._info_hash)

    def _use(self, *, create: bool) -> int | None:
        """The file that we had, or a new one; None when there is none and none is to be made."""
        if self._descriptor is None:
            if self._left_as is not None:
                left_as, self._left_as = self._left_as, None
                if _stamp(self._open()) != left_as:
                    self._close()
                    raise StorageError(f"{self.path} was changed", path=self.path)
            elif create:
                os.makedirs(os.path.dirname(self.path), exist_ok=True)
                self._begin(self._open(os.O_CREAT))
        elif not self._is_in_place(self._descriptor):
            self._close()
            raise StorageError(f"{self.path} was removed", path=self.path)
        return self._descriptor

    def _begin(self, descriptor: int) -> None:
        os.truncate(descriptor, 0)
        _write(descriptor, self._header, 0)

    def _open(self, flags: int = 0) -> int:
        descriptor = os.open(self.path, _FLAGS | flags, 0o666)
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise not_a_file(self.path)
            if fcntl is not None:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(descriptor)
            raise
        self._descriptor = descriptor
        return descriptor

    def _is_in_place(self, descriptor: int) -> bool:
        with suppress(OSError):
            return os.path.samestat(os.fstat(descriptor), os.lstat(self.path))
        return False

    def _forget(self) -> None:
        self._records.clear()
        self._free.clear()
        self._end = 0
        self._left_as = None
        self._close()

    def _close(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


class _Stamp(NamedTuple):
    device: int
    inode: int
    size: int
    modified_ns: int


def _stamp(descriptor: int) -> _Stamp:
    status = os.fstat(descriptor)
    return _Stamp(status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)


def _position(record: int) -> int:
    return _HEADER.size + record * _RECORD_BYTES


def _read(descriptor: int, length: int, position: int) -> bytes:
    """`length` bytes, zeros behind the end of the file."""
    buffer = bytearray(length)
    view = memoryview(buffer)
    while view and (size := read_at(descriptor, view, position)):
        view, position = view[size:], position + size
    return bytes(buffer)


def _write(descriptor: int, data: bytes, position: int) -> None:
    view = memoryview(data)
    while view:
        size = write_at(descriptor, view, position)
        view, position = view[size:], position + size


MAGIC = b"kad blocks 1\n\0\0\0"
_HEADER = struct.Struct(f">{len(MAGIC)}s20s")
_CHECKSUM_SIZE = 16
_HEAD = struct.Struct(f">QI{_CHECKSUM_SIZE}s")
_PLACE = struct.Struct(">QI")
_RECORD_BYTES = _HEAD.size + BLOCK_SIZE
_FLAGS = os.O_RDWR | getattr(os, "O_BINARY", 0) | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)

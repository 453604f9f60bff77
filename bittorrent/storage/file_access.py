"""Reads and writes in the files of a torrent: each at its place, through descriptors that are kept open."""

from __future__ import annotations

import os
from collections.abc import Iterator

from bittorrent.errors import MissingDataError, StorageError
from bittorrent.storage.descriptors import HAS_POSITIONED_CALLS, DescriptorCache, read_at, read_cached_at, write_at
from bittorrent.storage.durable import data_extents
from bittorrent.storage.file_facts import is_sparse
from bittorrent.storage.placed_files import PlacedFiles
from transfer.errors import LocalProtocolError


class FileAccess:
    """Positioned access to placed files, by their number, and what of it has not been flushed.

    All calls that take a number raise StorageError when the system refuses, and what `PlacedFiles.open` raises.

    Args:
        open_files: bounds the descriptors that are kept open; 0 opens and closes around each access.
    """

    __slots__ = ("_descriptors", "_dirty", "_is_closed", "_places", "_written")

    def __init__(self, places: PlacedFiles, *, open_files: int) -> None:
        self._places = places
        limit = open_files if HAS_POSITIONED_CALLS else 0
        self._descriptors: DescriptorCache[tuple[int, bool]] = DescriptorCache(self._open, limit=limit)
        self._dirty: set[int] = set()  # since the last flush
        self._written: set[int] = set()
        self._is_closed = False

    def read(self, number: int, position: int, length: int) -> bytes:
        """Exactly `length` bytes.

        Raises:
            MissingDataError: the file is missing or too short.
        """
        if HAS_POSITIONED_CALLS:
            descriptor = self._descriptors.get((number, False))
            try:
                data = os.pread(descriptor.number, length, position)
            except OSError as error:
                raise self._failure("read", number, error) from None
            if len(data) == length:  # the system may give less without being at the end
                return data
        buffer = bytearray(length)
        self.read_into(number, position, memoryview(buffer))
        return bytes(buffer)

    def read_into(self, number: int, position: int, view: memoryview) -> None:
        """`read`, without a new object."""
        descriptor = self._descriptors.get((number, False))
        while view:
            try:
                size = read_at(descriptor.number, view, position)
            except OSError as error:
                raise self._failure("read", number, error) from None
            if size == 0:
                path = self._places.paths[number]
                raise MissingDataError(f"cannot read {path}: it ends at byte {position} or before", path=path)
            view = view[size:]
            position += size

    def read_cached(self, number: int, position: int, length: int) -> memoryview | None:
        """As `read`, if the file is open already and the system has the bytes in memory, else None.

        To find out more could take a disk.
        """
        descriptor = self._descriptors.peek((number, False))
        if descriptor is None:
            return None
        buffer = bytearray(length)
        is_whole = read_cached_at(descriptor.number, buffer, position) == length
        return memoryview(buffer).toreadonly() if is_whole else None

    def write(self, number: int, position: int, view: memoryview) -> None:
        """Puts all of `view` at its place."""
        descriptor = self._descriptors.get((number, True))
        self._begin_writing(number)
        while view:
            try:
                size = write_at(descriptor.number, view, position)
            except OSError as error:
                raise self._failure("write", number, error) from None
            view = view[size:]
            position += size
        self._places.known.wrote(number, position)

    def open_to_write(self, number: int) -> None:
        """Makes sure that the file could be written to."""
        self._descriptors.get((number, True))

    def reserve(self, number: int, length: int) -> None:
        """Reserves room for the first `length` bytes, where the system can do that."""
        try:
            descriptor = self._descriptors.get((number, True))
            self._begin_writing(number)
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(descriptor.number, 0, length)
            elif os.fstat(descriptor.number).st_size < length:
                os.truncate(descriptor.number, length)
            self._places.known.wrote(number, length)
        except OSError as error:
            raise self._failure("reserve room for", number, error) from None

    def is_hole(self, number: int, position: int, length: int) -> bool:
        """Whether certainly nothing was ever written in the range."""
        try:
            descriptor = self._descriptors.get((number, False))
            end = os.fstat(descriptor.number).st_size
            return end <= position or is_sparse(descriptor.number, position, length)
        except MissingDataError:
            return True
        except OSError as error:
            raise self._failure("read", number, error) from None

    def holes(self, number: int, length: int) -> Iterator[tuple[int, int]]:
        """The ranges (position, length), in order, of the first `length` bytes of which nothing is on disk."""
        try:
            descriptor = self._descriptors.get((number, False))
            reached = 0
            for start, end in [*data_extents(descriptor.number, length), (length, length)]:
                if reached < start:
                    yield reached, start - reached
                reached = end
        except OSError as error:
            raise self._failure("read", number, error) from None

    def flush(self) -> None:
        """Returns when everything written so far survives a loss of power."""
        while self._dirty:
            number = self._dirty.pop()  # before the call: what is written during it is dirty again
            try:
                descriptor = self._descriptors.get((number, True))
                os.fsync(descriptor.number)
                self._places.known.settle(number, os.fstat(descriptor.number))
            except OSError as error:
                self._dirty.add(number)
                raise self._failure("write", number, error) from None
            if number in self._dirty:
                self._places.known.unsettle(number)

    def let_go(self) -> None:
        """Keeps nothing open: files are moved, or looked at anew."""
        self._descriptors.clear()

    def forget_gone(self) -> None:
        """Of files that are gone nothing is left to be flushed."""
        gone = {number for number in self._dirty if not self._places.known.is_known(number)}
        self._dirty -= gone

    def forget_all(self) -> None:
        """The files are to be deleted: nothing is left to be flushed."""
        self._dirty.clear()
        self._descriptors.clear()

    def close(self) -> None:
        """Releases what is held; may be called twice."""
        self._is_closed = True
        self._descriptors.clear()

    def check_open(self) -> None:
        """Raises LocalProtocolError after `close`."""
        if self._is_closed:
            raise LocalProtocolError("this storage is closed")

    @property
    def written(self) -> frozenset[int]:
        """The numbers of the files that were written to."""
        return frozenset(self._written)

    def _open(self, key: tuple[int, bool]) -> int:
        """A new descriptor for one file; the second half of the key says whether it is for writing."""
        number, for_writing = key
        self.check_open()
        return self._places.open(number, for_writing=for_writing)

    def _begin_writing(self, number: int) -> None:
        self._dirty.add(number)
        self._written.add(number)
        self._places.known.unsettle(number)

    def _failure(self, action: str, number: int, error: OSError) -> StorageError:
        return StorageError.from_os_error(action, self._places.paths[number], error)

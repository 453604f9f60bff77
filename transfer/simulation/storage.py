"""The bytes of one torrent on a simulated disk, in the shape of a storage port."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable

from transfer.errors import LocalProtocolError
from transfer.simulation.disk import Disk

Failure = Callable[[str, str, OSError], Exception]


def plain_error(action: str, path: str, error: OSError) -> Exception:
    """The operating system's error as it is."""
    return error


class DiskStorage:
    """Positioned, synchronous access to `total_bytes` bytes in one file of a simulated disk.

    Args:
        failure: makes the error that callers expect out of (action, path, OSError), for example
            `StorageError.from_os_error`.
        missing: the same for bytes that are not there, for example `MissingDataError.from_os_error`.
    """

    def __init__(
        self,
        disk: Disk,
        name: str,
        total_bytes: int,
        *,
        failure: Failure = plain_error,
        missing: Failure = plain_error,
    ) -> None:
        self.total_bytes = total_bytes
        self._disk = disk
        self._name = name
        self._failure = failure
        self._missing = missing
        self._boots = disk.boots
        self._closed = False

    def read(self, offset: int, length: int) -> bytes:
        """Exactly `length` bytes."""
        self._check(offset, length)
        try:
            data = self._disk.read(self._name, offset, length)
        except FileNotFoundError as error:
            raise self._missing("read", self._name, error) from None
        except OSError as error:
            raise self._failure("read", self._name, error) from None
        if len(data) < length:
            short = OSError(errno.ENODATA, os.strerror(errno.ENODATA), self._name)
            raise self._missing("read", self._name, short)
        return data

    def read_into(self, offset: int, buffer: bytearray | memoryview) -> None:
        """`read` of `len(buffer)` bytes into it."""
        memoryview(buffer)[:] = self.read(offset, len(buffer))

    def write(self, offset: int, data: bytes | bytearray | memoryview) -> None:
        """Puts all of `data` at its place."""
        self._check(offset, len(data))
        try:
            self._disk.write(self._name, offset, data)
        except OSError as error:
            raise self._failure("write", self._name, error) from None

    def prepare(self) -> None:
        """Refuses a file that is longer than it should be."""
        self._check(0, 0)
        size = self._disk.size(self._name)
        if size is not None and size > self.total_bytes:
            raise self._failure("use", self._name, OSError(errno.EFBIG, os.strerror(errno.EFBIG), self._name))

    def exists_any(self) -> bool:
        return bool(self._disk.size(self._name))

    def is_hole(self, offset: int, length: int) -> bool:
        """Whether the range lies behind the end of the file; holes in the middle are not known."""
        self._check(offset, length)
        return (self._disk.size(self._name) or 0) <= offset

    def flush(self) -> None:
        """Everything written so far survives a crash."""
        self._check(0, 0)
        try:
            if self._disk.size(self._name) is not None:
                self._disk.sync(self._name)
        except OSError as error:
            raise self._failure("write", self._name, error) from None

    def close(self) -> None:
        self._closed = True

    def _check(self, offset: int, length: int) -> None:
        if self._closed:
            raise LocalProtocolError("this storage is closed")
        if offset < 0 or length < 0 or offset + length > self.total_bytes:
            raise LocalProtocolError(f"{length} bytes at {offset} are not inside the {self.total_bytes} of the torrent")
        if self._boots != self._disk.boots:
            stale = OSError(errno.EBADF, "the host was restarted since this was opened", self._name)
            raise self._failure("use", self._name, stale)

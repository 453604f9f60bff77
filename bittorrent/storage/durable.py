"""Files that are whole or not there, and bytes that survive a loss of power."""

from __future__ import annotations

import errno
import os
from contextlib import suppress

from bittorrent.errors import StorageError


def write_durably(path: str, content: bytes) -> None:
    """Replaces a file; a kill at any moment leaves the old one, the new one or none. Folders are made.

    Raises:
        StorageError: the system refused.
    """
    unfinished = path + UNFINISHED
    try:
        make_folders(os.path.dirname(path))
        try:
            with open(_open_new(unfinished), "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.replace(unfinished, path)
        except OSError:
            with suppress(OSError):
                os.unlink(unfinished)
            raise
        sync_folder(os.path.dirname(path))
    except OSError as error:
        raise StorageError.from_os_error("write", path, error) from None


def make_folders(folder: str) -> None:
    """Makes a folder and those around it that are missing; the path may have any number of elements.

    Raises:
        OSError: the system refused, or there is something else than a folder.
    """
    missing: list[str] = []
    while folder and not os.path.isdir(folder):
        missing.append(folder)
        folder = os.path.dirname(folder)
    while missing:
        folder = missing.pop()
        try:
            os.mkdir(folder)
        except FileExistsError:
            if not os.path.isdir(folder):
                raise


def _open_new(path: str) -> int:
    """A file of its own: what a kill left there, or a link or pipe that another program put there, is removed."""
    try:
        return os.open(path, _FLAGS, 0o666)
    except FileExistsError:
        os.unlink(path)
        return os.open(path, _FLAGS, 0o666)


def remove_file(path: str) -> None:
    """Removes a file and what was left of an unfinished successor. Nothing there is fine.

    Raises:
        StorageError: the system refused.
    """
    for name in (path, path + UNFINISHED):
        try:
            os.unlink(name)
        except (FileNotFoundError, NotADirectoryError):
            pass
        except OSError as error:
            raise StorageError.from_os_error("remove", name, error) from None


def remove_folder_if_empty(folder: str) -> bool:
    """Whether there is no such folder any more.

    Raises:
        StorageError: the system refused, for another reason than that something is in it.
    """
    try:
        os.rmdir(folder)
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR):
            return True
        if error.errno in (errno.ENOTEMPTY, errno.EEXIST):
            return False
        raise StorageError.from_os_error("remove", folder, error) from None
    return True


def sync_folder(folder: str) -> None:
    """A new name is durable only with its folder; Windows cannot open one and needs no such call."""
    if not hasattr(os, "O_DIRECTORY"):
        return
    number = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(number)
    finally:
        os.close(number)


def place(source: str, target: str) -> None:
    """Makes the file `source` available as `target` too, in folders that are made.

    By a second name where the file system can, otherwise by a copy that is on disk when this returns. Symbolic links
    are copied as links.

    Raises:
        FileExistsError: there is something at `target` already; it is not touched.
        OSError: the system refused; nothing is left at `target`.
    """
    make_folders(os.path.dirname(target))
    if os.path.islink(source):
        os.symlink(os.readlink(source), target)
        return
    try:
        os.link(source, target)
    except OSError as error:
        if error.errno not in _NO_SECOND_NAME:
            raise
        copy_file(source, target)


def copy_file(source: str, target: str) -> None:
    """Copies content, holes, mode and times into a new file, and syncs it.

    Raises:
        FileExistsError: there is something at `target` already; it is not touched.
        OSError: the system refused; nothing is left at `target`.
    """
    reading = os.open(source, os.O_RDONLY | _BINARY)
    try:
        status = os.fstat(reading)
        writing = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _BINARY, status.st_mode & 0o777)
        try:
            for start, end in data_extents(reading, status.st_size):
                _copy_range(reading, writing, start, end)
            os.truncate(writing, status.st_size)
            os.fsync(writing)
            if os.utime in os.supports_fd:
                os.utime(writing, ns=(status.st_atime_ns, status.st_mtime_ns))
        except BaseException:
            os.unlink(target)
            raise
        finally:
            os.close(writing)
    finally:
        os.close(reading)


def data_extents(descriptor: int, size: int) -> list[tuple[int, int]]:
    """The ranges of a file that are not holes, in order; all of it where the system does not tell.

    Moves the file position.
    """
    extents: list[tuple[int, int]] = []
    position = 0
    while position < size:
        try:
            start = _seek(descriptor, position, "SEEK_DATA")
            position = min(size, _seek(descriptor, start, "SEEK_HOLE"))
        except OSError as error:
            if error.errno == errno.ENXIO:  # no data from here to the end
                return extents
            start, position = position, size
        if start < position:
            extents.append((start, position))
    return extents


def _seek(descriptor: int, position: int, whence: str) -> int:
    if not hasattr(os, whence):
        raise OSError(errno.EINVAL, "not known here")
    return os.lseek(descriptor, position, getattr(os, whence))


def _copy_range(reading: int, writing: int, start: int, end: int) -> None:
    os.lseek(reading, start, os.SEEK_SET)
    os.lseek(writing, start, os.SEEK_SET)
    while start < end:
        data = memoryview(os.read(reading, min(_COPY_BYTES, end - start)))
        if not data:
            raise OSError(errno.EIO, "the file became shorter while it was copied")
        start += len(data)
        while data:
            data = data[os.write(writing, data) :]


UNFINISHED = ".part"
_BINARY = getattr(os, "O_BINARY", 0)
_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_EXCL | _BINARY
_COPY_BYTES = 1 << 20
# Another file system, one without links, one that allows no more of them, or not to us.
_NO_SECOND_NAME = (errno.EXDEV, errno.EPERM, errno.EACCES, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EMLINK, errno.ENOSYS)

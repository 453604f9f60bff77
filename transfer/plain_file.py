"""Reading small files that others make: what lies there may be a pipe, a device or a folder."""

from __future__ import annotations

import errno
import os
import stat


def read_file(path: str | os.PathLike[str], max_bytes: int, *, may_be_pipe: bool = False) -> bytes:
    """At most `max_bytes` of a file, without waiting for a program that might write to it.

    Args:
        may_be_pipe: for what a user names: a pipe is read to its end if a program has opened it to write (what a shell
            makes of `<(command)`), and so are devices. A pipe that no program writes to is empty.

    Raises:
        OSError: the system refused, or it is no file.
    """
    descriptor = os.open(path, _FLAGS)
    try:
        status = os.fstat(descriptor)
        if stat.S_ISDIR(status.st_mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), os.fspath(path))
        if not stat.S_ISREG(status.st_mode):
            if not may_be_pipe:
                raise OSError(errno.EINVAL, "it is not a file", os.fspath(path))
            os.set_blocking(descriptor, True)
        chunks: list[bytes] = []
        while max_bytes > 0 and (chunk := os.read(descriptor, min(max_bytes, _CHUNK_BYTES))):
            chunks.append(chunk)
            max_bytes -= len(chunk)
        return b"".join(chunks)
    finally:
        os.close(descriptor)


# O_NONBLOCK: opening a pipe waits for the other end otherwise.
_FLAGS = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0)
_CHUNK_BYTES = 1 << 20

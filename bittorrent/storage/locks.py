"""Which process writes which files: two that are started in one directory must not overwrite each other's."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from hashlib import blake2b

from bittorrent.errors import StorageError
from bittorrent.files.paths import STATE_FOLDER
from bittorrent.storage.durable import make_folders, remove_folder_if_empty


class WriteLock:
    """Holds, as long as this process lives, the right of a torrent to write to its files below `directory`.

    Theory of operation: each torrent has a file `.kad/<info-hash>.lock`, which the processes that write to it hold
    locked together; the system takes the lock of a process that dies. In it, each of them says which files it means.
    A process that wants to write first says so itself, then looks at the others; so of two that come at the same time
    at least one sees the other, and the later one gives way. Where the system has no such locks, or does not let us
    make the file, there is no protection, and no error either.

    Args:
        directory: where the files are.
        info_hash: of the torrent. The same torrent may be written by several processes: all write the same bytes.
        name: what it is called in errors.
    """

    __slots__ = ("_descriptor", "_folder", "_info_hash", "_name", "_path")

    def __init__(self, directory: str | os.PathLike[str], info_hash: bytes, *, name: str) -> None:
        self._folder = os.path.join(os.path.abspath(directory), STATE_FOLDER)
        self._info_hash = info_hash.hex()
        self._name = name
        self._path = os.path.join(self._folder, self._info_hash + ENDING)
        self._descriptor: int | None = None

    def check(self, paths: Sequence[tuple[str, ...]]) -> None:
        """Looks at the others without making anything.

        Raises:
            StorageError: another torrent writes to one of these files.
        """
        self._look_at_others({_digest(path): path for path in paths}, since_ns=None)

    def acquire(self, paths: Sequence[tuple[str, ...]]) -> None:
        """From now on `paths` below the directory are written to. Nothing if it is held already.

        Raises:
            StorageError: another torrent writes to one of them.
        """
        if self._descriptor is not None:
            return
        digests = {_digest(path): path for path in paths}
        try:
            self._descriptor = self._register(digests)
        except OSError:
            return
        if self._descriptor is None:
            return
        try:
            self._look_at_others(digests, since_ns=os.fstat(self._descriptor).st_mtime_ns)
        except StorageError:
            self.release()
            raise

    @property
    def is_held(self) -> bool:
        return self._descriptor is not None

    def is_shared(self) -> bool:
        """Whether another process has written to the same torrent since this lock was taken."""
        if self._descriptor is None:
            return False
        try:
            with open(os.dup(self._descriptor), "rb") as file:
                file.seek(0)
                return len(_records(file.read(MAX_BYTES))) > 1
        except OSError:
            return False

    def release(self) -> None:
        """Nothing is written any more. What is left of the lock file is removed."""
        if self._descriptor is None:
            return
        descriptor, self._descriptor = self._descriptor, None
        is_alone = _lock(descriptor, shared=False)
        if is_alone and not _IS_WINDOWS:
            _remove(self._path, descriptor)
        os.close(descriptor)
        if is_alone and _IS_WINDOWS:
            with suppress(OSError):
                os.unlink(self._path)
        with suppress(StorageError):
            remove_folder_if_empty(self._folder)

    def _register(self, digests: dict[bytes, tuple[str, ...]]) -> int | None:
        """Takes the lock and says what it is about; None when that is not possible."""
        record = _record(self._name, digests)
        make_folders(self._folder)
        for _ in range(_TRIES):
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND | _FLAGS, 0o666)
            try:
                if stat.S_ISREG(os.fstat(descriptor).st_mode):
                    is_first = _lock(descriptor, shared=False)
                    if is_first:
                        os.truncate(descriptor, 0)
                    is_locked = _lock(descriptor, shared=True) or _IS_WINDOWS
                    if is_locked and _is_at(self._path, descriptor):
                        os.write(descriptor, record)
                        return descriptor
            except BaseException:
                os.close(descriptor)
                raise
            os.close(descriptor)  # another process has just looked whether it is held, or removed it
        return None

    def _look_at_others(self, digests: dict[bytes, tuple[str, ...]], *, since_ns: int | None) -> None:
        for name, common in self._others(digests, since_ns):
            path = os.path.join(os.path.dirname(self._folder), *digests[common])
            raise StorageError(
                f"another process is writing {path} for another torrent ({name}); choose another directory (-o), or"
                " wait until it has ended",
                path=path,
            )

    def _others(self, digests: dict[bytes, tuple[str, ...]], since_ns: int | None) -> Iterator[tuple[str, bytes]]:
        """Of the torrents that hold a lock and write to one of our files: their name, and one of the files."""
        try:
            files = sorted(os.listdir(self._folder))
        except OSError:
            return
        for file in files:
            if not file.endswith(ENDING) or file == self._info_hash + ENDING:
                continue
            path = os.path.join(self._folder, file)
            descriptor = _open_existing(path)
            if descriptor is None:
                continue
            try:
                status = os.fstat(descriptor)
                if not stat.S_ISREG(status.st_mode):
                    continue
                if _lock(descriptor, shared=False):
                    if not _IS_WINDOWS:
                        _remove(path, descriptor)  # its process was killed
                    continue
                if since_ns is not None and status.st_mtime_ns > since_ns:
                    continue  # it came later: it sees us, and gives way
                for name, theirs in _records(os.read(descriptor, min(status.st_size, MAX_BYTES))):
                    for common in sorted(theirs & digests.keys())[:1]:
                        yield name, common
            except OSError:
                continue
            finally:
                os.close(descriptor)


def _digest(path: tuple[str, ...]) -> bytes:
    """Names that differ only in case count as one: on some file systems they are."""
    return blake2b("/".join(path).casefold().encode(), digest_size=_DIGEST_BYTES).digest()


def _record(name: str, digests: dict[bytes, tuple[str, ...]]) -> bytes:
    text = name.encode(errors="replace")[:200]
    content = len(text).to_bytes(1, "big") + text + b"".join(sorted(digests))
    return len(content).to_bytes(4, "big") + content


def _records(data: bytes) -> list[tuple[str, set[bytes]]]:
    """What `_record` made, one after another; an unfinished one at the end is left out."""
    found: list[tuple[str, set[bytes]]] = []
    while len(data) > 4 and len(data) >= 4 + (length := int.from_bytes(data[:4], "big")) and length:
        content, data = data[4 : 4 + length], data[4 + length :]
        start = 1 + content[0]
        digests = {content[at : at + _DIGEST_BYTES] for at in range(start, len(content), _DIGEST_BYTES)}
        found.append((content[1:start].decode(errors="replace"), digests))
    return found


def _open_existing(path: str) -> int | None:
    """Some file systems lock only what can be written, and some files are another user's."""
    for access in (os.O_RDWR, os.O_RDONLY):
        with suppress(OSError):
            return os.open(path, access | _FLAGS)
    return None


def _is_at(path: str, descriptor: int) -> bool:
    try:
        return os.path.samestat(os.stat(path), os.fstat(descriptor))
    except OSError:
        return False


def _remove(path: str, descriptor: int) -> None:
    """The file, while it is locked, unless another one took its place."""
    with suppress(OSError):
        if _is_at(path, descriptor):
            os.unlink(path)


_IS_WINDOWS = sys.platform == "win32"

if sys.platform == "win32":
    import msvcrt

    def _lock(descriptor: int, *, shared: bool) -> bool:
        """Takes the lock if no process has it; there are no shared ones. One byte far behind the content."""
        if shared:
            return False
        try:
            os.lseek(descriptor, MAX_BYTES, os.SEEK_SET)
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        finally:
            os.lseek(descriptor, 0, os.SEEK_SET)
        return True
else:
    import fcntl

    def _lock(descriptor: int, *, shared: bool) -> bool:
        """Takes or changes the lock, at once or not at all. It goes with the descriptor."""
        try:
            fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


ENDING = ".lock"
MAX_BYTES = 64 << 20
_DIGEST_BYTES = 8
_TRIES = 100
_FLAGS = (
    getattr(os, "O_BINARY", 0)
    | getattr(os, "O_NOFOLLOW", 0)
    | getattr(os, "O_NONBLOCK", 0)
    | getattr(os, "O_CLOEXEC", 0)
)

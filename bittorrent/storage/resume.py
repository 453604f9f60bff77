"""What a second start needs and cannot find elsewhere: the metadata behind a magnet link."""

from __future__ import annotations

import errno
import os
from contextlib import suppress

from bittorrent.errors import MetainfoError, StorageError
from bittorrent.metainfo.paths import STATE_FOLDER
from bittorrent.metainfo.torrent import Metainfo


class ResumeStore:
    """Torrents in the hidden folder `.kad` of a download directory, one `<info-hash>.torrent` each.

    Which pieces are done is deliberately not kept. After a kill or a loss of power such a note may be ahead of what
    reached the disk, and between two runs anybody may change the files; then corrupt data would be served to others.
    Hashing what is there is always right, and as fast as the disk. For the same reason a stored torrent counts only
    when its info-hash is the one asked for.
    """

    __slots__ = ("_folder",)

    def __init__(self, directory: str | os.PathLike[str]) -> None:
        self._folder = os.path.join(os.path.abspath(directory), STATE_FOLDER)

    def save(self, metainfo: Metainfo) -> None:
        """Stores a torrent durably; a kill at any moment leaves the old file, the new one or none.

        Raises:
            StorageError: the system refused.
        """
        path = self._path(metainfo.info_hash)
        unfinished = path + _UNFINISHED
        try:
            os.makedirs(self._folder, exist_ok=True)
            with open(os.open(unfinished, _FLAGS, 0o666), "wb") as file:
                file.write(metainfo.to_bytes())
                file.flush()
                os.fsync(file.fileno())
            os.replace(unfinished, path)
            _sync_folder(self._folder)
        except OSError as error:
            raise StorageError.from_os_error("write", path, error) from None

    def load(self, info_hash: bytes) -> Metainfo | None:
        """The stored torrent, or None. What is there but is not that torrent is removed.

        Raises:
            StorageError: it is there and cannot be read.
        """
        path = self._path(info_hash)
        try:
            metainfo = Metainfo.from_file(path)
        except MetainfoError:
            metainfo = None
        except StorageError as error:
            if error.errno in (errno.ENOENT, errno.ENOTDIR):
                return None
            raise
        if metainfo is None or metainfo.info_hash != info_hash:
            with suppress(StorageError):  # only tidying up: it is not used either way
                self._remove(path)
            return None
        return metainfo

    def forget(self, info_hash: bytes) -> None:
        """Removes a stored torrent, and the folder with the last one. Nothing there is fine.

        Raises:
            StorageError: the system refused.
        """
        path = self._path(info_hash)
        self._remove(path)
        self._remove(path + _UNFINISHED)
        try:
            os.rmdir(self._folder)
        except OSError as error:
            if error.errno not in (errno.ENOENT, errno.ENOTDIR, errno.ENOTEMPTY, errno.EEXIST):
                raise StorageError.from_os_error("remove", self._folder, error) from None

    def _path(self, info_hash: bytes) -> str:
        return os.path.join(self._folder, f"{info_hash.hex()}.torrent")

    def _remove(self, path: str) -> None:
        try:
            os.unlink(path)
        except (FileNotFoundError, NotADirectoryError):
            pass
        except OSError as error:
            raise StorageError.from_os_error("remove", path, error) from None


def _sync_folder(folder: str) -> None:
    """A new name is durable only with its folder; Windows cannot open one and needs no such call."""
    if not hasattr(os, "O_DIRECTORY"):
        return
    number = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(number)
    finally:
        os.close(number)


_UNFINISHED = ".part"
_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | getattr(os, "O_BINARY", 0) | getattr(os, "O_NOFOLLOW", 0)

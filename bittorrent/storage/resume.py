"""What a second start needs and cannot find elsewhere.

That is the metadata behind a magnet link, what was verified, and where blocks of unfinished pieces are kept.

The state of a download goes when it is complete. The torrent of a magnet link stays beside the content: with it the
same link is known to be complete, and can be shared, when no peer is there to ask. It goes with the content
(`Session.remove(delete_files=True)`); a user who removes the folder `.kad` by hand loses nothing but that.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from hashlib import blake2b
from typing import Protocol, TypeVar

from bittorrent.errors import MetainfoError, ResumeError, StorageError
from bittorrent.files.paths import STATE_FOLDER
from bittorrent.identity.torrent_id import TorrentId
from bittorrent.storage.durable import remove_file, remove_folder_if_empty, write_durably
from bittorrent.storage.resume_state import MAX_STATE_BYTES, ResumeState
from transfer.plain_file import read_file
from transfer.wire import bencode


class KeptTorrent(Protocol):
    """A torrent, as far as it is kept: what it is known by, and its bytes. `Metainfo` is one."""

    @property
    def torrent_id(self) -> TorrentId: ...

    def to_bytes(self) -> bytes: ...


TorrentT = TypeVar("TorrentT", bound=KeptTorrent)


class ResumeStore:
    """Torrents in the hidden folder `.kad` of a directory.

    Of each there is `<info-hash>.torrent` (of a hybrid two, one under each hash) and `<info-hash>.resume`,
    `<info-hash>.blocks`, which is a `BlockFile`, and `<info-hash>.metadata` as long as that of a magnet link is not
    complete.

    Args:
        directory: where downloads go.
        state_dir: keeps them there instead, and for good: not only while a download is unfinished.

    Each file is written so that a kill at any moment leaves the old one, the new one or none. What is there and is not
    right counts as not there, and is removed: a torrent whose info-hash is not the one asked for, a state of another
    version or with a wrong checksum.
    """

    __slots__ = ("_folder", "is_lasting")

    def __init__(self, directory: str | os.PathLike[str], *, state_dir: str | os.PathLike[str] | None = None) -> None:
        self.is_lasting = state_dir is not None
        hidden = os.path.join(os.path.abspath(directory), STATE_FOLDER)
        self._folder = os.path.abspath(state_dir) if state_dir is not None else hidden

    def save(self, torrent: KeptTorrent) -> None:
        """Stores a torrent durably, a hybrid under both hashes: a link may name one of them.

        Raises:
            StorageError: the system refused.
        """
        for info_hash in torrent.torrent_id.short:
            write_durably(self._path(info_hash, ".torrent"), torrent.to_bytes())

    def load(self, torrent_id: TorrentId, read: Callable[[str], TorrentT]) -> TorrentT | None:
        """The stored torrent, or None.

        Args:
            torrent_id: what is known of its hashes: it has all of them.
            read: makes a torrent of a file, such as `Metainfo.from_file`.

        Raises:
            StorageError: it is there and cannot be read.
        """
        found = (self._load(info_hash, read) for info_hash in torrent_id.short)
        return next((one for one in found if one is not None and torrent_id.describes(one.torrent_id)), None)

    def _load(self, info_hash: bytes, read: Callable[[str], TorrentT]) -> TorrentT | None:
        path = self._path(info_hash, ".torrent")
        torrent: TorrentT | None = None
        try:
            torrent = read(path)
        except MetainfoError:
            pass
        except StorageError as error:
            if error.errno in (errno.ENOENT, errno.ENOTDIR):
                return None
            raise
        if torrent is None or info_hash not in torrent.torrent_id.short:
            with suppress(StorageError):  # only tidying up: it is not used either way
                remove_file(path)
            return None
        return torrent

    def save_metadata(self, info_hash: bytes, size: int, pieces: Mapping[int, bytes]) -> None:
        """Stores what has come of the metadata of a magnet link.

        Raises:
            StorageError: the system refused.
        """
        content = bencode.encode({b"size": size, b"pieces": [[index, data] for index, data in pieces.items()]})
        write_durably(self._path(info_hash, ".metadata"), _checksum(info_hash, content) + content)

    def load_metadata(self, info_hash: bytes) -> tuple[int, dict[int, bytes]] | None:
        """What was stored of the metadata, its size first; None without any. It need not be right."""
        try:
            data = read_file(self._path(info_hash, ".metadata"), MAX_STATE_BYTES)
            content = data[_CHECKSUM_SIZE:]
            values = bencode.decode_dict(content) if data[:_CHECKSUM_SIZE] == _checksum(info_hash, content) else {}
        except (OSError, bencode.BencodeError):
            return None
        found: dict[int, bytes] = {}
        match values:
            case {b"size": int(size), b"pieces": list(pieces)}:
                for piece in pieces:
                    match piece:
                        case [int(index), bytes(data)]:
                            found[index] = data
                return size, found
        return None

    def forget_metadata(self, info_hash: bytes) -> None:
        """Removes what has come of the metadata; nothing there is fine.

        Raises:
            StorageError: the system refused.
        """
        remove_file(self._path(info_hash, ".metadata"))

    def save_state(self, state: ResumeState) -> None:
        """Stores what was verified. What it says must be on disk by then.

        Raises:
            StorageError: the system refused.
        """
        write_durably(self._path(state.info_hash, ".resume"), state.to_bytes())

    def load_state(self, info_hash: bytes) -> ResumeState | None:
        """What was stored about a torrent, or None. It is never an error not to know: then everything is hashed."""
        path = self._path(info_hash, ".resume")
        try:
            state = ResumeState.from_bytes(read_file(path, MAX_STATE_BYTES + 1))
            if state.info_hash == info_hash:
                return state
        except ResumeError:
            pass
        except OSError:
            return None
        with suppress(StorageError):
            remove_file(path)
        return None

    def forget_state(self, info_hash: bytes) -> None:
        """Removes what was verified, and the folder if it is empty then: from the next start on everything is hashed.

        Raises:
            StorageError: the system refused.
        """
        remove_file(self._path(info_hash, ".resume"))
        if not self.is_lasting:
            remove_folder_if_empty(self._folder)

    def move_to(self, other: ResumeStore, *info_hashes: bytes) -> None:
        """The content is elsewhere now: a stored torrent goes with it; the state holds no longer and is removed.

        Raises:
            StorageError: the system refused; nothing is lost but what was verified.
        """
        if other._folder == self._folder:
            return
        for info_hash in info_hashes:
            path = self._path(info_hash, ".torrent")
            try:
                data = read_file(path, MAX_STATE_BYTES)
            except OSError as error:
                if error.errno not in (errno.ENOENT, errno.ENOTDIR):
                    raise StorageError.from_os_error("read", path, error) from None
            else:
                write_durably(other._path(info_hash, ".torrent"), data)
        self.forget(*info_hashes)

    def forget(self, *info_hashes: bytes) -> None:
        """Removes everything about a torrent, and the folder with the last one. Nothing there is fine.

        Args:
            info_hashes: the short hashes of the torrent.

        Raises:
            StorageError: the system refused.
        """
        for info_hash in info_hashes:
            remove_file(self._path(info_hash, ".torrent"))
            remove_file(self._path(info_hash, ".resume"))
            remove_file(self.blocks_path(info_hash))
            self.forget_metadata(info_hash)
        remove_folder_if_empty(self._folder)

    def blocks_path(self, info_hash: bytes) -> str:
        """Where blocks of unfinished pieces are kept."""
        return self._path(info_hash, ".blocks")

    def _path(self, info_hash: bytes, ending: str) -> str:
        return os.path.join(self._folder, info_hash.hex() + ending)


def _checksum(info_hash: bytes, content: bytes) -> bytes:
    return blake2b(info_hash + content, digest_size=_CHECKSUM_SIZE).digest()


_CHECKSUM_SIZE = 16

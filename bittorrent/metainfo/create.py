"""Making a torrent out of a file or a folder (BEP 3). It reads the files, so it takes as long as hashing them does."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bittorrent.errors import MetainfoError, StorageError
from bittorrent.metainfo.announce import parse_trackers, parse_url
from bittorrent.metainfo.paths import STATE_FOLDER, PathSet, check_element, check_path, shorten
from bittorrent.metainfo.torrent import DEFAULT_LIMITS, HASH_SIZE, Metainfo
from transfer.wire import bencode

if TYPE_CHECKING:
    from transfer.wire.bencode import Encodable

MIN_PIECE_LENGTH = 16 << 10
MAX_AUTOMATIC_PIECE_LENGTH = 16 << 20
TARGET_PIECES = 2000  # the automatic piece length gives about 1000 to 2000 pieces: 20 to 40 kB of hashes


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file to share as it was found: `path` is relative to the shared folder, empty for a single file."""

    path: tuple[str, ...]
    location: str
    length: int
    modified_ns: int


def create_metainfo(
    path: str | os.PathLike[str],
    *,
    piece_length: int | None = None,
    trackers: Iterable[str | Sequence[str]] = (),
    private: bool = False,
    comment: str | None = None,
    created_by: str | None = "kademlia-core",
    creation_date: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Metainfo:
    """Hashes a file, or all files below a folder, in the order of their paths.

    Hidden and empty files are included. Symbolic links are followed, as seeding does. Sockets, pipes and devices are
    left out, and so is this library's own `.kad` folder directly inside the shared one.

    Args:
        piece_length: a power of two from 16 KiB on; chosen by `choose_piece_length` when not given.
        trackers: a string is a tier of its own, a sequence of strings is one tier (BEP 12).
        private: peers come from the trackers only (BEP 27).
        creation_date: seconds since 1970; left out when not given, so that equal files give equal torrents.
        progress: called with the hashed and the total number of bytes, about once for each MiB.

    Raises:
        StorageError: something cannot be read, changed meanwhile, or there is nothing to share.
        MetainfoError: a name that other systems cannot store, or a piece length that cannot be used.
    """
    root = os.path.abspath(path)
    name = os.path.basename(root)
    if not name:
        raise StorageError(f"cannot share {root}: it has no name; choose a folder inside it", path=root)
    _check_name(root, name)
    tiers = _check_trackers(trackers)
    files = scan_files(root)
    taken = PathSet()
    for file in files:  # before the hashing, which may take an hour
        check_path((name, *file.path))
        taken.add(file.path)
    total_bytes = sum(file.length for file in files)
    if total_bytes == 0:
        raise StorageError(f"cannot share {root}: it holds no data", path=root)
    if piece_length is None:
        piece_length = choose_piece_length(total_bytes)
    _check_piece_length(piece_length, total_bytes)
    info: dict[bytes, Encodable] = {
        b"name": name,
        b"piece length": piece_length,
        b"pieces": hash_pieces(files, piece_length, progress=progress),
    }
    if files[0].path:
        info[b"files"] = [{b"length": file.length, b"path": file.path} for file in files]
    else:
        info[b"length"] = total_bytes
    if private:
        info[b"private"] = 1
    return Metainfo.from_info(
        bencode.encode(info),
        trackers=tiers,
        comment=comment,
        created_by=created_by,
        creation_date=creation_date,
    )


def choose_piece_length(total_bytes: int) -> int:
    """The smallest power of two from 16 KiB to 16 MiB that cuts `total_bytes` into at most 2000 pieces."""
    piece_length = MIN_PIECE_LENGTH
    while piece_length < MAX_AUTOMATIC_PIECE_LENGTH and piece_length * TARGET_PIECES < total_bytes:
        piece_length *= 2
    return piece_length


def scan_files(root: str) -> list[SourceFile]:
    """The regular files at or below `root`, ordered by path, element by element, as bytes.

    Raises:
        StorageError: a folder cannot be read, or a symbolic link leads back into a folder around it.
        MetainfoError: a name is not safe on every system.
    """
    try:
        status = os.stat(root)
    except OSError as error:
        raise StorageError.from_os_error("share", root, error) from None
    if not stat.S_ISDIR(status.st_mode):
        if not stat.S_ISREG(status.st_mode):
            raise StorageError(f"cannot share {root}: it is neither a file nor a folder", path=root)
        return [SourceFile((), root, status.st_size, status.st_mtime_ns)]
    found: list[SourceFile] = []
    # A folder waits here with the identities of the folders around it, which is how a loop of links is noticed.
    waiting: list[tuple[tuple[str, ...], str, frozenset[tuple[int, int]]]] = [((), root, frozenset())]
    while waiting:
        prefix, folder, around = waiting.pop()
        try:
            status = os.stat(folder)
            identity = (status.st_dev, status.st_ino)
            if identity in around:
                raise StorageError(f"cannot share {folder}: this link leads back to a folder around it", path=folder)
            with os.scandir(folder) as listing:
                entries = list(listing)
        except StorageError:
            raise
        except OSError as error:
            raise StorageError.from_os_error("share", folder, error) from None
        for entry in entries:
            if not prefix and entry.name == STATE_FOLDER:
                continue
            try:
                status = entry.stat()
            except OSError as error:
                raise StorageError.from_os_error("share", entry.path, error) from None
            path = (*prefix, entry.name)
            if stat.S_ISDIR(status.st_mode) or stat.S_ISREG(status.st_mode):
                _check_name(entry.path, entry.name)
            if stat.S_ISDIR(status.st_mode):
                waiting.append((path, entry.path, around | {identity}))
            elif stat.S_ISREG(status.st_mode):
                found.append(SourceFile(path, entry.path, status.st_size, status.st_mtime_ns))
                if len(found) > DEFAULT_LIMITS.files:
                    raise MetainfoError(f"cannot share {root}: it holds more than {DEFAULT_LIMITS.files} files")
    found.sort(key=lambda file: [element.encode() for element in file.path])
    return found


def hash_pieces(
    files: Sequence[SourceFile], piece_length: int, *, progress: Callable[[int, int], None] | None = None
) -> bytes:
    """The SHA-1 of each piece of the concatenated files, one after the other.

    Raises:
        StorageError: a file cannot be read, or is not as it was when it was found.
    """
    total_bytes = sum(file.length for file in files)
    buffer = memoryview(bytearray(_READ_SIZE))
    hashes = bytearray()
    hasher = hashlib.sha1(usedforsecurity=False)
    missing = piece_length  # bytes until the current piece is complete
    done_bytes = 0
    for file in files:
        for size in _read(file, buffer):
            chunk = buffer[:size]
            while len(chunk) >= missing:
                hasher.update(chunk[:missing])
                hashes += hasher.digest()
                chunk = chunk[missing:]
                hasher, missing = hashlib.sha1(usedforsecurity=False), piece_length
            hasher.update(chunk)
            missing -= len(chunk)
            done_bytes += size
            if progress is not None:
                progress(done_bytes, total_bytes)
    if missing < piece_length:
        hashes += hasher.digest()
    assert len(hashes) == -(-total_bytes // piece_length) * HASH_SIZE
    return bytes(hashes)


def _read(file: SourceFile, buffer: memoryview) -> Iterable[int]:
    """Fills `buffer` again and again, yields how much of it; what comes out is exactly `file.length` bytes."""
    try:
        with open(file.location, "rb", buffering=0) as source:
            left = file.length
            while size := source.readinto(buffer):
                if size > left:
                    raise _changed(file)
                left -= size
                yield size
            status = os.fstat(source.fileno())
    except StorageError:
        raise
    except OSError as error:
        raise StorageError.from_os_error("read", file.location, error) from None
    if left or (status.st_size, status.st_mtime_ns) != (file.length, file.modified_ns):
        raise _changed(file)


def _changed(file: SourceFile) -> StorageError:
    text = f"{file.location} changed while it was read; try again when nothing writes to it any more"
    return StorageError(text, path=file.location)


def _check_trackers(trackers: Iterable[str | Sequence[str]]) -> tuple[tuple[str, ...], ...]:
    tiers = [[tier] if isinstance(tier, str) else list(tier) for tier in trackers]
    for url in (url for tier in tiers for url in tier):
        if parse_url(url.encode(errors="surrogatepass")) is None:
            raise MetainfoError(f"{shorten(url)} is not the URL of a tracker, such as http://HOST:PORT/announce")
    return parse_trackers(
        {b"announce-list": [[url.encode() for url in tier] for tier in tiers]}, limit=DEFAULT_LIMITS.trackers
    )


def _check_name(location: str, name: str) -> None:
    try:
        name.encode()
    except UnicodeEncodeError:  # bytes on disk that are no UTF-8 arrive as surrogates
        raise MetainfoError(f"cannot share {location!r}: its name is not valid UTF-8; rename it") from None
    try:
        check_element(name)
    except MetainfoError as error:
        raise MetainfoError(f"cannot share {location!r}: {error.reason}; rename it") from None


def _check_piece_length(piece_length: int, total_bytes: int) -> None:
    if piece_length < MIN_PIECE_LENGTH or piece_length & (piece_length - 1):
        raise MetainfoError(f"the piece length must be a power of two from {MIN_PIECE_LENGTH} on, not {piece_length}")
    if piece_length > DEFAULT_LIMITS.piece_length_bytes:
        raise MetainfoError(f"the piece length must be at most {DEFAULT_LIMITS.piece_length_bytes}, not {piece_length}")
    hashes_size = -(-total_bytes // piece_length) * HASH_SIZE
    if hashes_size > DEFAULT_LIMITS.size_bytes // 2:
        raise MetainfoError(
            f"pieces of {piece_length} bytes would make a torrent of {hashes_size} bytes; use larger ones"
        )


_READ_SIZE = 1 << 20

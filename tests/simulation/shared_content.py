"""A torrent that exists in memory only, and storage for it on simulated disks."""

from __future__ import annotations

import hashlib
import os
import random
from collections.abc import Sequence
from dataclasses import dataclass

from bittorrent.errors import MissingDataError, StorageError
from bittorrent.files.entry import FileEntry
from bittorrent.metainfo.torrent import Metainfo
from bittorrent.storage.ports import OpenStorage
from transfer.simulation import Disk, DiskStorage
from transfer.wire import bencode

NAME = "content"


@dataclass(frozen=True, slots=True)
class SharedContent:
    """Random bytes and the torrent of them."""

    metainfo: Metainfo
    data: bytes

    @classmethod
    def make(
        cls, size: int, piece_length: int, rng: random.Random, *, private: bool = False, padding: int = 0
    ) -> SharedContent:
        """`padding` makes the metadata larger by so many bytes that mean nothing."""
        data = rng.randbytes(size)
        hashes = [hashlib.sha1(data[at : at + piece_length]).digest() for at in range(0, size, piece_length)]
        info: dict[str, bencode.Encodable] = {
            "name": NAME,
            "length": size,
            "piece length": piece_length,
            "pieces": b"".join(hashes),
        }
        if padding:
            info["x-padding"] = rng.randbytes(padding)
        if private:
            info["private"] = 1
        return cls(Metainfo.from_info(bencode.encode(info)), data)

    def on(
        self, disk: Disk, *, complete: bool = False, lies: bool = False, storage: type[DiskStorage] = DiskStorage
    ) -> OpenStorage:
        """What a `Session` opens its storage with; `complete` puts all of it on the disk first."""
        if complete:
            disk.write(NAME, 0, self.data)
            disk.sync(NAME)
        kind = LyingStorage if lies else storage

        def open_storage(files: Sequence[FileEntry], root: str | os.PathLike[str], /, *, writable: bool) -> DiskStorage:
            total_bytes = sum(file.length for file in files)
            return kind(
                disk, NAME, total_bytes, failure=StorageError.from_os_error, missing=MissingDataError.from_os_error
            )

        return open_storage

    def is_on(self, disk: Disk) -> bool:
        """Whether the disk holds every byte of it, right."""
        return disk.read(NAME, 0, len(self.data) + 1) == self.data


class LyingStorage(DiskStorage):
    """Flips a bit in every block that is read to be sent; a check of what is there (`read_into`) sees the truth."""

    def read(self, offset: int, length: int) -> bytes:
        data = self.truth(offset, length)
        return bytes([data[0] ^ 1]) + data[1:]

    def read_into(self, offset: int, buffer: bytearray | memoryview) -> None:
        memoryview(buffer)[:] = self.truth(offset, len(buffer))

    def truth(self, offset: int, length: int) -> bytes:
        """What is on the disk."""
        return super().read(offset, length)

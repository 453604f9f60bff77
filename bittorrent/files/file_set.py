"""What a torrent is to the code that keeps its files."""

from __future__ import annotations

from typing import Protocol

from bittorrent.files.entry import FileEntry
from bittorrent.pieces.geometry import Geometry
from bittorrent.pieces.hasher import PieceHasher


class FileSet(Protocol):
    """Files that are shared as one: how they are called, cut into pieces and hashed. `Metainfo` is one.

    Attributes:
        info_hash: under which everything about it is kept.
        name: of the only file or of the folder around all, fit for the disk.
        original_name: as the torrent has it, where that is another one.
        files: in the order of the torrent, padding and symbolic links included: files are known by their number here.
    """

    @property
    def info_hash(self) -> bytes: ...

    @property
    def name(self) -> str: ...

    @property
    def original_name(self) -> bytes | None: ...

    @property
    def files(self) -> tuple[FileEntry, ...]: ...

    @property
    def geometry(self) -> Geometry: ...

    @property
    def hasher(self) -> PieceHasher: ...

"""One file of a torrent, and where it lies in the torrent's bytes."""

from __future__ import annotations

from dataclasses import dataclass

MAX_FILES = 500_000
MAX_TOTAL_BYTES = 2**63 - 1  # what a file offset can hold


@dataclass(frozen=True, slots=True)
class FileEntry:
    """One file. `path` is relative to the download directory; with several files it begins with the torrent's name.

    `offset` is where the file begins in the concatenation of all files, which is what pieces are cut from. Padding
    (`is_padding`) only fills a piece up: its bytes are zeros, it is never on disk and not shown, its path says nothing.
    A symbolic link has no bytes; `link_to` is the path of a file or folder of the same torrent. `original` is the path
    as the torrent has it, where that could not be taken as it is; otherwise empty. `pieces_root` is the root over the
    blocks of a file that is not empty (BEP 52), None in a torrent of version 1 alone.
    """

    path: tuple[str, ...]
    length: int
    offset: int
    is_padding: bool = False
    is_executable: bool = False
    is_hidden: bool = False
    link_to: tuple[str, ...] = ()
    original: tuple[bytes, ...] = ()
    pieces_root: bytes | None = None

    @property
    def end(self) -> int:
        """The offset behind the last byte."""
        return self.offset + self.length

    def __str__(self) -> str:
        return "/".join(self.path)

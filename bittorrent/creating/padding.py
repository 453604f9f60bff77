"""Padding that lets files begin with a piece of their own (BEP 47, 52)."""

from __future__ import annotations

from collections.abc import Sequence

from bittorrent.storage.hashing import SourceFile


def pad_between(files: Sequence[SourceFile], piece_length: int) -> list[SourceFile]:
    """For version 1: padding before each file that needs it; none behind the last, which nothing follows."""
    padded: list[SourceFile] = []
    missing = 0
    for file in files:
        if file.length and missing:
            padded.append(_padding(missing))
            missing = 0
        padded.append(file)
        missing = (missing - file.length) % piece_length
    return padded


def pad_all(files: Sequence[SourceFile], piece_length: int) -> list[SourceFile]:
    """For version 2 and hybrids: padding at once behind each file, the last one, too, but not behind a lone one.

    That is how libtorrent 2.1 makes them, so the same files have the same info-hash.
    """
    if len(files) == 1:
        return list(files)
    padded: list[SourceFile] = []
    for file in files:
        padded.append(file)
        missing = -file.length % piece_length
        if missing:
            padded.append(_padding(missing))
    return padded


def padding_bytes(files: Sequence[SourceFile], piece_length: int) -> int:
    """How much `pad_all` adds."""
    return sum(-file.length % piece_length for file in files) if len(files) > 1 else 0


def _padding(size: int) -> SourceFile:
    return SourceFile((".pad", str(size)), "", size, 0, "p")

"""What peers sent wrongly: each bad block of a version 2 torrent is told once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from fileshare.service.events import BlockFailed

if TYPE_CHECKING:
    from bittorrent import BadBlock, Torrent


class BadBlocks:
    """Remembers what was told.

    Args:
        max_blocks: so many different ones; what comes after them is not told.
    """

    def __init__(self, *, max_blocks: int = 1000) -> None:
        self._max_blocks = max_blocks
        self._told: set[tuple[bytes, BadBlock]] = set()

    def look(self, torrent: Torrent) -> Iterator[BlockFailed]:
        """What turned out to be bad since the last look."""
        for block in torrent.bad_blocks():
            told = torrent.info_hash, block
            if told not in self._told and len(self._told) < self._max_blocks:
                self._told.add(told)
                yield BlockFailed(info_hash=torrent.info_hash, name=torrent.name, block=block)

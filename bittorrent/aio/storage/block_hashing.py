"""Where the blocks of version 2 torrents are hashed: as they come, or with their piece in a thread."""

from __future__ import annotations

import time
from functools import cache
from hashlib import sha256

from bittorrent.metainfo.torrent import Metainfo
from bittorrent.pieces.block import BLOCK_SIZE
from bittorrent.pieces.hasher import LeafOf


def leaf_of(metainfo: Metainfo) -> LeafOf | None:
    """How a block is hashed as soon as it is here; None when its piece is to be hashed as a whole.

    A tree is made of so many short hashes that the event loop and the threads which make them would fight for the
    interpreter: a block that is hashed in the loop, while the processor's cache has it, costs less than the quarrel.
    Without instructions for SHA-256 it would hold up the loop for too long.
    """
    return metainfo.hasher.leaf_of if metainfo.torrent_id.v2 is not None and _hash_s() <= MAX_HASH_S else None


@cache
def _hash_s() -> float:
    """How long a block takes, in seconds."""
    data, found = bytes(BLOCK_SIZE), float("inf")
    for _ in range(5):
        began_at = time.perf_counter()
        sha256(data).digest()
        found = min(found, time.perf_counter() - began_at)
    return found


MAX_HASH_S = 20e-6

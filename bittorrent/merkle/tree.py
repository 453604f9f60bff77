"""Trees of SHA-256 over the 16 KiB blocks of a file (BEP 52).

A row of nodes is one `bytes`, 32 for each node, from left to right; the nodes that exist only because a tree is as wide
as a power of two are left out. Height 0 is the row of leaves. What is missing in a row is not 32 zero bytes but what a
tree over such leaves comes to at that height: `zero_root`.
"""

from __future__ import annotations

from functools import cache
from hashlib import sha256
from operator import methodcaller

from bittorrent.pieces.block import BLOCK_SIZE
from bittorrent.pieces.hasher import Readable

LEAF_BYTES = BLOCK_SIZE
HASH_SIZE = 32


def leaves_of(data: Readable) -> bytes:
    """The leaf of each block, in order; the last block is hashed as short as it is. Lets other threads run."""
    if len(data) <= LEAF_BYTES:
        return sha256(data).digest() if data else b""
    view = memoryview(data)
    blocks = [view[start : start + LEAF_BYTES] for start in range(0, len(view), LEAF_BYTES)]
    # No loop of Python's: what the interpreter does between two blocks is what keeps other threads waiting.
    return b"".join(map(_DIGEST, map(sha256, blocks)))


_DIGEST = methodcaller("digest")


@cache
def zero_root(height: int) -> bytes:
    """The root over `2**height` leaves of 32 zero bytes: what stands for blocks that are not there."""
    return sha256(zero_root(height - 1) * 2).digest() if height else bytes(HASH_SIZE)


def root_of(hashes: bytes, *, width: int, height: int = 0) -> bytes:
    """The root over a row of nodes.

    Args:
        hashes: the row, which must not be empty.
        width: how many nodes the row has once it is filled up: a power of two.
        height: that of the row.
    """
    if not HASH_SIZE <= len(hashes) <= width * HASH_SIZE or len(hashes) % HASH_SIZE or width & width - 1:
        raise ValueError(f"{len(hashes)} bytes of hashes are no row of up to {width} nodes")
    while width > 1:
        hashes = row_above(hashes, height)
        width, height = width >> 1, height + 1
    return hashes


def row_above(row: bytes, height: int) -> bytes:
    """The parents of a row of nodes at this height."""
    if len(row) % (2 * HASH_SIZE):
        row += zero_root(height)
    return b"".join([sha256(row[start : start + 64]).digest() for start in range(0, len(row), 64)])


def power_of_two_from(count: int) -> int:
    """The smallest power of two that is not less than a count of 1 or more: how wide a row of so many nodes is made."""
    return 1 << (count - 1).bit_length()

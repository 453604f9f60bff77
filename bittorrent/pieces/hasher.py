"""How pieces are hashed: the one place that knows."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Protocol, TypeAlias

from bittorrent.pieces.block import Block

Readable: TypeAlias = bytes | bytearray | memoryview

SHA1_SIZE = 20
NO_LEAVES: Mapping[int, bytes] = MappingProxyType({})


LeafOf: TypeAlias = Callable[[Block, memoryview], bytes | None]  # `PieceHasher.leaf_of`


class RunningHash(Protocol):
    """One piece whose bytes come part by part, in order."""

    def update(self, data: Readable, /) -> object:
        """The next bytes. Lets other threads run, when there are many."""
        ...

    def digest(self) -> bytes:
        """Of all bytes so far."""
        ...


class PieceHasher(Protocol):
    """How the pieces of one torrent are hashed, and what comes out when they are right.

    Digests are opaque: their length, and what they are made of, is known here alone. They may depend on the piece: in
    BEP 52 the last piece of a file and a file of the same size have different trees. Several threads call these methods
    at the same time.
    """

    def begin(self, index: int) -> RunningHash:
        """For a piece that is read part by part: each part is hashed while it is in the processor's cache."""
        ...

    def digest(self, index: int, data: Readable, leaves: Mapping[int, bytes] = NO_LEAVES) -> bytes:
        """Of a whole piece in memory. Lets other threads run meanwhile.

        Args:
            leaves: of blocks that were hashed before, by their offsets in the piece; see `leaf_of`.
        """
        ...

    def leaf_of(self, block: Block, data: Readable) -> bytes | None:
        """The hash of one block, for `digest`: whatever was hashed when it came need not be read once more.

        Returns:
            None when blocks have no hashes of their own, or this one none: it is padding.
        """
        ...

    def digest_of_zeros(self, index: int, size: int) -> bytes:
        """Of a piece of `size` zeros. Cost: next to nothing from the second time on."""
        ...

    def expects(self, index: int, digest: bytes) -> bool:
        """Whether a piece with this digest is the right one.

        Raises:
            IndexError: no such piece.
            MetainfoError: no piece could be the right one; see `HybridHasher`.
        """
        ...

    def bad_blocks(self, index: int, data: Readable, leaves: bytes) -> int | None:
        """Which blocks of a whole piece are wrong, as a set of their numbers (block `n` is bit `n`).

        Args:
            leaves: the hashes of the blocks that the right piece has (BEP 52).

        Returns:
            None when blocks have no hashes of their own: then only the piece as a whole can be wrong.
        """
        ...


class Sha1Hasher:
    """The SHA-1 of each piece (BEP 3).

    Args:
        digests: of all pieces, one after the other; none at all for a torrent that is being made.
    """

    __slots__ = ("_digests", "_zeros")

    def __init__(self, digests: bytes = b"") -> None:
        self._digests = digests
        self._zeros: dict[int, bytes] = {}  # by size: there are two, of all pieces and of the last one

    def begin(self, index: int) -> RunningHash:
        return hashlib.sha1(usedforsecurity=False)

    def digest(self, index: int, data: Readable, leaves: Mapping[int, bytes] = NO_LEAVES) -> bytes:
        return hashlib.sha1(data, usedforsecurity=False).digest()

    def leaf_of(self, block: Block, data: Readable) -> bytes | None:
        return None

    def digest_of_zeros(self, index: int, size: int) -> bytes:
        found = self._zeros.get(size)
        if found is None:
            running, zeros = self.begin(index), memoryview(bytes(min(size, _ZEROS_AT_ONCE)))
            for start in range(0, size, _ZEROS_AT_ONCE):
                running.update(zeros[: min(_ZEROS_AT_ONCE, size - start)])
            found = self._zeros[size] = running.digest()
        return found

    def expects(self, index: int, digest: bytes) -> bool:
        return self.expected(index) == digest

    def bad_blocks(self, index: int, data: Readable, leaves: bytes) -> int | None:
        return None

    def expected(self, index: int) -> bytes:
        """The digest that a piece must have.

        Raises:
            IndexError: no such piece.
        """
        count = len(self._digests) // SHA1_SIZE
        if not 0 <= index < count:
            raise IndexError(f"piece {index} of {count}")
        return self._digests[index * SHA1_SIZE : (index + 1) * SHA1_SIZE]


_ZEROS_AT_ONCE = 128 << 10

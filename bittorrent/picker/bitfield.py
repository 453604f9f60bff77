"""The set of pieces that somebody has, in the form BEP 3 puts on the wire."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from transfer.errors import DecodeError


class BitfieldError(DecodeError):
    """Bytes from a peer that are not the bitfield of a torrent with that many pieces."""


class Bitfield:
    """A set of piece indices below `size`.

    It is kept twice where that pays: as the bytes of the wire, which make one bit cheap, and (made when first asked
    for) as one integer, `mask`, which makes set algebra over a hundred thousand pieces cost microseconds. In both
    forms the first piece is the highest bit: piece `i` is bit `width - 1 - i` of the mask, `width` being the size
    rounded up to whole bytes.

    Invariants: `count` is the number of set bits; the spare bits behind the last piece are zero; mask and bytes agree.
    """

    __slots__ = ("_count", "_data", "_mask", "size")

    def __init__(self, size: int, indices: Iterable[int] = ()) -> None:
        self.size = size
        self._data = bytearray(-(-size // 8))
        self._count = 0
        self._mask: int | None = 0
        for index in indices:
            self.set(index)

    @classmethod
    def full(cls, size: int) -> Bitfield:
        """All pieces."""
        width = -(-size // 8) * 8
        return cls._from_mask(size, ((1 << size) - 1) << (width - size))

    @classmethod
    def from_wire(cls, data: bytes, size: int) -> Bitfield:
        """The payload of a peer's `bitfield` message for a torrent of `size` pieces.

        Raises:
            BitfieldError: wrong length, or a spare bit behind the last piece is set (BEP 3).
        """
        if len(data) != -(-size // 8):
            raise BitfieldError(f"a bitfield of {len(data)} bytes cannot be that of {size} pieces")
        mask = int.from_bytes(data, "big")
        if mask & ((1 << (len(data) * 8 - size)) - 1):
            raise BitfieldError(f"a bitfield sets bits behind the last of {size} pieces")
        return cls._from_mask(size, mask)

    @classmethod
    def _from_mask(cls, size: int, mask: int) -> Bitfield:
        made = cls.__new__(cls)
        made.size = size
        made._data = bytearray(mask.to_bytes(-(-size // 8), "big"))
        made._count = mask.bit_count()
        made._mask = mask
        return made

    def to_wire(self) -> bytes:
        """The payload of a `bitfield` message."""
        return bytes(self._data)

    def copy(self) -> Bitfield:
        made = Bitfield.__new__(Bitfield)
        made.size, made._count, made._mask = self.size, self._count, self._mask
        made._data = self._data.copy()
        return made

    def set(self, index: int) -> bool:
        """Add a piece; False when it was there already.

        Raises:
            IndexError: no piece has this index.
        """
        byte, bit = self._locate(index)
        if self._data[byte] & bit:
            return False
        self._data[byte] |= bit
        self._count += 1
        self._mask = None
        return True

    def clear(self, index: int) -> bool:
        """Take a piece out; False when it was not there.

        Raises:
            IndexError: no piece has this index.
        """
        byte, bit = self._locate(index)
        if not self._data[byte] & bit:
            return False
        self._data[byte] ^= bit
        self._count -= 1
        self._mask = None
        return True

    def __contains__(self, index: int) -> bool:
        return 0 <= index < self.size and bool(self._data[index >> 3] & 0x80 >> (index & 7))

    def __iter__(self) -> Iterator[int]:
        """The pieces in ascending order. Cost: a table look-up for each non-zero byte."""
        for number, byte in enumerate(bytes(self._data)):
            if byte:
                for offset in _BITS_OF_BYTE[byte]:
                    yield number * 8 + offset

    def __len__(self) -> int:
        return self._count

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Bitfield):
            return NotImplemented
        return self.size == other.size and self._data == other._data

    __hash__ = None  # type: ignore[assignment]  # mutable

    def __repr__(self) -> str:
        return f"<Bitfield {self._count} of {self.size}>"

    @property
    def count(self) -> int:
        """How many pieces are in it. Cost: O(1)."""
        return self._count

    @property
    def is_full(self) -> bool:
        return self._count == self.size

    @property
    def width(self) -> int:
        """The bits of `mask`, spare ones included."""
        return len(self._data) * 8

    @property
    def mask(self) -> int:
        """The whole set as an integer, first piece highest."""
        if self._mask is None:
            self._mask = int.from_bytes(self._data, "big")
        return self._mask

    def intersects(self, other: Bitfield) -> bool:
        """Whether both have a piece in common."""
        return bool(self.mask & other.mask)

    def count_missing_from(self, other: Bitfield) -> int:
        """How many pieces of this set `other` lacks."""
        return (self.mask & ~other.mask).bit_count()

    def _locate(self, index: int) -> tuple[int, int]:
        if not 0 <= index < self.size:
            raise IndexError(f"piece {index} is not one of {self.size}")
        return index >> 3, 0x80 >> (index & 7)


_BITS_OF_BYTE = [tuple(offset for offset in range(8) if byte & 0x80 >> offset) for byte in range(256)]

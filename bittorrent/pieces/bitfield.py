"""The set of pieces that a peer has, in the form BEP 3 puts on the wire."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from transfer.errors import DecodeError


class BitfieldError(DecodeError):
    """Bytes from a peer that are not the bitfield of a torrent with that many pieces."""


class Bitfield:
    """A set of piece indices below `size`.

    It is kept as the bytes of the wire, which make one bit cheap, and (made when asked for) in pages: integers that
    hold `PAGE_PIECES` pieces each. A page makes set algebra cheap, and is small enough that changing one piece costs
    the same in a torrent of any size. The first piece is the highest bit: `page_bit` says which.

    Invariants: `count` is the number of set bits; the spare bits behind the last piece are zero; pages and bytes agree.
    """

    __slots__ = ("_count", "_data", "_pages", "size")

    def __init__(self, size: int, indices: Iterable[int] = ()) -> None:
        self.size = size
        self._data = bytearray(-(-size // 8))
        self._count = 0
        self._pages: dict[int, int] = {}
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
    def from_flags(cls, flags: bytes) -> Bitfield:
        """The indices at which `flags` is not zero. Cost: a few passes over the bytes, in C."""
        size, width = len(flags), -(-len(flags) // 8) * 8
        digits = flags.translate(_DIGIT_OF_FLAG).ljust(width, b"0")
        return cls._from_mask(size, int(digits, 2) if digits else 0)

    @classmethod
    def _from_mask(cls, size: int, mask: int) -> Bitfield:
        made = cls.__new__(cls)
        made.size = size
        made._data = bytearray(mask.to_bytes(-(-size // 8), "big"))
        made._count = mask.bit_count()
        made._pages = {}
        return made

    def to_wire(self) -> bytes:
        """The payload of a `bitfield` message."""
        return bytes(self._data)

    def copy(self) -> Bitfield:
        made = Bitfield.__new__(Bitfield)
        made.size, made._count = self.size, self._count
        made._data, made._pages = self._data.copy(), self._pages.copy()
        return made

    def set(self, index: int) -> bool:
        """Add a piece; False when it was there already.

        Raises:
            IndexError: no piece has this index.
        """
        if not 0 <= index < self.size:
            raise IndexError(f"piece {index} is not one of {self.size}")
        byte, bit = index >> 3, 0x80 >> (index & 7)
        if self._data[byte] & bit:
            return False
        self._data[byte] |= bit
        self._count += 1
        self._pages.pop(index >> PAGE_SHIFT, None)
        return True

    def clear(self, index: int) -> bool:
        """Take a piece out; False when it was not there.

        Raises:
            IndexError: no piece has this index.
        """
        if not 0 <= index < self.size:
            raise IndexError(f"piece {index} is not one of {self.size}")
        byte, bit = index >> 3, 0x80 >> (index & 7)
        if not self._data[byte] & bit:
            return False
        self._data[byte] ^= bit
        self._count -= 1
        self._pages.pop(index >> PAGE_SHIFT, None)
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

    def page(self, number: int) -> int:
        """The pieces from `number * PAGE_PIECES` on, as one integer; of the last page some bits stand for none."""
        page = self._pages.get(number)
        if page is None:
            data = self._data[number * _PAGE_BYTES : (number + 1) * _PAGE_BYTES]
            page = int.from_bytes(data, "big") << 8 * (_PAGE_BYTES - len(data))
            self._pages[number] = page
        return page

    @property
    def page_count(self) -> int:
        return -(-self.size // PAGE_PIECES)

    def intersects(self, other: Bitfield) -> bool:
        """Whether both have a piece in common."""
        return bool(self._mask & other._mask)

    def count_missing_from(self, other: Bitfield) -> int:
        """How many pieces of this set `other` lacks."""
        return (self._mask & ~other._mask).bit_count()

    def count_common(self, other: Bitfield) -> int:
        """How many pieces are in both sets."""
        return (self._mask & other._mask).bit_count()

    def count_between(self, first: int, end: int) -> int:
        """How many of the pieces from `first` to before `end` are in the set. Cost: O((end - first) / 8), in C."""
        if first >= end:
            return 0
        part = int.from_bytes(self._data[first >> 3 : end + 7 >> 3], "big") >> (-end & 7)
        return (part & (1 << end - first) - 1).bit_count()

    def without(self, other: Bitfield) -> Bitfield:
        """A new set of the pieces of this one that `other` lacks."""
        return Bitfield._from_mask(self.size, self._mask & ~other._mask)

    def spread(self, table: Sequence[bytes]) -> bytes:
        """`table[byte]` for each byte of the wire form, joined: the bits in whatever width the caller needs."""
        return b"".join(map(table.__getitem__, self._data))

    @property
    def _mask(self) -> int:
        return int.from_bytes(self._data, "big")


def page_bit(index: int) -> int:
    """The bit of a piece in its page, which is page `index >> PAGE_SHIFT`."""
    return 1 << (~index & PAGE_MASK)


PAGE_SHIFT = 11
PAGE_PIECES = 1 << PAGE_SHIFT
PAGE_MASK = PAGE_PIECES - 1
_PAGE_BYTES = PAGE_PIECES // 8
_DIGIT_OF_FLAG = b"0" + b"1" * 255
_BITS_OF_BYTE = [tuple(offset for offset in range(8) if byte & 0x80 >> offset) for byte in range(256)]

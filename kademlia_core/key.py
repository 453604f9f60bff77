"""Points of an XOR space of any width: 8 bits in tests, 160 on mainline, 256 elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn, final

from kademlia_core.errors import InvalidKeyError

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random


@final
class Key:
    """An immutable point of an XOR space of `bits` bits.

    `a ^ b` is the distance between two keys, an int: 0 for equal keys, symmetric, within the triangle inequality, and
    for each key and distance there is exactly one other key (unidirectional). Keys sort by their value.

    Invariants: `bits > 0` and `0 <= value < 2 ** bits`.
    """

    __slots__ = ("bits", "value")

    bits: int
    value: int

    def __init__(self, value: int, bits: int) -> None:
        """The key of `bits` bits whose number is `value`.

        Raises:
            InvalidKeyError: `value` does not fit into `bits` bits.
        """
        if bits <= 0 or value < 0 or value >> bits:
            raise InvalidKeyError(f"{value} is not a key of {bits} bits")
        _SET_BITS(self, bits)
        _SET_VALUE(self, value)

    @classmethod
    def from_bytes(cls, data: bytes) -> Key:
        """The key whose big-endian form is `data`; its width is eight bits a byte.

        Raises:
            InvalidKeyError: `data` is empty.
        """
        if not data:
            raise InvalidKeyError("a key has at least one byte")
        self = _NEW(cls)  # what __init__ checks holds already
        _SET_BITS(self, 8 * len(data))
        _SET_VALUE(self, int.from_bytes(data, "big"))
        return self

    @classmethod
    def from_hex(cls, text: str) -> Key:
        """The inverse of `hex()`.

        Raises:
            InvalidKeyError: not an even number of hexadecimal digits, or none.
        """
        try:
            return cls.from_bytes(bytes.fromhex(text))
        except ValueError:
            raise InvalidKeyError(f"{text!r} is not a key in hexadecimal digits") from None

    @classmethod
    def random(cls, bits: int, rng: Random) -> Key:
        """A key drawn uniformly from the whole space."""
        return cls(rng.getrandbits(bits), bits)

    def __xor__(self, other: Key) -> int:
        if self.bits != other.bits:
            raise InvalidKeyError(f"keys of {self.bits} and {other.bits} bits have no distance")
        return self.value ^ other.value

    def shared_prefix_length(self, other: Key) -> int:
        """How many leading bits the two keys have in common: `bits` when they are equal."""
        return self.bits - (self ^ other).bit_length()

    def bit(self, index: int) -> int:
        """The bit at `index`, counted from 0 at the most significant one.

        Raises:
            IndexError: no such bit.
        """
        if not 0 <= index < self.bits:
            raise IndexError(f"a key of {self.bits} bits has no bit {index}")
        return self.value >> (self.bits - 1 - index) & 1

    def hex(self) -> str:
        """Lower-case digits, two for each byte."""
        return bytes(self).hex()

    def __bytes__(self) -> bytes:
        return self.value.to_bytes(self.bits + 7 >> 3, "big")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Key) and self.value == other.value and self.bits == other.bits

    def __hash__(self) -> int:
        return hash(self.value)

    def __lt__(self, other: Key) -> bool:
        return self.value < other.value

    def __le__(self, other: Key) -> bool:
        return self.value <= other.value

    def __gt__(self, other: Key) -> bool:
        return self.value > other.value

    def __ge__(self, other: Key) -> bool:
        return self.value >= other.value

    def __repr__(self) -> str:
        return f"Key({self.hex()})"

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError("a Key is immutable")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError("a Key is immutable")

    def __reduce__(self) -> tuple[type[Key], tuple[int, int]]:
        return Key, (self.value, self.bits)


# The slots' own setters pass by the `__setattr__` that refuses, quicker than `object.__setattr__`, which takes a name.
_NEW = object.__new__
_SET_BITS: Callable[[Key, int], None] = Key.__dict__["bits"].__set__
_SET_VALUE: Callable[[Key, int], None] = Key.__dict__["value"].__set__

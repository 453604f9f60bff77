"""The Bloom filter of BEP 33: a set of IP addresses in 256 bytes, to be merged and counted but not listed."""

from __future__ import annotations

import hashlib
import math
from typing import TYPE_CHECKING, final

from transfer.address import packed_host
from transfer.errors import DecodeError

if TYPE_CHECKING:
    from collections.abc import Iterable

FILTER_SIZE = 256
BITS = 8 * FILTER_SIZE
HASHES = 2
MAX_COUNT = 6000  # BEP 33: what a node keeps for one info-hash; near 8000 every address seems to be in the filter
MAX_ESTIMATE = 7100  # 6000 addresses leave 6 of the 2048 bits clear on average, and fewer than 2 once in fifty times


class BloomFilterError(DecodeError):
    """Bytes that are no filter of BEP 33."""


@final
class BloomFilter:
    """Says "perhaps" or "certainly not" to whether an IP address was inserted, and estimates how many were.

    The union of two filters is the filter of the union. An address counts once, however often it is inserted and
    whatever its ports.
    """

    __slots__ = ("_bits",)

    def __init__(self, hosts: Iterable[str] = ()) -> None:
        """A filter that holds `hosts`.

        Raises:
            AddressError: one of `hosts` is not an IP address.
        """
        self._bits = bytearray(FILTER_SIZE)
        for host in hosts:
            self.insert(host)

    @classmethod
    def from_bytes(cls, data: bytes) -> BloomFilter:
        """The inverse of `bytes(filter)`.

        Raises:
            BloomFilterError: not 256 bytes.
        """
        if len(data) != FILTER_SIZE:
            raise BloomFilterError(f"a Bloom filter has {FILTER_SIZE} bytes, not {len(data)}")
        bloom = cls()
        bloom._bits[:] = data
        return bloom

    def insert(self, host: str) -> None:
        """Cost: about a microsecond.

        Raises:
            AddressError: `host` is not an IP address.
        """
        first, second = _indexes(host)
        self._bits[first >> 3] |= 1 << (first & 7)
        self._bits[second >> 3] |= 1 << (second & 7)

    def estimate(self) -> float:
        """How many addresses were probably inserted.

        0 for an empty filter, where the formula of BEP 33 as printed gives 0.5. Infinite for a full one, which says
        nothing: see `is_plausible`. The standard deviation is under 2 % for up to a thousand addresses.
        """
        zeros = BITS - self._ones()
        if zeros == BITS:
            return 0.0
        if zeros == 0:
            return math.inf
        return math.log(zeros / BITS) / (HASHES * math.log1p(-1 / BITS))

    @property
    def is_plausible(self) -> bool:
        """Whether an honest node may have sent this: BEP 33 lets it keep `MAX_COUNT` addresses of one torrent."""
        return self.estimate() <= MAX_ESTIMATE

    def __contains__(self, host: str) -> bool:
        return all(self._bits[index >> 3] >> (index & 7) & 1 for index in _indexes(host))

    def __or__(self, other: BloomFilter) -> BloomFilter:
        merged = int.from_bytes(self._bits, "big") | int.from_bytes(other._bits, "big")
        return BloomFilter.from_bytes(merged.to_bytes(FILTER_SIZE, "big"))

    def __bytes__(self) -> bytes:
        return bytes(self._bits)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, BloomFilter) and self._bits == other._bits

    __hash__ = None  # type: ignore[assignment]  # mutable

    def __repr__(self) -> str:
        return f"BloomFilter(estimate={self.estimate():.1f})"

    def _ones(self) -> int:
        return int.from_bytes(self._bits, "big").bit_count()


def _indexes(host: str) -> tuple[int, int]:
    """The first two 16-bit words of the SHA-1 of the packed address, little-endian, modulo the number of bits."""
    digest = hashlib.sha1(packed_host(host), usedforsecurity=False).digest()
    return (digest[0] | digest[1] << 8) % BITS, (digest[2] | digest[3] << 8) % BITS

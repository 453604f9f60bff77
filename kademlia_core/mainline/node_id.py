"""Node ids tied to IP addresses, so that no host can choose where in the key space its nodes stand (BEP 42).

The text of BEP 42 says to hash eight bytes; its test vectors and all deployed nodes hash the four masked bytes of an
IPv4 address, or eight of an IPv6 one.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from kademlia_core.key import Key
from transfer.address import packed_host
from transfer.external_address import is_local

if TYPE_CHECKING:
    from random import Random

PREFIX_BITS = 21


def node_id_for(host: str, rng: Random, *, r: int | None = None) -> Key:
    """A node id that other nodes accept from the address `host`; any id for an address that is exempt.

    Args:
        r: the last byte of the id, 0 to 255, of which three bits choose among the eight prefixes of an address. Drawn
            from `rng` unless given.

    Raises:
        AddressError: `host` is not an IP address.
        ValueError: `r` is not a byte.
    """
    key = Key.random(KEY_BITS, rng)
    if r is not None:
        if not 0 <= r <= 255:
            raise ValueError(f"r must be between 0 and 255, not {r}")
        key = Key(key.value & ~0xFF | r, KEY_BITS)
    prefixes = _prefixes(host)
    if prefixes is None:
        return key
    free_bits = KEY_BITS - PREFIX_BITS
    return Key(prefixes[key.value & 7] << free_bits | key.value & ((1 << free_bits) - 1), KEY_BITS)


def is_valid_for(key: Key, host: str) -> bool:
    """Whether a node at `host` may have the id `key`; local and loopback addresses may have any.

    Cost: under a microsecond for an address seen lately, a few otherwise.

    Raises:
        AddressError: `host` is not an IP address.
    """
    prefixes = _prefixes(host)
    return prefixes is None or key.value >> (KEY_BITS - PREFIX_BITS) == prefixes[key.value & 7]


def crc32c(data: bytes) -> int:
    """CRC-32 with Castagnoli's polynomial (RFC 3720, appendix B.4)."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ _CRC_TABLE[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF


@lru_cache(maxsize=8192)
def _prefixes(host: str) -> tuple[int, ...] | None:
    """The first 21 bits that an id may have for each value of its last three; None for an exempt address."""
    if is_local(host):
        return None
    packed = packed_host(host)
    mask = _IPV4_MASK if len(packed) == 4 else _IPV6_MASK
    crc = crc32c(bytes(byte & keep for byte, keep in zip(packed, mask, strict=False)))
    return tuple((crc ^ change) >> (32 - PREFIX_BITS) for change in _CHANGES[len(mask)])


def _changes(size: int) -> tuple[int, ...]:
    """What `r` in the top bits of the first byte does to the CRC, whatever the rest: a CRC is linear over XOR."""
    rest = bytes(size - 1)
    zero = crc32c(bytes(size))
    return tuple(crc32c(bytes([r << 5]) + rest) ^ zero for r in range(8))


def _crc_table() -> tuple[int, ...]:
    table = []
    for byte in range(256):
        crc = byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
        table.append(crc)
    return tuple(table)


_IPV4_MASK = bytes.fromhex("030f3fff")
_IPV6_MASK = bytes.fromhex("0103070f1f3f7fff")
_CRC_TABLE = _crc_table()
_CHANGES = {len(mask): _changes(len(mask)) for mask in (_IPV4_MASK, _IPV6_MASK)}
KEY_BITS = 160  # BEP 42 is for the keys of the mainline

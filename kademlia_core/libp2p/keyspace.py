"""Where peers and contents are in the space of keys: at the SHA-256 of their bytes."""

from __future__ import annotations

from functools import lru_cache
from hashlib import sha256
from typing import TYPE_CHECKING

from kademlia_core.key import Key

if TYPE_CHECKING:
    from random import Random

KEY_BITS = 256
MAX_PREFIX_BITS = 13  # 2**13 hashes take some milliseconds; networks of a million peers have no deeper far buckets


@lru_cache(maxsize=8192)
def key_of(data: bytes) -> Key:
    """The place of a peer id (the bytes of its multihash), of a content's multihash, or of the key of a value."""
    return Key.from_bytes(sha256(data).digest())


def preimage_near(target: Key, bits: int, rng: Random) -> bytes:
    """Bytes in the form of a peer id whose key shares the first `bits` bits with `target`.

    Requests carry what is hashed, so that a range of the key space can only be asked for with bytes that lie in it by
    chance. Beyond `MAX_PREFIX_BITS` the best of what was tried is given.

    Cost: 2**bits hashes, half a microsecond each.
    """
    bits = min(bits, MAX_PREFIX_BITS)
    shift = KEY_BITS - bits
    wanted = target.value >> shift
    head = b"\x12\x20" + rng.randbytes(28)
    best, best_distance = head + bytes(4), 1 << KEY_BITS
    for number in range(8 << bits):  # all of them miss with a chance of exp(-8)
        data = head + number.to_bytes(4, "big")
        value = int.from_bytes(sha256(data).digest(), "big")
        if value >> shift == wanted:
            return data
        if value ^ target.value < best_distance:
            best, best_distance = data, value ^ target.value
    return best

"""The XOR metric at work: ordering contacts, and drawing keys that lie in a given part of the space.

Source: Maymounkov and Mazieres, "Kademlia: A Peer-to-peer Information System Based on the XOR Metric", 2002, section 2.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kademlia_core.key import Key

if TYPE_CHECKING:
    from collections.abc import Iterable
    from random import Random

    from kademlia_core.contact import Contact


def nearest(contacts: Iterable[Contact], target: Key, count: int) -> list[Contact]:
    """The `count` contacts closest to `target`, closest first; all of them when there are fewer.

    Cost: O(n log n), which for the few contacts of a table is less than a heap of `count` takes.
    """
    value = target.value
    return sorted(contacts, key=lambda contact: contact.key.value ^ value)[:count]


def random_key_sharing(origin: Key, prefix_length: int, rng: Random, *, exactly: bool) -> Key:
    """A random key whose first `prefix_length` bits are those of `origin`.

    Args:
        exactly: the bit behind the prefix differs from `origin`'s, so the shared prefix is no longer than asked.
    """
    free_bits = origin.bits - prefix_length
    value = origin.value >> free_bits << free_bits | (rng.getrandbits(free_bits) if free_bits else 0)
    if exactly and free_bits:
        edge = 1 << (free_bits - 1)
        value = value & ~edge | (origin.value & edge ^ edge)
    return Key(value, origin.bits)

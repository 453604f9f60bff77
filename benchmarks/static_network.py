"""A Kademlia network that stands still: nobody joins or leaves, and every routing table is as full as it can be.

This is the network that the theory of Kademlia lookups speaks of: uniform ids, and in each bucket a uniformly random
choice of as many nodes as it holds. A table is drawn bucket by bucket when a lookup first asks for it, from a seed of
its own, so it is the same whoever asks and in whatever order, and ten million nodes take little more than their ids.

Source: Roos, Salah, Strufe, "Comprehending Kademlia Routing", 2013, section 3.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from random import Random

from kademlia_core import Contact, Key, RoutingTableConfig
from transfer import Address


class StaticNetwork:
    """`size` nodes, numbered in the order of their ids.

    Ids have 64 bits. More would change nothing: whom a bucket holds and who is closest is decided by the bits in which
    ids differ, and the chance that any two of 10^7 random ids agree in 64 bits is 3 in a million (then another is
    drawn). So 64 bits are as good as 160 and take 8 bytes a node.
    """

    def __init__(self, size: int, *, table: RoutingTableConfig, seed: int) -> None:
        self.table = table
        self._seed = seed
        self._ids = _ids(size, Random(f"ids {size} {seed}"))
        self._buckets: dict[tuple[int, int], tuple[int, ...]] = {}
        self._contacts: dict[int, Contact] = {}

    def __len__(self) -> int:
        return len(self._ids)

    def contact(self, number: int) -> Contact:
        """The node's contact; its address says its number."""
        known = self._contacts.get(number)
        if known is None:
            host = f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}"
            known = self._contacts[number] = Contact(Key(self._ids[number], ID_BITS), Address(host, PORT))
        return known

    def number_of(self, contact: Contact) -> int:
        return bisect_left(self._ids, contact.key.value)

    def answer(self, number: int, target: Key, count: int) -> list[Contact]:
        """The `count` contacts closest to `target` in the table of a node, closest first.

        The bucket that `target` falls into is closest, then come all nearer to the node together, since they differ
        from `target` in the first bit in which the node does; then those farther away, one by one.
        """
        shared = ID_BITS - (self._ids[number] ^ target.value).bit_length()
        found = self._closest(self.bucket(number, shared) if shared < ID_BITS else (), target, count)
        if len(found) < count:
            found += self._closest(self._nearer_than(number, shared), target, count - len(found))
        for farther in range(shared - 1, -1, -1):
            if len(found) >= count:
                break
            found += self._closest(self.bucket(number, farther), target, count - len(found))
        return [self.contact(other) for other in found]

    def bucket(self, number: int, shared: int) -> tuple[int, ...]:
        """The node's contacts among those whose ids share exactly `shared` leading bits with its own."""
        known = self._buckets.get((number, shared))
        if known is None:
            free_bits = ID_BITS - shared - 1
            first = ((self._ids[number] >> free_bits) ^ 1) << free_bits
            there = range(bisect_left(self._ids, first), bisect_left(self._ids, first + (1 << free_bits)))
            size = self.table.size_of_bucket(shared)
            if len(there) > size:
                known = tuple(Random(f"{self._seed} {number} {shared}").sample(there, size))
            else:
                known = tuple(there)
            self._buckets[number, shared] = known
        return known

    def table_of(self, number: int) -> list[Contact]:
        """All contacts of a node."""
        return [self.contact(other) for other in (*self.bucket(number, 0), *self._nearer_than(number, 0))]

    def closest(self, target: Key, count: int) -> list[Contact]:
        """The truth: the `count` closest of all nodes, closest first."""
        ids, value, size = self._ids, target.value, len(self._ids)
        first, last, free_bits = 0, size, ID_BITS
        while last - first > count and free_bits:
            free_bits -= 1
            start = value >> free_bits << free_bits
            low, high = bisect_left(ids, start), bisect_left(ids, start + (1 << free_bits))
            if high - low < count:
                break
            first, last = low, high
        return [self.contact(number) for number in self._closest(range(first, last), target, count)]

    def _nearer_than(self, number: int, shared: int) -> list[int]:
        found: list[int] = []
        for nearer in range(shared + 1, ID_BITS):
            free_bits = ID_BITS - nearer
            start = self._ids[number] >> free_bits << free_bits
            if bisect_left(self._ids, start + (1 << free_bits)) - bisect_left(self._ids, start) == 1:
                break  # nobody but the node itself
            found += self.bucket(number, nearer)
        return found

    def _closest(self, numbers: tuple[int, ...] | list[int] | range, target: Key, count: int) -> list[int]:
        ids, value = self._ids, target.value
        return sorted(numbers, key=lambda number: ids[number] ^ value)[:count]


def _ids(size: int, rng: Random) -> array[int]:
    drawn = array("Q", rng.randbytes(8 * size))
    ids = array("Q", sorted(drawn))
    while any(ids[i] == ids[i + 1] for i in range(size - 1)):
        ids = array("Q", sorted({*ids, *array("Q", rng.randbytes(8 * size // 100 + 8))}))[:size]
    return ids


ID_BITS = 64
PORT = 6881

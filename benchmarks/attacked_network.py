"""A Kademlia network that stands still: full routing tables derived on demand, and a clock for the lookups in it.

The network of the published models: keys uniform, and each bucket of each node a uniformly random choice out of all
nodes that fit into it. A table is derived from the seed when a lookup first touches its node.
"""

from __future__ import annotations

import random
from bisect import bisect_left
from collections.abc import Callable, Iterable

from kademlia_core.contact import Contact
from kademlia_core.distance import nearest
from kademlia_core.key import Key
from transfer.address import Address

BITS = 160
Table = list[list[Contact]]  # bucket i: contacts that share i leading bits with the owner


class Population:
    """Contacts sorted by key, so that those under a prefix, and those nearest to a point, are found by bisection."""

    def __init__(self, contacts: Iterable[Contact]) -> None:
        self.contacts = sorted(contacts, key=lambda contact: contact.key)
        self._values = [contact.key.value for contact in self.contacts]

    def under(self, key: Key, prefix_length: int) -> list[Contact]:
        """Those that share at least so many leading bits with `key`."""
        free_bits = key.bits - prefix_length
        first = key.value >> free_bits << free_bits
        start = bisect_left(self._values, first)
        return self.contacts[start : bisect_left(self._values, first + (1 << free_bits), start)]

    def nearest(self, target: Key, count: int) -> list[Contact]:
        """The `count` contacts closest to `target`, closest first."""
        length = max(len(self.contacts) // max(count, 1), 1).bit_length() + 1
        while len(found := self.under(target, length)) < count and length:
            length -= 1
        return nearest(found, target, count)


class StaticNetwork:
    """Nodes with full tables of `k` contacts a bucket.

    Args:
        contacts: the nodes.
        change: may rewrite a bucket when it is derived: an attack on the table of `owner`.
    """

    def __init__(
        self,
        contacts: Iterable[Contact],
        *,
        k: int,
        seed: int,
        change: Callable[[Contact, int, list[Contact]], list[Contact]] | None = None,
    ) -> None:
        self.population = Population(contacts)
        self.k = k
        self._seed = seed
        self._change = change
        self._tables: dict[Contact, Table] = {}

    def table_of(self, owner: Contact) -> Table:
        """The buckets of a node, down to the one that holds nobody and behind which all are empty."""
        table = self._tables.get(owner)
        if table is None:
            rng = random.Random(f"{self._seed} {owner.key.hex()}")
            table = self._tables[owner] = []
            around = self.population.contacts
            for length in range(BITS):
                inner = self.population.under(owner.key, length + 1)
                # The contacts under a prefix are a run of the sorted list, and the inner run begins or ends the outer.
                is_low = bool(around) and around[0] is inner[0]
                bucket = around[len(inner) :] if is_low else around[: len(around) - len(inner)]
                chosen = rng.sample(bucket, min(self.k, len(bucket)))
                table.append(self._change(owner, length, chosen) if self._change else chosen)
                around = inner
                if len(inner) == 1:
                    break
        return table

    def closest(self, owner: Contact, target: Key, count: int) -> list[Contact]:
        """What `owner` answers when it is asked for `target`: exactly the closest in its table."""
        table = self.table_of(owner)
        shared = min(owner.key.shared_prefix_length(target), len(table))
        found = nearest(table[shared], target, count) if shared < len(table) else []
        if len(found) < count:
            deeper = [contact for bucket in table[shared + 1 :] for contact in bucket]
            found += nearest(deeper, target, count - len(found))
        for length in range(shared - 1, -1, -1):
            if len(found) >= count:
                break
            found += nearest(table[length], target, count - len(found))
        return found


def public_contacts(count: int, rng: random.Random) -> list[Contact]:
    """Nodes with random keys at random public addresses."""
    contacts = []
    for _ in range(count):
        host = f"{rng.randrange(11, 100)}.{rng.randrange(256)}.{rng.randrange(256)}.{rng.randrange(1, 255)}"
        contacts.append(Contact(Key.from_bytes(rng.randbytes(BITS // 8)), Address(host, rng.randrange(1024, 65536))))
    return contacts

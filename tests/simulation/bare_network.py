"""A Kademlia network of bare cores: routing tables and lookups that call one another, without loop, wire or clock.

The level below the simulation. It shows what the machines themselves cost, and goes to sizes that whole nodes cannot.
"""

from __future__ import annotations

import random

from kademlia_core.config import LookupConfig, RoutingTableConfig
from kademlia_core.contact import Contact
from kademlia_core.key import Key
from kademlia_core.lookup import LookupCore
from kademlia_core.routing_table import RoutingTable
from transfer.address import Address


class BareNetwork:
    """`nodes` nodes, each of which joined through a random earlier one by looking up its own key.

    Args:
        k: bucket size and length of an answer.
        refresh: whether a joining node then looks up a key in each of its other buckets, as section 2.3 of the
            Kademlia paper asks for.
    """

    def __init__(self, nodes: int, *, k: int, rng: random.Random, refresh: bool = False) -> None:
        self.queries = 0
        self._rng = rng
        self._lookup_config = LookupConfig(k=k, alpha=3)
        self._tables: dict[Key, RoutingTable] = {}
        self._contacts: list[Contact] = []
        table_config = RoutingTableConfig(bucket_size=k)
        for number in range(nodes):
            key = Key.from_bytes(rng.randbytes(20))
            address = Address(f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}", 6881)
            contact = Contact(key, address)
            table = self._tables[key] = RoutingTable(key, config=table_config)
            if self._contacts:
                entrance = rng.choice(self._contacts)
                self.look_up(contact, key, [entrance])
                for index in range(table.bucket_count - 1 if refresh else 0):
                    self.look_up(contact, _flipped(key, index))
            self._contacts.append(contact)

    def look_up(self, asking: Contact, target: Key, start: list[Contact] | None = None) -> list[Contact]:
        """The contacts closest to `target` that `asking` finds, closest first."""
        table, k = self._tables[asking.key], self._lookup_config.k
        contacts = start or table.closest(target, k)
        lookup = LookupCore(target, contacts, config=self._lookup_config, own_key=asking.key)
        while not lookup.is_finished:
            for contact in lookup.queries_to_send(now=0.0):
                self.queries += 1
                asked = self._tables[contact.key]
                answer = asked.closest(target, k)
                asked.on_response(asking, now=0.0)
                table.on_response(contact, now=0.0)
                lookup.on_response(contact, answer, now=0.0)
        return lookup.result()

    def success_rate(self, lookups: int) -> float:
        """The share of lookups from random nodes that find the node which is truly closest to a random key."""
        hits = 0
        for _ in range(lookups):
            target = Key.from_bytes(self._rng.randbytes(20))
            found = self.look_up(self._rng.choice(self._contacts), target)
            truly = min(self._contacts, key=lambda contact: contact.key ^ target)
            hits += bool(found) and found[0].key == truly.key
        return hits / lookups


def _flipped(key: Key, bit: int) -> Key:
    """The same key but for one bit, counted from the first: it falls into bucket number `bit`."""
    return Key.from_bytes((int.from_bytes(bytes(key), "big") ^ 1 << (159 - bit)).to_bytes(20, "big"))

"""A static Kademlia network whose nodes have public addresses, and Sybils who crowd around one key.

Unlike the nodes of `benchmarks.static_network` these have addresses that count: ids made for them by BEP 42,
and subnets. Each bucket is a uniformly random choice out of all nodes that fit into it, and with Sybils about, as many
of them as its rules let in.
"""

from __future__ import annotations

import random
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from kademlia_core import Contact, Key, is_valid_for, nearest, node_id_for
from transfer import Address, subnet_of

BITS = 160
PREFIX_BITS = 21  # of a node id come from the address: BEP 42
Table = list[list[Contact]]  # bucket i: contacts that share i leading bits with the owner


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """Whom a routing table lets in.

    Args:
        max_per_subnet: contacts of one /24 in a bucket.
        prefers_fitting: contacts whose id does not fit their address get only places that are free.
        displaced: the share of a full bucket whose honest contacts make way for Sybils. At 0 these find places only in
            buckets that are not full, which are those of the nodes near the key; at 1 nothing else is left.
    """

    max_per_subnet: int = BITS
    prefers_fitting: bool = False
    displaced: float = 0.0


class AttackedNetwork:
    """`size` honest nodes with full tables of `k` contacts a bucket."""

    def __init__(self, size: int, *, k: int, seed: int, compliant: float = 1.0) -> None:
        rng = random.Random(seed)
        self.k = k
        self.honest = sorted((_node(rng, compliant) for _ in range(size)), key=lambda contact: contact.key)
        self._values = [contact.key.value for contact in self.honest]
        self._seed = seed
        self._tables: dict[Contact, Table] = {}

    def answer(self, owner: Contact, key: Key, sybils: Sequence[Contact], rules: Rules) -> list[Contact]:
        """The k closest to `key` in the table of an honest node, as the Sybils have left it."""
        table = self._table_of(owner)
        invaders: dict[int, list[Contact]] = {}
        for sybil in sybils:
            invaders.setdefault(owner.key.shared_prefix_length(sybil.key), []).append(sybil)
        known: list[Contact] = []
        for index in range(max(len(table), *invaders, 0) + 1):
            bucket = table[index] if index < len(table) else []
            admitted = _admitted(invaders.get(index, ()), rules, self.k, self.k - len(bucket))
            known += admitted
            known += bucket[: self.k - len(admitted)]
        return nearest(known, key, self.k)

    def nearest(self, key: Key, count: int) -> list[Contact]:
        """The truth: the honest nodes closest to `key`, closest first."""
        free_bits = BITS
        found = self.honest
        while free_bits and len(found) > 4 * count:
            free_bits -= 1
            first = key.value >> free_bits << free_bits
            closer = self._under(first, free_bits)
            if len(closer) < count:
                break
            found = closer
        return nearest(found, key, count)

    def _under(self, first: int, free_bits: int) -> list[Contact]:
        start = bisect_left(self._values, first)
        return self.honest[start : bisect_left(self._values, first + (1 << free_bits), start)]

    def _table_of(self, owner: Contact) -> Table:
        table = self._tables.get(owner)
        if table is None:
            rng = random.Random(f"{self._seed} {owner.key.hex()}")
            table = self._tables[owner] = []
            for length in range(BITS):
                free_bits = BITS - length - 1
                bucket = self._under(((owner.key.value >> free_bits) ^ 1) << free_bits, free_bits)
                table.append(rng.sample(bucket, min(self.k, len(bucket))))
                if len(self._under(owner.key.value >> free_bits << free_bits, free_bits)) == 1:
                    break
        return table


def sybils_around(
    key: Key, count: int, *, addresses: int, fitting: bool, per_address: int, rng: random.Random
) -> list[Contact]:
    """What an attacker with so many addresses, each in a /24 of its own, places nearest to `key`.

    Args:
        fitting: its ids are made by the rule of BEP 42, from the address and the three bits that it may choose; of all
            its addresses it takes first those that come nearest to the key. Otherwise it takes any id.
        per_address: more Sybils at one address are a waste, unless all have so many.
    """
    places = []
    for _ in range(addresses):
        host = _public_host(rng)
        choices = ((_id_near(key, host, r, rng, fitting=fitting) ^ key, host, r) for r in range(8))
        places.append(min(choices))
    if fitting:
        places.sort()
    places = [place for place in places for _ in range(per_address)]
    return [
        Contact(_id_near(key, host, r, rng, fitting=fitting), Address(host, 1024 + number))
        for number, (_, host, r) in ((number, places[number % len(places)]) for number in range(count))
    ]


def _id_near(key: Key, host: str, r: int, rng: random.Random, *, fitting: bool) -> Key:
    """An id that shares 32 bits with `key`, except for those that the rule of BEP 42 prescribes."""
    value = (key.value >> 128 << 128 | rng.getrandbits(128)) >> 3 << 3 | r
    if fitting:
        free_bits = BITS - PREFIX_BITS
        prefix = node_id_for(host, rng, r=r).value >> free_bits
        value = prefix << free_bits | value & ((1 << free_bits) - 1)
    return Key(value, BITS)


def _admitted(sybils: Iterable[Contact], rules: Rules, size: int, free: int) -> list[Contact]:
    """Those that find a place in a bucket of `size` with so many `free` places."""
    there: Counter[bytes | None] = Counter()
    admitted: list[Contact] = []
    for sybil in sybils:
        host = sybil.address.host
        may_displace = not rules.prefers_fitting or is_valid_for(sybil.key, host)
        subnet = subnet_of(host)
        room = max(free, int(size * rules.displaced)) if may_displace else free
        if len(admitted) < room and there[subnet] < rules.max_per_subnet:
            there[subnet] += 1
            admitted.append(sybil)
    return admitted


def _node(rng: random.Random, compliant: float) -> Contact:
    host = _public_host(rng)
    key = node_id_for(host, rng) if rng.random() < compliant else Key.random(BITS, rng)
    return Contact(key, Address(host, rng.randrange(1024, 65536)))


def _public_host(rng: random.Random) -> str:
    return f"{rng.randrange(11, 100)}.{rng.randrange(256)}.{rng.randrange(256)}.{rng.randrange(1, 255)}"

"""How many addresses it takes to hide a key: Sybils next to it, poisoned tables, and what each defence changes.

In each trial a node publishes under a random key and another one searches for it; both look up with `LookupCore` while
the Sybils stand nearest to the key, answer only with one another, and keep nothing. The search is captured when no node
that it asks has got the value. The attacker knows the defences and uses the better of two strategies: ids at will, or
ids that fit its addresses.

Sources: Steiner et al., "Exploiting KAD", 2007 (8 Sybils nearest to a key capture every search); BEP 42.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace

from benchmarks.attacked_network import BITS, AttackedNetwork, Rules, sybils_around
from benchmarks.lookup_player import play
from kademlia_core import Contact, Key, LookupConfig, NetworkSize, is_valid_for, new_lookup

K = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Defence:
    """What nodes do about Sybils.

    Args:
        has_radius: whether lookups cover the radius in which some honest nodes are expected.
        checks_ids: whether lookups, and tables, tell ids that fit their addresses from others.
    """

    name: str
    table: Rules
    lookup: LookupConfig
    checks_ids: bool = False
    has_radius: bool = False


OPEN = LookupConfig(k=K, max_per_subnet=K)
LIMITED = LookupConfig(k=K)
TWO = Rules(max_per_subnet=2)
TWO_FITTING = Rules(max_per_subnet=2, prefers_fitting=True)
DEFENCES = (
    Defence(name="none", table=Rules(), lookup=OPEN),
    Defence(name="subnets", table=TWO, lookup=LIMITED),
    Defence(name="subnets, radius", table=TWO, lookup=LIMITED, has_radius=True),
    Defence(name="BEP 42 preferred", table=Rules(prefers_fitting=True), lookup=OPEN, checks_ids=True),
    Defence(name="subnets, BEP 42 preferred", table=TWO_FITTING, lookup=LIMITED, checks_ids=True),
    Defence(
        name="subnets, BEP 42 enforced",
        table=TWO_FITTING,
        lookup=replace(LIMITED, untrusted_share=0.0),
        checks_ids=True,
    ),
    Defence(
        name="subnets, BEP 42 preferred, radius", table=TWO_FITTING, lookup=LIMITED, checks_ids=True, has_radius=True
    ),
    Defence(
        name="the same on 4 paths of 2",
        table=TWO_FITTING,
        lookup=replace(LIMITED, paths=4, alpha=8),
        checks_ids=True,
        has_radius=True,
    ),
)


@dataclass(slots=True)
class Captures:
    """Of so many searches, how many failed, how many places in their results were taken, and how much they asked."""

    searches: int = 0
    captured: int = 0
    places: int = 0
    taken: int = 0
    queries: int = 0

    @property
    def queries_each(self) -> float:
        return self.queries / self.searches

    @property
    def share(self) -> float:
        return self.captured / self.searches


@dataclass(slots=True)
class Trial:
    """One key, the Sybils around it, and lookups of it."""

    network: AttackedNetwork
    defence: Defence
    rules: Rules
    key: Key
    sybils: Sequence[Contact]
    radius: int
    rng: random.Random

    def look_up(self, captures: Captures) -> tuple[list[Contact], list[Contact]]:
        """From a random node: the honest nodes it has asked, and those in its result."""
        origin = self.rng.choice(self.network.honest)
        hostile = set(self.sybils)
        asked: list[Contact] = []

        def answer(contact: Contact) -> list[Contact]:
            if contact in hostile:
                return sorted(self.sybils, key=lambda sybil: sybil.key ^ self.key)[:K]
            asked.append(contact)
            return self.network.answer(contact, self.key, self.sybils, self.rules)

        lookup = new_lookup(
            self.key,
            self.network.answer(origin, self.key, self.sybils, self.rules),
            config=self.defence.lookup,
            own_key=origin.key,
            is_trusted=fits if self.defence.checks_ids else None,
            radius=self.radius,
        )
        play(lookup, answer, rtt_s=lambda _: self.rng.uniform(0.05, 0.2))
        result = lookup.result()
        captures.places += len(result)
        captures.taken += sum(contact in hostile for contact in result)
        captures.queries += lookup.stats.queries
        return asked, [contact for contact in result if contact not in hostile]


def fits(contact: Contact) -> bool:
    return is_valid_for(contact.key, contact.address.host)


def eclipse(
    network: AttackedNetwork,
    defence: Defence,
    *,
    sybils: int,
    addresses: int,
    fitting: bool,
    displaced: float,
    trials: int,
    seed: int,
) -> Captures:
    """So many published keys, each searched for once."""
    rng = random.Random(f"{seed} {defence.name} {sybils} {addresses} {fitting} {displaced}")
    rules = Rules(
        max_per_subnet=defence.table.max_per_subnet,
        prefers_fitting=defence.table.prefers_fitting,
        displaced=displaced,
    )
    radius = estimated_radius(network, rng) if defence.has_radius else 0
    captures = Captures()
    for _ in range(trials):
        key = Key.random(BITS, rng)
        per_address = min(defence.lookup.max_per_subnet, sybils)
        crowd = (
            sybils_around(key, sybils, addresses=addresses, fitting=fitting, per_address=per_address, rng=rng)
            if sybils
            else []
        )
        trial = Trial(network, defence, rules, key, crowd, radius, rng)
        _, holders = trial.look_up(Captures())
        asked, _ = trial.look_up(captures)
        captures.searches += 1
        captures.captured += set(asked).isdisjoint(holders)
    return captures


def estimated_radius(network: AttackedNetwork, rng: random.Random) -> int:
    """As a node estimates it, from a few lookups for random keys."""
    size = NetworkSize()
    trial = Trial(network, DEFENCES[0], Rules(), Key(0, BITS), (), 0, rng)
    for _ in range(8):
        trial.key = Key.random(BITS, rng)
        size.add_lookup(trial.key, trial.look_up(Captures())[1])
    return size.radius(LIMITED.expected_in_radius, bits=BITS)


def worst(network: AttackedNetwork, defence: Defence, **attack: int | float) -> Captures:
    """The better strategy for the attacker; where nobody checks ids, that is taking any."""
    strategies = (False, True) if defence.checks_ids else (False,)
    outcomes = [eclipse(network, defence, fitting=fitting, **attack) for fitting in strategies]  # type: ignore[arg-type]
    return max(outcomes, key=lambda captures: captures.captured)

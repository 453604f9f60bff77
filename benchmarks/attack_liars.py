"""Lookups among ordinary nodes of which a share is hostile: colluders, inventors, and the silent.

Colluders answer with the colluders closest to the target, the strong attack of S/Kademlia: its success is to be seen in
lookups of existing honest nodes. Inventors name as many contacts as are read, all near the target and none alive, so
that the lookup wastes its time and bothers strangers. The network is that of the theory (`benchmarks.static_network`).

Source: Baumgart and Mies, "S/Kademlia: A Practicable Approach Towards Secure Key-Based Routing", 2007.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from benchmarks.lookup_player import play
from benchmarks.static_network import ID_BITS, StaticNetwork
from kademlia_core import Contact, Key, LookupConfig, new_lookup
from transfer import Address

COLLUDE, INVENT, SILENT = "collude", "invent", "silent"


@dataclass(slots=True)
class Outcomes:
    """What became of some lookups.

    Args:
        found: how often the closest honest node was in the result.
        near: how many of the k closest honest nodes were, in all.
    """

    lookups: int = 0
    found: int = 0
    near: int = 0
    queries: int = 0
    took_s: list[float] = field(default_factory=list)

    @property
    def success(self) -> float:
        return self.found / self.lookups

    @property
    def queries_each(self) -> float:
        return self.queries / self.lookups

    def percentile_s(self, share: float) -> float:
        return sorted(self.took_s)[int(share * self.lookups)]


def look_up_among_liars(
    network: StaticNetwork,
    config: LookupConfig,
    *,
    share: float,
    mode: str,
    lookups: int,
    seed: int,
    existing: bool = True,
) -> Outcomes:
    """Lookups from honest nodes, for honest nodes that exist or for random keys."""
    rng = random.Random(f"{seed} {share} {mode}")
    hostile = set(rng.sample(range(len(network)), int(share * len(network))))
    honest = [number for number in range(len(network)) if number not in hostile]
    outcomes = Outcomes()
    for _ in range(lookups):
        origin, goal = rng.sample(honest, 2)
        own_key = network.contact(origin).key
        target = network.contact(goal).key if existing else Key.random(ID_BITS, rng)
        near = network.closest(target, int(6 * config.k / (1 - share)) + 8)
        truth = [each for each in near if network.number_of(each) not in hostile and each.key != own_key][: config.k]
        colluders = _closest_of(hostile, network, target, config.k) if mode == COLLUDE else []
        invented: set[Contact] = set()

        def answer(
            contact: Contact,
            target: Key = target,
            colluders: list[Contact] = colluders,
            invented: set[Contact] = invented,
        ) -> list[Contact] | None:
            if contact in invented:
                return None
            number = network.number_of(contact)
            if number not in hostile:
                return network.answer(number, target, config.k)
            if mode == INVENT:
                lies = [_invention(target, rng) for _ in range(config.max_contacts_per_response)]
                invented.update(lies)
                return lies
            return colluders if mode == COLLUDE else None

        lookup = new_lookup(target, network.answer(origin, target, config.k), config=config, own_key=own_key)
        outcomes.took_s.append(play(lookup, answer, rtt_s=lambda _: rng.lognormvariate(-2.3, 0.6)))
        result = lookup.result()
        outcomes.lookups += 1
        outcomes.found += truth[0] in result
        outcomes.near += len(set(truth) & set(result))
        outcomes.queries += lookup.stats.queries
    return outcomes


def model(share: float, paths: int, hops: float) -> float:
    """The chance that at least one of so many paths meets honest nodes only, on so many hops."""
    misled: float = 1 - (1 - share) ** hops
    return 1.0 - misled**paths


def _closest_of(hostile: set[int], network: StaticNetwork, target: Key, count: int) -> list[Contact]:
    wanted = 2 * count
    while hostile:
        near = network.closest(target, wanted)
        found = [contact for contact in near if network.number_of(contact) in hostile][:count]
        if len(found) == count or wanted >= len(network):
            return found
        wanted *= 2
    return []


def _invention(target: Key, rng: random.Random) -> Contact:
    host = f"{rng.randrange(11, 100)}.{rng.randrange(256)}.{rng.randrange(256)}.{rng.randrange(1, 255)}"
    return Contact(
        Key(target.value ^ rng.getrandbits(ID_BITS - 20), ID_BITS), Address(host, rng.randrange(1024, 65536))
    )

"""What patience with silent contacts costs a lookup and what it brings: time to the end, queries, and exactness.

Run with `python -m benchmarks.lookup_patience [--lookups N]`. A static network of 10,000 nodes with k = 8, of whose
table entries a share is dead; round trips are log-normal (median 100 ms, sigma 0.6), one answer in twenty is late by a
further second on average, one in a hundred is lost; a query fails after five seconds. `found` is the share of the k
closest living nodes in the result, `first` how often the closest is.
"""

from __future__ import annotations

import argparse
import random
from dataclasses import dataclass, replace
from math import log

from benchmarks.lookup_player import play
from benchmarks.static_network import ID_BITS, StaticNetwork
from kademlia_core import Contact, Key, LookupConfig, RoutingTableConfig, new_lookup

NODES = 10_000
K = 8
STEADY = LookupConfig(adaptive=False)
PROFILES = {
    "wait for all (5 s)": replace(STEADY, patience_s=5.0),
    "patience 3 s": replace(STEADY, patience_s=3.0),
    "patience 2 s": STEADY,
    "patience 1 s": replace(STEADY, patience_s=1.0),
    "adaptive (default)": LookupConfig(),
    "aggressive, 2 s": replace(STEADY, aggressive=True),
    "aggressive, adaptive": LookupConfig(aggressive=True),
    "aggressive, adaptive, alpha 6": LookupConfig(aggressive=True, alpha=6),
    "2 paths, adaptive": LookupConfig(paths=2),
    "2 paths of 2, aggressive, adaptive": LookupConfig(paths=2, aggressive=True),
    "4 paths of 2, adaptive": LookupConfig(paths=4, alpha=8),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Weather:
    """What befalls queries and answers."""

    dead: float = 0.3
    lost: float = 0.01
    late: float = 0.05
    median_s: float = 0.1
    sigma: float = 0.6

    def rtt_s(self, rng: random.Random) -> float:
        rtt_s = rng.lognormvariate(log(self.median_s), self.sigma)
        return rtt_s + rng.expovariate(1.0) if rng.random() < self.late else rtt_s


def measure(network: StaticNetwork, config: LookupConfig, weather: Weather, lookups: int, seed: int) -> str:
    """One row of the table."""
    rng = random.Random(seed)
    dead = set(rng.sample(range(NODES), int(weather.dead * NODES)))
    living = [number for number in range(NODES) if number not in dead]
    took_s: list[float] = []
    queries = found = first = 0
    for _ in range(lookups):
        origin, target = rng.choice(living), Key.random(ID_BITS, rng)

        def answer(contact: Contact, target: Key = target) -> list[Contact] | None:
            number = network.number_of(contact)
            is_silent = number in dead or rng.random() < weather.lost
            return None if is_silent else network.answer(number, target, K)

        own_key = network.contact(origin).key
        lookup = new_lookup(target, network.answer(origin, target, K), config=config, own_key=own_key)
        took_s.append(play(lookup, answer, rtt_s=lambda _: weather.rtt_s(rng)))
        queries += lookup.stats.queries
        near = network.closest(target, 8 * K)
        truth = [each for each in near if network.number_of(each) not in dead and each.key != own_key][:K]
        found += len(set(lookup.result()) & set(truth))
        first += lookup.result()[:1] == truth[:1]
    took_s.sort()
    times = [f"{took_s[int(lookups * share)]:.2f}" for share in (0.5, 0.9, 0.99)]
    shares = [f"{queries / lookups:.1f}", f"{found / lookups / K:.3f}", f"{first / lookups:.3f}"]
    return " | ".join([*times, *shares])


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.lookup_patience", description=__doc__)
    parser.add_argument("--lookups", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    network = StaticNetwork(NODES, table=RoutingTableConfig(bucket_size=K), seed=options.seed)
    for weather in (Weather(), Weather(median_s=0.3)):
        print(f"\nround trips {weather.median_s} s, {weather.dead:.0%} dead, {options.lookups} lookups\n")
        print("| lookup | p50 s | p90 s | p99 s | queries | found | first |\n|---|---|---|---|---|---|---|")
        for name, config in PROFILES.items():
            print(f"| {name} | {measure(network, config, weather, options.lookups, options.seed)} |", flush=True)


if __name__ == "__main__":
    main()

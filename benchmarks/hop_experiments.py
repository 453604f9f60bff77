"""Lookups by the real `LookupCore` in networks that stand still, and what is counted about them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from math import log2
from random import Random
from statistics import fmean, linear_regression

from benchmarks.static_network import StaticNetwork
from kademlia_core import Contact, Key, LookupConfig, LookupCore


@dataclass(frozen=True, slots=True)
class Hops:
    """Hops of finished lookups, and the queries they took."""

    counts: Counter[int]
    queries: float

    @classmethod
    def of(cls, lookups: Iterable[tuple[int, int]]) -> Hops:
        hops, queries = zip(*lookups, strict=True)
        return cls(Counter(hops), fmean(queries))

    @property
    def mean(self) -> float:
        return sum(hops * count for hops, count in self.counts.items()) / self.counts.total()

    def cdf(self, hops: int) -> float:
        """The share of lookups that needed at most so many hops."""
        return sum(count for needed, count in self.counts.items() if needed <= hops) / self.counts.total()


def hops_of_the_model(networks: list[StaticNetwork], *, alpha: int, beta: int, lookups: int) -> Hops:
    """Lookups of random existing nodes from random other ones, by the rules of the Markov model of Roos et al.

    The lookup begins with the `alpha` closest contacts of its node; it asks in rounds, as if all latencies were equal;
    it takes `beta` contacts from each answer; it ends when somebody names the target. `LookupCore` decides whom to ask.
    """
    return Hops.of(
        _in_rounds(network, source, target, alpha=alpha, beta=beta)
        for network, source, target in _pairs(networks, lookups)
    )


def hops_as_deployed(networks: list[StaticNetwork], *, config: LookupConfig, lookups: int) -> Hops:
    """The same lookups the way nodes really do them: k contacts to begin with, k in each answer, until it has ended.

    Answers come one by one in the order of asking; each at once frees a place in the window for the next query.
    """
    return Hops.of(
        (found.stats.hops, found.stats.queries)
        for network, source, target in _pairs(networks, lookups)
        for found in [look_up(network, source, network.contact(target).key, config)]
    )


def look_up(network: StaticNetwork, source: int, target: Key, config: LookupConfig) -> LookupCore:
    """A lookup from node number `source`, finished."""
    count = network.table.bucket_size
    own_key = network.contact(source).key
    lookup = LookupCore(target, network.answer(source, target, count), config=config, own_key=own_key)
    asked: list[Contact] = []
    while not lookup.is_finished:
        asked += lookup.queries_to_send(now=0.0)
        contact = asked.pop(0)
        lookup.on_response(contact, network.answer(network.number_of(contact), target, count), now=0.0)
    return lookup


def slope(sizes: list[int], means: list[float]) -> float:
    """Hops that each doubling of the network costs: the slope of the straight line that fits best."""
    return linear_regression([log2(size) for size in sizes], means).slope


@dataclass(frozen=True, slots=True)
class Agreement:
    """What two lookups of one key from different nodes have in common, as shares of the k closest, on average."""

    overlap: float
    truth: float


def agreement(network: StaticNetwork, *, config: LookupConfig, keys: int) -> Agreement:
    """Random keys, each looked up from two random nodes; compared with one another and with the whole network."""
    rng = Random("agreement")
    overlaps, truths = [], []
    for _ in range(keys):
        target = Key.random(network.contact(0).key.bits, rng)
        first, second = (
            set(look_up(network, source, target, config).result()) for source in rng.sample(range(len(network)), 2)
        )
        closest = set(network.closest(target, config.k))
        overlaps.append(len(first & second) / config.k)
        truths += [len(found & closest) / config.k for found in (first, second)]
    return Agreement(fmean(overlaps), fmean(truths))


def mean_table_size(network: StaticNetwork, nodes: int) -> float:
    """The mean number of contacts in the tables of some nodes."""
    numbers = Random("tables").sample(range(len(network)), min(nodes, len(network)))
    return fmean(len(network.table_of(number)) for number in numbers)


def _pairs(networks: list[StaticNetwork], lookups: int) -> Iterable[tuple[StaticNetwork, int, int]]:
    for index, network in enumerate(networks):
        rng = Random(f"pairs {index}")
        for _ in range(lookups // len(networks)):
            source, target = rng.sample(range(len(network)), 2)
            yield network, source, target


def _in_rounds(network: StaticNetwork, source: int, goal: int, *, alpha: int, beta: int) -> tuple[int, int]:
    target = network.contact(goal)
    config = LookupConfig(k=max(alpha, network.table.bucket_size), alpha=alpha, max_contacts_per_response=beta)
    start = network.answer(source, target.key, alpha)
    lookup = LookupCore(target.key, start, config=config, own_key=network.contact(source).key)
    hops = 1
    while target not in lookup.candidates:
        hops += 1
        assert not lookup.is_finished, "somebody who was asked shares a bucket with the target, and named it"
        for contact in lookup.queries_to_send(now=0.0):
            answer = network.answer(network.number_of(contact), target.key, beta)
            lookup.on_response(contact, answer, now=0.0)
    return hops, lookup.stats.queries

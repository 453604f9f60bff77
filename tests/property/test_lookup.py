"""The lookup in 8-bit networks: it finds the true closest, and nothing that nodes do keeps it from ending."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import hypothesis.strategies as st
from hypothesis import example, given, settings

from kademlia_core import Contact, Key, LookupConfig, new_lookup
from kademlia_core.distance import nearest
from tests.lookup_network import BITS, LONG_TIMEOUT_S, contact, run, table_of
from transfer.address import Address

populations = st.sets(st.integers(0, 255), min_size=1, max_size=80)
keys = st.integers(0, 255)
seeds = st.integers(0, 2**32)
HOSTS = ["127.0.0.1", "9.9.9.9", "1.1.1.1", "4.4.4.4"]


@st.composite
def configs(draw: st.DrawFn, /, **fixed: int | float) -> LookupConfig:
    """Any kind of lookup. `fixed` values win."""
    k = draw(st.integers(1, 8))
    drawn = LookupConfig(
        k=k,
        alpha=draw(st.integers(1, 5)),
        paths=draw(st.sampled_from([1, 1, 2, 3, 8])),
        aggressive=draw(st.booleans()),
        adaptive=draw(st.booleans()),
        max_contacts_per_response=256,
    )
    return replace(drawn, **fixed)  # type: ignore[arg-type]


@given(populations, keys, configs(patience_s=LONG_TIMEOUT_S, adaptive=False), seeds)
def test_finds_the_closest_where_everybody_knows_everybody(
    population: set[int], target_value: int, config: LookupConfig, seed: int
) -> None:
    rng, target = Random(seed), Key(target_value, BITS)
    everybody = [contact(value) for value in sorted(population)]
    start = rng.sample(everybody, min(len(everybody), rng.choice([1, 2, 9])))
    lookup = new_lookup(target, start, config=config)
    run(lookup, lambda _: nearest(everybody, target, config.k), lambda _: rng.uniform(0.01, 3.0))
    assert lookup.result() == nearest(everybody, target, config.k)
    assert 1 <= lookup.stats.hops <= 2


@given(st.sets(st.integers(0, 255), min_size=2, max_size=80), keys, configs(), seeds)
@example(population={0, 1, 4, 5, 6}, target_value=0, config=LookupConfig(k=2), seed=0)
@example(
    population={0, 1, 2, 128, 129, 192, 193, 194},
    target_value=0,
    config=LookupConfig(k=3, alpha=1, paths=3, max_contacts_per_response=256),
    seed=351168,
)
@settings(max_examples=300, deadline=None)
def test_finds_the_closest_through_k_buckets(
    population: set[int], target_value: int, config: LookupConfig, seed: int
) -> None:
    """Every node but the closest has a bucket whose nodes are all closer to the target than itself, so one is named.

    Only the first place is certain, and for a single path: the example's lookup may miss node 4, since node 0 keeps 2
    of 4, 5 and 6, and node 5 answers with the 2 closest it knows, 0 and 1. Of several paths each may end at a node
    that another path has asked, whose answer it does not follow; but the first to arrive there has asked it itself.

    Nobody is so slow that it counts as silent: an adaptive lookup has less patience, and the closest node may be lost.
    """
    rng, target = Random(seed), Key(target_value, BITS)
    config = replace(config, k=max(config.k, 2))  # with 1 even that is uncertain
    everybody = [contact(value) for value in sorted(population)]
    tables = {other: table_of(other, everybody, config.k, rng) for other in everybody}
    origin = rng.choice(everybody)
    lookup = new_lookup(target, nearest(tables[origin], target, config.k), config=config, own_key=origin.key)
    slowest_s = 0.24 if config.adaptive else 0.9
    run(lookup, lambda other: nearest(tables[other], target, config.k), lambda _: rng.uniform(0.01, slowest_s))
    others = [other for other in everybody if other != origin]
    assert lookup.result()[:1] == nearest(others, target, 1)
    assert len(lookup.result()) == min(config.k, lookup.stats.responses)


@given(populations, populations, keys, configs(patience_s=LONG_TIMEOUT_S, adaptive=False, max_unqueried=256), seeds)
def test_finds_the_closest_living_among_the_dead(
    living_values: set[int], dead_values: set[int], target_value: int, config: LookupConfig, seed: int
) -> None:
    """Whoever names so many dead ones is believed here: otherwise the lookup may end without those it alone named."""
    config = replace(config, max_silent_per_source=255)
    rng, target = Random(seed), Key(target_value, BITS)
    living = [contact(value) for value in sorted(living_values)]
    dead = {contact(value) for value in dead_values - living_values}
    everybody = [*living, *sorted(dead, key=lambda other: other.key)]
    lookup = new_lookup(target, [*living[:3], *dead], config=replace(config, max_queries=256 * config.paths))
    run(lookup, lambda _: everybody, lambda other: None if other in dead else rng.uniform(0.01, 4.0))
    assert lookup.result() == nearest(living, target, config.k)


@given(st.sets(st.integers(0, 255), min_size=9, max_size=80), keys, configs(), seeds)
def test_the_silent_hold_nothing_up_once_k_others_have_answered(
    population: set[int], target_value: int, config: LookupConfig, seed: int
) -> None:
    """Everybody is known from the start, so contacts are asked at 0 s, and after every answer or short time-out."""
    rng, target = Random(seed), Key(target_value, BITS)
    everybody = nearest(map(contact, population), target, 256)
    silent = everybody[0]
    config = replace(config, paths=1, adaptive=False)
    lookup = new_lookup(target, everybody, config=config)
    ended_at = run(lookup, lambda _: [], lambda other: None if other == silent else rng.uniform(0.01, 0.1))
    assert lookup.result() == everybody[1 : config.k + 1]
    assert ended_at == config.patience_s


@given(
    keys,
    st.lists(st.integers(0, 255), max_size=20),
    seeds,
    configs(max_unqueried=10, max_contacts_per_response=32),
    st.integers(6, 40),
)
@settings(deadline=None)
def test_ends_whatever_nodes_do(
    target_value: int, start: list[int], seed: int, config: LookupConfig, max_queries: int
) -> None:
    """Lies (contacts that do not exist, one address under many keys), silence, and answers of any lateness."""
    rng, target = Random(seed), Key(target_value, BITS)
    config = replace(config, max_queries=max(max_queries, config.k * config.paths))
    lookup = new_lookup(target, map(contact, start), config=config, own_key=Key(7, BITS))

    def lie(_: Contact) -> list[Contact]:
        ports = rng.choice([3, 70_000])
        return [
            Contact(Key(rng.getrandbits(BITS), BITS), Address(rng.choice(HOSTS), rng.randrange(ports)))
            for _ in range(rng.randrange(60))
        ]

    run(lookup, lie, lambda _: rng.choice([None, 0.1, 2.0, 4.9, 60.0]))
    result, stats = lookup.result(), lookup.stats
    assert all(other.key != Key(7, BITS) for other in result)
    assert len(set(result)) == len(result)
    assert len(result) <= config.k
    assert config.paths > 1 or len(result) == min(config.k, stats.responses)
    assert stats.responses + stats.failures <= stats.queries <= config.max_queries
    assert len(stats.rtts_s) == stats.responses


@given(populations, populations, keys, configs(), st.integers(1, 3), st.integers(0, 255))
def test_neither_a_subnet_nor_the_untrusted_can_take_the_whole_result(
    honest_values: set[int], sybil_values: set[int], target_value: int, config: LookupConfig, most: int, radius: int
) -> None:
    """Against the slow and obvious model: who comes next in order of distance gets in if the rules let it."""
    target = Key(target_value, BITS)
    honest = [contact(value, HOSTS[value % 4]) for value in honest_values]
    sybils = [contact(value, "8.8.8.8") for value in sybil_values - honest_values]
    everybody = nearest([*honest, *sybils], target, 512)
    config = replace(config, max_per_subnet=most, max_queries=2048)

    def is_trusted(other: Contact) -> bool:
        return other.key.value % 3 > 0

    lookup = new_lookup(target, everybody, config=config, is_trusted=is_trusted, radius=radius)
    run(lookup, lambda _: everybody, lambda _: 0.1)
    chosen: list[Contact] = []
    for other in everybody:
        room = config.k if other.key ^ target >= radius else config.k + config.max_extra
        hosts = [one.address.host for one in chosen]
        untrusted = [one for one in chosen if not is_trusted(one)]
        is_allowed = other.address.host == "127.0.0.1" or hosts.count(other.address.host) < most
        if len(chosen) < room and is_allowed and (is_trusted(other) or len(untrusted) < config.k // 2):
            chosen.append(other)
    chosen += [other for other in everybody if other not in chosen][: max(config.k - len(chosen), 0)]
    assert lookup.result() == chosen


@given(
    st.lists(st.tuples(st.sampled_from(["respond", "fail", "timer", "add", "send"]), st.integers(0, 30)), max_size=80),
    st.sampled_from([1, 2, 3]),
    seeds,
)
def test_any_order_of_inputs_keeps_the_invariants(steps: list[tuple[str, int]], paths: int, seed: int) -> None:
    """Inputs a driver would not make: answers of strangers, twice, after failure, after the end."""
    rng = Random(seed)
    config = LookupConfig(k=2, alpha=2, paths=paths, max_queries=8, max_unqueried=4)
    lookup = new_lookup(Key(0, BITS), [contact(9), contact(10)], config=config)
    was_finished: list[Contact] | None = None
    for step, (action, value) in enumerate(steps):
        now, other = step * 0.4, contact(value)
        match action:
            case "respond":
                lookup.on_response(other, [contact(rng.randrange(31)) for _ in range(4)], now=now)
            case "fail":
                lookup.on_failure(other, now=now)
            case "timer":
                lookup.handle_timer(now=now)
            case "add":
                lookup.add_candidates([other])
            case _:
                lookup.queries_to_send(now=now)
        lookup.check_invariants()
        if was_finished is not None:
            assert lookup.is_finished
            assert lookup.result() == was_finished
        elif lookup.is_finished:
            was_finished = lookup.result()

"""A network of 8-bit keys that plays with a lookup on a virtual clock, and checks what every lookup promises."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from kademlia_core import AnyLookup, Contact, Key
from transfer.address import Address

BITS = 8
LONG_TIMEOUT_S = 5.0
Answer = Callable[[Contact], list[Contact]]


def contact(value: int, host: str = "127.0.0.1") -> Contact:
    return Contact(Key(value, BITS), Address(host, 1 + value))


def run(lookup: AnyLookup, answer: Answer, delay_s: Callable[[Contact], float | None]) -> float:
    """Plays the network on a virtual clock, None being a node that never answers; returns when the lookup ended."""
    now = 0.0
    queried: set[Contact] = set()
    arrivals: list[tuple[float, int, Contact, bool]] = []
    for _ in range(10_000):
        for other in lookup.queries_to_send(now=now):
            assert other not in queried
            queried.add(other)
            delay = delay_s(other)
            answers = delay is not None and delay < LONG_TIMEOUT_S
            arrivals.append(
                (now + (delay if delay is not None and answers else LONG_TIMEOUT_S), len(queried), other, answers)
            )
        lookup.check_invariants()
        if lookup.is_finished:
            assert lookup.next_timer() is None
            assert lookup.queries_to_send(now=now) == []
            assert len(queried) == lookup.stats.queries
            return now
        timer = lookup.next_timer()
        assert timer is None or timer > now
        arrivals.sort()
        if timer is not None and (not arrivals or timer < arrivals[0][0]):
            now = timer
            lookup.handle_timer(now=now)
            continue
        assert arrivals, "nothing is awaited, yet the lookup goes on"
        now, _, other, answers = arrivals.pop(0)
        if answers:
            lookup.on_response(other, answer(other), now=now)
        else:
            lookup.on_failure(other, now=now)
    raise AssertionError("the lookup does not end")


def table_of(origin: Contact, everybody: list[Contact], k: int, rng: Random) -> list[Contact]:
    """A full Kademlia table: up to k contacts for each length of shared prefix, drawn at random."""
    table: list[Contact] = []
    for length in range(BITS):
        bucket = [other for other in everybody if other.key.shared_prefix_length(origin.key) == length]
        table += rng.sample(bucket, min(k, len(bucket)))
    return table


def has_ended(lookup: AnyLookup) -> bool:
    """For tests that look twice: type checkers take a property to stay as it was."""
    return lookup.is_finished

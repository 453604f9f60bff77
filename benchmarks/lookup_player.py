"""Plays the network to a lookup on a virtual clock, for measurements of lookups without wire or loop."""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappop, heappush

from kademlia_core import AnyLookup, Contact


def play(
    lookup: AnyLookup,
    answer: Callable[[Contact], list[Contact] | None],
    *,
    rtt_s: Callable[[Contact], float] = lambda _: 0.1,
    timeout_s: float = 5.0,
) -> float:
    """Runs a lookup until it ends, and returns how long that took.

    Args:
        answer: the contacts that a node names, None when it is silent.
        rtt_s: how long an answer takes; at `timeout_s` and beyond it is none.
    """
    now, number = 0.0, 0
    arrivals: list[tuple[float, int, Contact, list[Contact] | None]] = []
    while True:
        for contact in lookup.queries_to_send(now=now):
            named = answer(contact)
            delay_s = timeout_s if named is None else rtt_s(contact)
            number += 1  # the first to leave is the first to arrive
            heappush(arrivals, (now + min(delay_s, timeout_s), number, contact, named if delay_s < timeout_s else None))
        if lookup.is_finished:
            return now
        timer = lookup.next_timer()
        if timer is not None and (not arrivals or timer < arrivals[0][0]):
            now = timer
            lookup.handle_timer(now=now)
            continue
        now, _, contact, named = heappop(arrivals)
        if named is None:
            lookup.on_failure(contact, now=now)
        else:
            lookup.on_response(contact, named, now=now)

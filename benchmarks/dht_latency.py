"""How long it takes until a lookup meets the first node that knows peers, in a network with dead contacts.

Run with `python -m benchmarks.dht_latency`. A static network of 10,000 nodes; each pair of nodes has a round trip of
its own, log-normal with a median of 100 ms; of all table entries a share is dead; a query fails after two seconds. The
value is with the eight closest living nodes. What counts is the first answer of one of them, as in the measurements of
Jimenez, Osmani and Knutsson, "Sub-second lookups on a large-scale Kademlia-based overlay", IEEE P2P 2011: medians of
100 to 200 ms and consistently below a second for theirs, 0.8 / 1.3 / 1.5 s (p50 / p90 / p95) for uTorrent, on the live
network.
"""

from __future__ import annotations

import argparse
import json
import math
import random
from dataclasses import dataclass
from heapq import heappop, heappush
from pathlib import Path

from benchmarks.static_network import ID_BITS, StaticNetwork
from fileshare.charts.svg import Chart, Series, cumulative, render
from kademlia_core import Contact, Key, LookupConfig, MainlineConfig, RoutingTableConfig, new_lookup

NODES = 10_000
HOLDERS = 8
DEAD_SHARES = (0.2, 0.3, 0.4)
PERCENTILES = (50, 75, 90, 95, 98, 99)
LARGE_FIRST_BUCKETS = (128, 64, 32, 16)


@dataclass(frozen=True, slots=True)
class Profile:
    """A way to look up. `limits_s` are pass lines: a percentile, and the time it may take."""

    name: str
    first_bucket_sizes: tuple[int, ...]
    lookup: LookupConfig
    limits_s: tuple[tuple[int, float], ...] = ()


SHIPPED = MainlineConfig()
PROFILES = (
    Profile("default", SHIPPED.routing_table.first_bucket_sizes, SHIPPED.lookup, ((50, 0.8), (90, 1.3), (95, 1.5))),
    Profile("aggressive", LARGE_FIRST_BUCKETS, LookupConfig(aggressive=True)),
    Profile(
        "tuned: aggressive, slow after 0.5 s",
        LARGE_FIRST_BUCKETS,
        LookupConfig(aggressive=True, short_timeout_s=0.5),
        ((50, 0.2), (99, 1.0)),
    ),
    Profile("buckets of 8", (), LookupConfig()),
    Profile("buckets of 8, aggressive", (), LookupConfig(aggressive=True)),
    Profile("buckets of 8, 4 disjoint paths", (), LookupConfig(paths=4, alpha=8)),
)


class LatentNetwork:
    """The static network with round trips, and nodes of which some are dead."""

    def __init__(self, profile: Profile, *, dead_share: float, seed: int) -> None:
        table = RoutingTableConfig(bucket_size=8, first_bucket_sizes=profile.first_bucket_sizes)
        self.network = StaticNetwork(NODES, table=table, seed=seed)
        self._seed = seed
        self._rng = random.Random(f"latency {seed}")
        self._dead = set(self._rng.sample(range(NODES), int(dead_share * NODES)))
        self._living = [number for number in range(NODES) if number not in self._dead]

    def look_up(self, config: LookupConfig) -> tuple[float, int]:
        """One lookup of a random key: when the first holder answered, and how many queries had been sent by then.

        A lookup that ends without meeting any takes for ever.
        """
        origin = self._rng.choice(self._living)
        target = Key.random(ID_BITS, self._rng)
        near = self.network.closest(target, 8 * HOLDERS)
        holders = [each for each in near if self.network.number_of(each) not in self._dead][:HOLDERS]
        lookup = new_lookup(
            target, self.network.answer(origin, target, 8), config=config, own_key=self.network.contact(origin).key
        )
        now, sent = 0.0, 0
        awaited: list[tuple[float, int, Contact, bool]] = []
        while True:
            for contact in lookup.queries_to_send(now=now):
                sent += 1
                is_dead = self.network.number_of(contact) in self._dead
                delay_s = TIMEOUT_S if is_dead else min(self._rtt_s(origin, contact), TIMEOUT_S)
                heappush(awaited, (now + delay_s, sent, contact, delay_s >= TIMEOUT_S))
            if lookup.is_finished:
                return math.inf, sent
            timer = lookup.next_timer()
            if timer is not None and (not awaited or timer < awaited[0][0]):
                now = timer
                lookup.handle_timer(now=now)
                continue
            now, _, contact, is_silent = heappop(awaited)
            if is_silent:
                lookup.on_failure(contact, now=now)
            elif contact in holders:
                return now, sent
            else:
                lookup.on_response(contact, self.network.answer(self.network.number_of(contact), target, 8), now=now)

    def _rtt_s(self, origin: int, contact: Contact) -> float:
        """The round trip of this pair, the same each time."""
        return random.Random(f"{self._seed} {origin} {contact.key.value}").lognormvariate(math.log(0.1), 0.6)


@dataclass(frozen=True, slots=True)
class Row:
    """What one profile reached at one share of dead contacts."""

    profile: Profile
    dead_share: float
    times_s: list[float]
    queries: float

    @property
    def percentiles(self) -> dict[int, float]:
        return {
            percent: self.times_s[min(len(self.times_s) - 1, len(self.times_s) * percent // 100)]
            for percent in PERCENTILES
        }

    @property
    def is_met(self) -> bool | None:
        """Whether the pass lines hold; None for a profile without any."""
        reached = self.percentiles
        return (
            all(reached[percent] <= limit_s for percent, limit_s in self.profile.limits_s)
            if self.profile.limits_s
            else None
        )


def measure(profile: Profile, dead_share: float, *, lookups: int, seed: int) -> Row:
    network = LatentNetwork(profile, dead_share=dead_share, seed=seed)
    outcomes = [network.look_up(profile.lookup) for _ in range(lookups)]
    return Row(
        profile, dead_share, sorted(time_s for time_s, _ in outcomes), sum(sent for _, sent in outcomes) / lookups
    )


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.dht_latency", description=__doc__)
    parser.add_argument("--lookups", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true", help="one object a line instead of the table")
    parser.add_argument("--picture", type=Path, metavar="FILE", help="draw the middle share of dead contacts as SVG")
    options = parser.parse_args()
    drawn: list[Row] = []
    if not options.json:
        names = " | ".join(f"p{percent} s" for percent in PERCENTILES)
        print(f"| lookup | dead | {names} | queries | pass lines |\n|---|---|{'---|' * len(PERCENTILES)}---|---|")
    for profile in PROFILES:
        for dead_share in DEAD_SHARES:
            row = measure(profile, dead_share, lookups=options.lookups, seed=options.seed)
            drawn += [row] if dead_share == DEAD_SHARES[1] else []
            print(describe(row, as_json=options.json), flush=True)
    if options.picture is not None:
        options.picture.write_text(picture(drawn))


def describe(row: Row, *, as_json: bool) -> str:
    """A row of the table, or its object."""
    if as_json:
        times = {f"p{percent}": time_s for percent, time_s in row.percentiles.items()}
        return json.dumps(
            {"profile": row.profile.name, "dead": row.dead_share, **times, "queries": row.queries, "met": row.is_met}
        )
    limits = ", ".join(f"p{percent} <= {limit_s} s" for percent, limit_s in row.profile.limits_s)
    verdict = "" if row.is_met is None else f"{limits}: {'met' if row.is_met else 'MISSED'}"
    columns = [row.profile.name, f"{row.dead_share:.0%}", *(f"{time_s:.2f}" for time_s in row.percentiles.values())]
    return "| " + " | ".join([*columns, f"{row.queries:.1f}", verdict]) + " |"


def picture(rows: list[Row]) -> str:
    """Cumulative distributions."""
    series = [
        Series(row.profile.name, cumulative([time_s for time_s in row.times_s if time_s < math.inf])) for row in rows
    ]
    return render(
        Chart(
            title=f"First peer of a lookup, {DEAD_SHARES[1]:.0%} of all contacts dead",
            x_label="seconds",
            y_label="share of lookups",
            series=series,
        )
    )


TIMEOUT_S = 2.0

if __name__ == "__main__":
    main()

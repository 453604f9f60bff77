"""How lookups fare under attack: liars among the nodes, inventions, and Sybils around a key.

Run with `python -m benchmarks.attack [disjoint | inventions | eclipse]… [--lookups N] [--pictures DIRECTORY]`; without
a name all of them. Success in the first is printed beside what S/Kademlia published and what its model gives. Ends with
status 1 when a pass line is missed.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from benchmarks.attack_eclipse import DEFENCES, worst
from benchmarks.attack_liars import COLLUDE, INVENT, SILENT, look_up_among_liars, model
from benchmarks.attacked_network import AttackedNetwork
from benchmarks.static_network import StaticNetwork
from fileshare.charts.svg import Chart, Series, render
from kademlia_core import LookupConfig, RoutingTableConfig

NODES = 10_000
PATHS = (1, 2, 4, 8)
SHARES = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5)
PUBLISHED = {(8, 0.3): 0.99, (8, 0.5): 0.85}  # S/Kademlia; the second as quoted in the IPFS white paper
PASS_LINES = {(8, 0.3): 0.99, (8, 0.5): 0.85}
SMALL_SHARES = (0.0, 0.05, 0.1, 0.2, 0.3)
ADDRESSES = (1, 4, 8, 32, 256)


def disjoint(lookups: int, seed: int, pictures: Path | None) -> bool:
    """Success with 0 to 50 % colluders, for 1 to 8 paths; whether the pass lines are met."""
    network = StaticNetwork(NODES, table=RoutingTableConfig(bucket_size=16), seed=seed)
    passed = True
    curves: list[Series] = []
    fewer = max(lookups // 4, 1)
    for each in (1, 3):
        count = lookups if each == 1 else fewer
        print(f"\n{NODES} nodes, k = 16, {each} queries at a time on each path, {count} lookups of existing nodes")
        print(f"(of {fewer} among silent nodes)\n" if each == 1 else "")
        print("| paths | attack | " + " | ".join(f"{share:.0%}" for share in SHARES) + " | queries |")
        print("|---|---|" + "---|" * (len(SHARES) + 1))
        for paths in PATHS:
            config = LookupConfig(k=16, alpha=each * paths, paths=paths, max_queries=1024)
            for mode in (COLLUDE, SILENT) if each == 1 else (COLLUDE,):
                many = count if mode == COLLUDE else fewer
                outcomes = [
                    look_up_among_liars(network, config, share=share, mode=mode, lookups=many, seed=seed)
                    for share in SHARES
                ]
                cells = [f"{outcome.success:.3f}" for outcome in outcomes]
                print(f"| {paths} | {mode} | {' | '.join(cells)} | {outcomes[0].queries_each:.0f} |", flush=True)
                if mode == COLLUDE:
                    points = [(share, outcome.success) for share, outcome in zip(SHARES, outcomes, strict=True)]
                    passed &= all(success >= PASS_LINES.get((paths, share), 0.0) for share, success in points)
                    if each == 1:
                        curves.append(Series(f"{paths} paths" if paths > 1 else "1 path", points))
    print(
        "\n| S/Kademlia | | " + " | ".join(f"{share:.0%}" for share in SHARES) + " |\n|---|---|" + "---|" * len(SHARES)
    )
    published = [f"{PUBLISHED[8, share]:.2f}" if (8, share) in PUBLISHED else "" for share in SHARES]
    print(f"| 8 | published | {' | '.join(published)} |")
    for paths in PATHS:
        for hops in (2, 3):
            values = [f"{model(share, paths, hops):.3f}" for share in SHARES]
            print(f"| {paths} | model, {hops} honest hops | {' | '.join(values)} |")
    if pictures is not None:
        points = [(share, value) for (_, share), value in PUBLISHED.items()]
        chart = Chart(
            title="Lookups among colluders",
            subtitle="10,000 nodes, k = 16, one query at a time on each path",
            x_label="share of hostile nodes",
            y_label="share of lookups that find their target",
            series=[*curves, Series("S/Kademlia, 8 paths", points, color=3, line="none", markers="hollow")],
            x_format=lambda value: f"{value:.0%}",
            y_range=(0.0, 1.0),
        )
        (pictures / "attack_disjoint.svg").write_text(render(chart), encoding="utf-8")
    return passed


def inventions(lookups: int, seed: int, pictures: Path | None) -> bool:
    """What a few inventors do to a node's ordinary lookups, believed and not."""
    network = StaticNetwork(NODES, table=RoutingTableConfig(), seed=seed)
    profiles = {
        "all believed": LookupConfig(max_silent_per_source=255),
        "default": LookupConfig(),
        "4 paths": LookupConfig(paths=4, alpha=8),
    }
    print(f"\n{NODES} nodes, k = 8, inventors among them, {lookups} lookups of random keys\n")
    print("| lookup | inventors | closest found | queries | p50 s | p90 s |\n|---|---|---|---|---|---|")
    for name, config in profiles.items():
        for share in SMALL_SHARES:
            outcomes = look_up_among_liars(
                network, config, share=share, mode=INVENT, lookups=lookups, seed=seed, existing=False
            )
            times = [f"{outcomes.percentile_s(percentile):.2f}" for percentile in (0.5, 0.9)]
            cells = [f"{share:.0%}", f"{outcomes.success:.3f}", f"{outcomes.queries_each:.1f}", *times]
            print(f"| {name} | {' | '.join(cells)} |", flush=True)
    return True


def eclipse(lookups: int, seed: int, pictures: Path | None) -> bool:
    """The share of searches that Sybils around a key capture, by defence and by addresses that the attacker has."""
    network = AttackedNetwork(NODES, k=8, seed=seed)
    trials = max(lookups // 10, 1)
    safe = True
    for displaced, words in ((0.0, "Sybils in free places only"), (0.5, "half of each bucket"), (1.0, "all of it")):
        for sybils in (8, 32):
            print(f"\n{sybils} Sybils, tables poisoned: {words}; searches captured, {trials} for each cell\n")
            print("| defence | " + " | ".join(f"{count} /24" for count in ADDRESSES) + " | queries |")
            print("|---|" + "---|" * (len(ADDRESSES) + 1))
            for defence in DEFENCES:
                outcomes = [
                    worst(
                        network, defence, sybils=sybils, addresses=count, displaced=displaced, trials=trials, seed=seed
                    )
                    for count in ADDRESSES
                ]
                cells = [f"{outcome.share:.2f}" for outcome in outcomes]
                print(f"| {defence.name} | {' | '.join(cells)} | {outcomes[0].queries_each:.0f} |", flush=True)
                if defence is DEFENCES[-1]:
                    safe &= displaced == 1.0 or outcomes[0].share <= 0.05
    return safe


EXPERIMENTS = {"disjoint": disjoint, "inventions": inventions, "eclipse": eclipse}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.attack", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(EXPERIMENTS)}")
    parser.add_argument("--lookups", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--pictures", type=Path, help="where to write attack_disjoint.svg")
    options = parser.parse_args()
    if unknown := [name for name in options.names if name not in EXPERIMENTS]:
        parser.error(f"no such experiment: {', '.join(unknown)}")
    passed = [
        EXPERIMENTS[name](options.lookups, options.seed, options.pictures) for name in options.names or EXPERIMENTS
    ]
    sys.exit(0 if all(passed) else 1)


if __name__ == "__main__":
    main()

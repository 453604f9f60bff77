"""The theory of Kademlia against this implementation: how many hops lookups take in networks that stand still.

Run with `python -m benchmarks.lookup_hops`: four comparisons, each with its goal and PASS or FAIL, in a few minutes.
`--large` adds ten million nodes (1 GiB), `--json FILE` writes all figures, `--pictures DIRECTORY` the charts.

The networks are those of `benchmarks.static_network`, the lookups are driven by `kademlia_core.LookupCore`.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from resource import RUSAGE_SELF, getrusage
from typing import Any

from benchmarks.hop_experiments import agreement, hops_as_deployed, hops_of_the_model, mean_table_size, slope
from benchmarks.hop_pictures import hops_against_size, hops_distribution
from benchmarks.published_hops import LARGE_BUCKETS, ROOS, PublishedHops, bits_per_hop
from benchmarks.static_network import StaticNetwork
from fileshare.charts.svg import render
from kademlia_core import LookupConfig, RoutingTableConfig

MEAN_TOLERANCE = 0.03
CDF_TOLERANCE = 0.02
SLOPE_TOLERANCE = 0.10
AGREEMENT_GOAL = 0.99


@dataclass(frozen=True, slots=True)
class ModelRow:
    """A published distribution and ours. `largest_cdf_error` is over all published points."""

    published: PublishedHops
    mean: float
    cdf: list[float]
    mean_error: float
    largest_cdf_error: float
    is_met: bool


@dataclass(frozen=True, slots=True)
class SlopeRow:
    """Mean hops with one query at a time, by number of nodes, and the slope of their line."""

    k: int
    means: dict[int, float]
    slope: float
    predicted: float
    error: float
    is_met: bool


@dataclass(frozen=True, slots=True)
class DeployedRow:
    """Lookups as nodes really do them."""

    first_bucket_sizes: tuple[int, ...]
    nodes: int
    mean: float
    cdf: list[float]
    queries: float
    table_size: float


@dataclass(frozen=True, slots=True)
class AgreementRow:
    nodes: int
    k: int
    keys: int
    overlap: float
    truth: float
    is_met: bool


@dataclass(slots=True)
class Report:
    model: list[ModelRow] = field(default_factory=list)
    slopes: list[SlopeRow] = field(default_factory=list)
    deployed: list[DeployedRow] = field(default_factory=list)
    agreement: list[AgreementRow] = field(default_factory=list)

    @property
    def is_met(self) -> bool:
        rows: list[ModelRow | SlopeRow | AgreementRow] = [*self.model, *self.slopes, *self.agreement]
        return all(row.is_met for row in rows)


def compare_with_model(published: PublishedHops, *, lookups: int) -> ModelRow:
    """K1 and K3: the whole distribution, over four networks, so that none is special."""
    networks = [_network(published.nodes, published.k, published.first_bucket_sizes, seed) for seed in range(4)]
    hops = hops_of_the_model(networks, alpha=published.alpha, beta=published.beta, lookups=lookups)
    cdf = [hops.cdf(needed) for needed in range(1, len(published.cdf) + 1)]
    mean_error = hops.mean / published.mean - 1
    cdf_error = max((ours - theirs for ours, theirs in zip(cdf, published.cdf, strict=True)), key=abs)
    is_met = abs(mean_error) <= MEAN_TOLERANCE and abs(cdf_error) <= CDF_TOLERANCE
    return ModelRow(published, hops.mean, cdf, mean_error, cdf_error, is_met)


def compare_slope(k: int, sizes: list[int], *, lookups: int) -> SlopeRow:
    """K2: one query at a time, one contact from each answer."""
    means = {size: hops_of_the_model([_network(size, k)], alpha=1, beta=1, lookups=lookups).mean for size in sizes}
    measured, predicted = slope(sizes, list(means.values())), 1 / bits_per_hop(k)
    error = measured / predicted - 1
    return SlopeRow(k, means, measured, predicted, error, abs(error) <= SLOPE_TOLERANCE)


def measure_deployed(nodes: int, first_bucket_sizes: tuple[int, ...], *, lookups: int) -> DeployedRow:
    network = _network(nodes, 8, first_bucket_sizes)
    hops = hops_as_deployed([network], config=DEPLOYED, lookups=lookups)
    cdf = [hops.cdf(needed) for needed in range(1, 7)]
    return DeployedRow(first_bucket_sizes, nodes, hops.mean, cdf, hops.queries, mean_table_size(network, 200))


def compare_agreement(nodes: int, k: int, *, keys: int) -> AgreementRow:
    found = agreement(_network(nodes, k), config=LookupConfig(k=k, alpha=DEPLOYED.alpha), keys=keys)
    return AgreementRow(nodes, k, keys, found.overlap, found.truth, found.overlap >= AGREEMENT_GOAL)


def run(*, lookups: int, largest_power: int, is_large: bool) -> Iterator[tuple[str, Any]]:
    """All rows, each as soon as it is there, with the list of the report that it belongs to."""
    for published in ROOS:
        yield "model", compare_with_model(published, lookups=lookups)
    sizes = [1 << power for power in range(8, largest_power + 1)] + [10_000_000] * is_large
    for k in (8, 16, 20):
        yield "slopes", compare_slope(k, sizes, lookups=lookups // 4)
    for nodes in [n for n in (1_000, 10_000, 100_000, 1_000_000) if n <= 1 << largest_power] + [10_000_000] * is_large:
        for first_bucket_sizes in ((), LARGE_BUCKETS):
            yield "deployed", measure_deployed(nodes, first_bucket_sizes, lookups=lookups // 4)
    for nodes, k in ((1_000, 8), (10_000, 8), (10_000, 20)):
        yield "agreement", compare_agreement(nodes, k, keys=lookups // 20)


def describe(row: Any) -> str:
    """One line, or two: ours beside the published figures."""
    match row:
        case ModelRow(published=theirs):
            name = f"{theirs.system:15} ({theirs.alpha},{theirs.beta})  N = {theirs.nodes:6,}"
            ours = "  ".join(f"{share:.4f}" for share in row.cdf)
            published = "  ".join(f"{share:.4f}" for share in theirs.cdf)
            return (
                f"{name}  ours      mean {row.mean:.3f}  CDF {ours}\n{'':{len(name)}}  published mean "
                f"{theirs.mean:.3f}  CDF {published}\n{'':{len(name)}}  mean {row.mean_error:+.2%}, "
                f"largest CDF difference {row.largest_cdf_error:+.4f}  {_verdict(row.is_met)}"
            )
        case SlopeRow():
            means = ", ".join(f"{mean:.2f}" for mean in row.means.values())
            return (
                f"k = {row.k:2}  hops per doubling {row.slope:.4f}, predicted {row.predicted:.4f} ({row.error:+.1%})  "
                f"{_verdict(row.is_met)}\n        mean hops at N = {min(row.means):,} … {max(row.means):,}: {means}"
            )
        case DeployedRow():
            name = "/".join(map(str, (*row.first_bucket_sizes, 8)))
            shares = " ".join(f"{share:.3f}" for share in row.cdf)
            return (
                f"{name:15}  N = {row.nodes:10,}  mean {row.mean:.3f} hops, {row.queries:.1f} queries, "
                f"{row.table_size:.0f} contacts in a table, CDF {shares}"
            )
        case _:
            return (
                f"k = {row.k:2}  N = {row.nodes:6,}  {row.keys} keys looked up twice: overlap {row.overlap:.4f}, "
                f"{row.truth:.4f} of the truly closest found  {_verdict(row.is_met)}"
            )


def write_pictures(report: Report, directory: Path) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    shown = [row for row in report.model if row.published.nodes == 10_000 and row.published.beta == 2]
    distribution = hops_distribution([(row.published, row.cdf) for row in shown])
    (directory / "hops_cdf.svg").write_text(render(distribution), encoding="utf-8")
    against_size = hops_against_size([(row.k, row.means) for row in report.slopes])
    (directory / "hops_vs_n.svg").write_text(render(against_size), encoding="utf-8")


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="benchmarks.lookup_hops", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--lookups", type=int, default=10_000, help="of each published row; other parts do fewer")
    parser.add_argument("--largest-power", type=int, default=20, help="N goes up to 2 to this power")
    parser.add_argument("--large", action="store_true", help="ten million nodes, too")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there")
    parser.add_argument("--pictures", type=Path, metavar="DIRECTORY", help="write hops_cdf.svg and hops_vs_n.svg there")
    options = parser.parse_args(arguments)
    report, part, began = Report(), "", time.perf_counter()
    for name, row in run(lookups=options.lookups, largest_power=options.largest_power, is_large=options.large):
        if name != part:
            print(f"\n{TITLES[name]}")
            part = name
        getattr(report, name).append(row)
        print(describe(row), flush=True)
    peak_mib = getrusage(RUSAGE_SELF).ru_maxrss / 1024
    print(f"\n{time.perf_counter() - began:.0f} s, {peak_mib:.0f} MiB, {_verdict(report.is_met)}")
    if options.json is not None:
        options.json.write_text(json.dumps(asdict(report), indent=1) + "\n", encoding="utf-8")
    if options.pictures is not None:
        write_pictures(report, options.pictures)
    return 0 if report.is_met else 1


def _network(nodes: int, k: int, first_bucket_sizes: tuple[int, ...] = (), seed: int = 0) -> StaticNetwork:
    return StaticNetwork(
        nodes, table=RoutingTableConfig(bucket_size=k, first_bucket_sizes=first_bucket_sizes), seed=seed
    )


def _verdict(is_met: bool) -> str:
    return "PASS" if is_met else "FAIL"


DEPLOYED = LookupConfig()
TITLES = {
    "model": "Hops beside Roos et al. 2013, by their rules: alpha contacts at first, beta from each answer, rounds",
    "slopes": "Hops per doubling of the network beside Stutzbach and Rejaie 2006 (alpha = beta = 1)",
    "deployed": f"Lookups as deployed (k = 8 contacts in each answer, alpha = {DEPLOYED.alpha}, sliding window)",
    "agreement": "Do two lookups of one key from different nodes agree? (As deployed; goal: 0.99 of k)",
}

if __name__ == "__main__":
    sys.exit(main())

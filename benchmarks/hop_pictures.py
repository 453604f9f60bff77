"""The charts of `benchmarks.lookup_hops`."""

from __future__ import annotations

from math import log2

from benchmarks.published_hops import PublishedHops, bits_per_hop
from fileshare.charts.axis import Scale
from fileshare.charts.svg import Chart, Series


def hops_distribution(rows: list[tuple[PublishedHops, list[float]]]) -> Chart:
    """Our distributions as lines, the published points beside them."""
    series = []
    for color, (published, cdf) in enumerate(rows):
        points = [(float(hops), share) for hops, share in enumerate([0.0, *cdf, 1.0])]
        series.append(Series(published.system, points, color))
    for color, (published, _) in enumerate(rows):
        points = [(float(hops), share) for hops, share in enumerate(published.cdf, 1)]
        series.append(Series(f"{published.system}, Roos", points, color, line="none", markers="hollow"))
    nodes, alpha, beta = rows[0][0].nodes, rows[0][0].alpha, rows[0][0].beta
    return Chart(
        title=f"Hops of a lookup among {nodes:,} nodes",
        subtitle=f"Lines: this library; circles: the model of Roos et al. 2013. alpha = {alpha}, beta = {beta}",
        x_label="hops: edges on the path to the target",
        y_label="share of lookups that need at most as many",
        x_range=(0.0, 5.0),
        y_range=(0.0, 1.0),
        series=series,
    )


def hops_against_size(rows: list[tuple[int, dict[int, float]]]) -> Chart:
    """Mean hops over the number of nodes, and the prediction beside each."""
    series = []
    for color, (k, means) in enumerate(rows):
        series.append(Series(f"k = {k}, measured", sorted(means.items()), color, markers="filled"))
    for color, (k, means) in enumerate(rows):
        predicted = [(size, log2(size) / bits_per_hop(k)) for size in sorted(means)]
        series.append(Series(f"k = {k}, predicted", predicted, color, line="dashed"))
    return Chart(
        title="Hops against the size of the network",
        subtitle="One query at a time; predicted: log2 N / (1.3327 + log2 k), Stutzbach and Rejaie 2006",
        x_label="nodes",
        y_label="mean hops of a lookup",
        x_scale=Scale.LOG_2,
        y_range=(0.0, 6.0),
        series=series,
    )

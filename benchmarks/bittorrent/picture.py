"""The picture of a benchmark's results: `python -m benchmarks.bittorrent.picture RESULTS.json PICTURE.svg`.

RESULTS.json is what `python -m benchmarks.bittorrent --json` wrote; of a case that is there more than once, the last.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from fileshare.charts.svg import Chart, Point, Series, render


def main() -> None:
    results, picture = map(Path, sys.argv[1:])
    summaries = {(one := json.loads(line))["case"]: one for line in results.read_text().splitlines()}
    picture.write_text(render(ratios(list(summaries.values()))))


def ratios(summaries: list[dict[str, Any]]) -> Chart:
    """Every run of ours, divided by the run of libtorrent beside it."""
    names = [summary["case"] for summary in summaries]
    goals = [
        (float(place), goal["limit"])
        for place, summary in enumerate(summaries)
        for goal in summary["goals"]
        if goal["field"] == "wall_s" and goal["peer"] == "libtorrent"
    ]
    return Chart(
        title="What a transfer takes, as a multiple of what libtorrent takes",
        subtitle="Dots: runs of ours divided by the run of libtorrent beside it; circles: the goal for the wall time",
        x_label="",
        y_label="ours / libtorrent",
        x_range=(-0.5, len(names) - 0.5),
        x_format=lambda place: names[round(place)] if place == round(place) and 0 <= place < len(names) else "",
        series=[
            Series("wall time", list(_points(summaries, "wall_s", -0.12)), line="none", markers="filled"),
            Series("CPU time", list(_points(summaries, "cpu_s", 0.12)), line="none", markers="filled"),
            Series("goal", goals, line="none", markers="hollow"),
        ],
        level=(1.0, "libtorrent"),
    )


def _points(summaries: list[dict[str, Any]], field: str, aside: float) -> Iterable[Point]:
    for place, summary in enumerate(summaries):
        for ours, other in zip(summary["samples"]["ours"], summary["samples"]["libtorrent"], strict=True):
            yield place + aside, ours[field] / other[field]


if __name__ == "__main__":
    main()

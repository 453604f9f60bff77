"""A node with 200 connections on one uplink, each with its own controller: what a file-sharing node is."""

from __future__ import annotations

import random
from collections.abc import Mapping

from benchmarks.congestion.lines import line
from benchmarks.congestion.table import Row
from benchmarks.congestion.trials import Outcome, Trial
from fileshare.charts.axis import Scale
from fileshare.charts.svg import Chart, Series
from transfer.simulation import LabConfig, LabFlow, Link

CONTROLLERS = ("reno", "cubic", "ledbat", "ledbat++", "bbr1", "bbr")
CONNECTIONS = 200
UPLINKS: dict[str, tuple[str, Link]] = {
    "lossy": ("50 Mbit/s, 20 ms, 2 % loss, 1 BDP", line(mbit_s=50, delay_ms=10, queue_ms=100, loss=0.02)),
    "wireless": (
        "50 Mbit/s, 20 ms, up to 40 ms jitter, 0.5 % loss",
        line(mbit_s=50, delay_ms=10, queue_ms=100, loss=0.005, jitter_ms=40),
    ),
    "deep": ("10 Mbit/s, 20 ms, a buffer of 3 s", line(mbit_s=10, delay_ms=10, queue_ms=3000)),
}


def trials(quick: bool) -> list[Trial]:
    count = 40 if quick else CONNECTIONS
    rng = random.Random(200)  # where peers are: the same for every controller
    delays_s = [rng.uniform(0.0, 0.08) for _ in range(count)]
    starts_s = [rng.uniform(0.0, 2.0) for _ in range(count)]
    return [
        Trial(
            name=f"node {uplink} {name}",
            config=LabConfig(
                data=link,
                flows=tuple(
                    LabFlow(controller=name, start_s=start_s, extra_delay_s=delay_s)
                    for start_s, delay_s in zip(starts_s, delays_s, strict=True)
                ),
                duration_s=10.0 if quick else 30.0,
                warm_up_s=4.0 if quick else 15.0,
                course_s=5.0,
            ),
        )
        for uplink, (_, link) in UPLINKS.items()
        for name in (("cubic", "bbr") if quick else CONTROLLERS)
    ]


def rows(outcomes: Mapping[str, Outcome]) -> list[Row]:
    found = []
    for uplink, (about, _) in UPLINKS.items():
        for name in CONTROLLERS:
            outcome = outcomes.get(f"node {uplink} {name}")
            if outcome is None:
                continue
            ours = (
                f"{outcome.mbit_s:.1f} Mbit/s,"
                f" queue {outcome.queue_p50_s * 1e3:.0f} / {outcome.queue_p95_s * 1e3:.0f} ms,"
                f" sent again {outcome.retransmitted:.1%}, Jain {outcome.jain:.2f}"
            )
            what = f"{len(outcome.rates)} of {name}: {about}"
            found.append(Row(case="node", what=what, ours=ours, value=outcome.mbit_s))
    return found


def charts(outcomes: Mapping[str, Outcome]) -> dict[str, Chart]:
    series = []
    for aside, uplink in enumerate(UPLINKS):
        points = [
            (place + 0.12 * (aside - 1), max(0.1, outcomes[key].queue_p50_s * 1e3))
            for place, name in enumerate(CONTROLLERS)
            if (key := f"node {uplink} {name}") in outcomes
        ]
        if points:
            series.append(Series(uplink, points, line="none", markers="filled"))
    if not series:
        return {}
    return {
        "congestion_node": Chart(
            title=f"How long packets of {CONNECTIONS} connections wait before one uplink",
            subtitle="Median; lossy and wireless: 50 Mbit/s and at most 100 ms of buffer; deep: 10 Mbit/s and 3 s",
            x_label="",
            y_label="queue, ms",
            x_range=(-0.5, len(CONTROLLERS) - 0.5),
            x_format=lambda value: CONTROLLERS[round(value)] if value == round(value) and 0 <= value < 6 else "",
            y_scale=Scale.LOG_10,
            series=series,
        )
    }

"""C4: BBR beside loss-based flows (google/bbr, nsperf `coexist`; Ware et al. 2019; picoquic's rule of 25 to 80 %)."""

from __future__ import annotations

from collections.abc import Mapping

from benchmarks.congestion.lines import line
from benchmarks.congestion.table import Row, row
from benchmarks.congestion.trials import Outcome, Trial
from fileshare.charts.axis import Scale
from fileshare.charts.svg import Chart, Series
from transfer.simulation import LabConfig, LabFlow

BUFFERS = (0.1, 1, 2, 4, 8, 16)
CROWDS = (1, 2, 4, 8, 16)


def trials(quick: bool) -> list[Trial]:
    duration_s = 20.0 if quick else 180.0
    pairs = [
        Trial(
            name=f"C4 {name} {buffer:g}",
            config=LabConfig(
                data=line(mbit_s=50, delay_ms=15, queue_bdp=buffer),
                flows=(LabFlow(controller="cubic"), LabFlow(controller=name, start_s=2.0)),
                duration_s=duration_s,
                warm_up_s=5.0 if quick else 20.0,
            ),
        )
        for name in ("bbr1", "bbr")
        for buffer in ((1, 4) if quick else BUFFERS)
    ]
    crowds = [
        Trial(
            name=f"C4 ware {other} {count}",
            config=LabConfig(
                data=line(mbit_s=10, delay_ms=20, queue_bdp=32),
                flows=(
                    *(LabFlow(controller=other, start_s=0.1 * index) for index in range(count)),
                    LabFlow(controller="bbr1", start_s=2.0),
                ),
                duration_s=60.0 if quick else 200.0,
                warm_up_s=20.0 if quick else 40.0,
            ),
        )
        for other in ("cubic", "reno")
        for count in ((4,) if quick else CROWDS)
    ]
    return pairs + crowds


def rows(outcomes: Mapping[str, Outcome]) -> list[Row]:
    found = []
    for name in ("bbr1", "bbr"):
        for buffer in BUFFERS:
            outcome = outcomes.get(f"C4 {name} {buffer:g}")
            if outcome is not None:
                what = f"{name} beside cubic, 50 Mbit/s, 30 ms, {buffer:g} BDP: its share"
                found.append(row("C4", what, outcome.share(1), "{:.0%}", "25 to 80 %", at_least=0.25, at_most=0.8))
    for other in ("cubic", "reno"):
        for count in CROWDS:
            outcome = outcomes.get(f"C4 ware {other} {count}")
            if outcome is not None:
                what = f"one bbr1 beside {count} of {other}, 10 Mbit/s, 40 ms, 32 BDP: its share"
                found.append(row("4.5", what, outcome.share(count), "{:.0%}", "about 40 %", at_least=0.3, at_most=0.5))
    return found


def charts(outcomes: Mapping[str, Outcome]) -> dict[str, Chart]:
    series = []
    for name in ("bbr1", "bbr"):
        points = [
            (buffer, 100 * outcomes[key].share(1)) for buffer in BUFFERS if (key := f"C4 {name} {buffer:g}") in outcomes
        ]
        if points:
            series.append(Series(name, points, markers="filled"))
    return {
        "congestion_coexistence": Chart(
            title="What BBR takes from CUBIC",
            subtitle="One flow of each on 50 Mbit/s, 30 ms; BBR comes 2 s later",
            x_label="buffer, in bandwidth-delay products",
            y_label="share of BBR, percent",
            x_scale=Scale.LOG_2,
            y_range=(0.0, 100.0),
            x_format=lambda value: f"{value:g}",
            series=series,
            level=(50.0, "even"),
        )
    }

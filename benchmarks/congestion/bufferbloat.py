"""C2: how long packets wait in buffers that are too large (Cardwell et al. 2016, figure 10; nsperf `bufferbloat`)."""

from __future__ import annotations

from collections.abc import Mapping

from benchmarks.congestion.lines import line
from benchmarks.congestion.table import Row
from benchmarks.congestion.trials import Outcome, Trial
from fileshare.charts.axis import Scale
from fileshare.charts.svg import Chart, Series
from transfer.simulation import LabConfig, LabFlow

CONTROLLERS = ("reno", "cubic", "ledbat", "ledbat++", "bbr1", "bbr")
SLOW_KB = (64, 128, 256, 512, 1024)
FAST_BDP = (1, 10, 50, 100)


def trials(quick: bool) -> list[Trial]:
    slow = [
        Trial(
            name=f"C2 slow {name} {kilobytes}",
            config=LabConfig(
                data=line(mbit_s=0.128, delay_ms=20, queue_bytes=kilobytes * 1000),
                flows=tuple(LabFlow(controller=name, start_s=0.1 * index) for index in range(8)),
                duration_s=120.0 if quick else 480.0,
                warm_up_s=60.0 if quick else 120.0,
                sample_s=0.1,
                course_s=10.0,
            ),
        )
        for name in CONTROLLERS
        for kilobytes in ((64, 256) if quick else SLOW_KB)
    ]
    fast = [
        Trial(
            name=f"C2 fast {name} {bdp}",
            config=LabConfig(
                data=line(mbit_s=50, delay_ms=15, queue_bdp=bdp),
                flows=(LabFlow(controller=name), LabFlow(controller=name, start_s=2.0)),
                duration_s=15.0 if quick else 120.0,
                warm_up_s=5.0 if quick else 20.0,
            ),
        )
        for name in (("cubic", "bbr") if quick else ("cubic", "ledbat", "bbr1", "bbr"))
        for bdp in ((1, 10) if quick else FAST_BDP)
    ]
    return slow + fast


def rows(outcomes: Mapping[str, Outcome]) -> list[Row]:
    found: list[Row] = []
    for kind, sizes, unit, rate, bottom_s in (
        ("slow", SLOW_KB, "kB", 16_000.0, 0.04),
        ("fast", FAST_BDP, "BDP", 6_250_000.0, 0.03),
    ):
        set_up = "8 flows, 128 kbit/s, 40 ms" if kind == "slow" else "2 flows, 50 Mbit/s, 30 ms"
        for name in CONTROLLERS:
            medians = [
                (size, outcomes[key].rtt_p50_s) for size in sizes if (key := f"C2 {kind} {name} {size}") in outcomes
            ]
            if len(medians) < 2:
                continue
            shown = ", ".join(f"{size} {unit} {_time(rtt_s)}" for size, rtt_s in medians)
            growth = medians[-1][1] / medians[0][1]
            grown = medians[-1][0] / medians[0][0]
            what = f"{name}, {set_up}: median RTT"
            if name in ("bbr1", "bbr"):
                found.append(
                    Row(
                        case="C2",
                        what=what,
                        ours=shown,
                        published="flat: the largest buffer at most 1.5 times the smallest",
                        passed=growth <= 1.5,
                        value=growth,
                    )
                )
            elif name == "cubic":
                full_s = bottom_s + (medians[-1][0] * (1000 if kind == "slow" else rate * bottom_s)) / rate
                found.append(
                    Row(
                        case="C2",
                        what=what,
                        ours=shown,
                        published=f"grows with the buffer: at least half of what a full one takes ({_time(full_s)})",
                        passed=medians[-1][1] >= full_s / 2 and growth >= grown / 3,
                        value=growth,
                    )
                )
            else:
                found.append(Row(case="C2", what=what, ours=shown, value=growth))
    return found


def charts(outcomes: Mapping[str, Outcome]) -> dict[str, Chart]:
    series = []
    for name in CONTROLLERS:
        points = [
            (float(size), outcomes[key].rtt_p50_s * 1e3)
            for size in FAST_BDP
            if (key := f"C2 fast {name} {size}") in outcomes
        ]
        if points:
            series.append(Series(name, points, markers="filled"))
    return {
        "congestion_bufferbloat": Chart(
            title="Round trips against the size of the buffer",
            subtitle="Median of two flows on 50 Mbit/s, 30 ms",
            x_label="buffer, in bandwidth-delay products",
            y_label="median round trip, ms",
            x_scale=Scale.LOG_10,
            y_scale=Scale.LOG_10,
            series=series,
        )
    }


def _time(seconds: float) -> str:
    return f"{seconds * 1e3:.0f} ms" if seconds < 10 else f"{seconds:.0f} s"

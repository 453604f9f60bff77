"""Convergence: flows that come one after the other (Cardwell et al. 2016, figure 6), a rate that doubles (figure 3)."""

from __future__ import annotations

from collections.abc import Mapping

from benchmarks.congestion.lines import line
from benchmarks.congestion.table import Row, row
from benchmarks.congestion.trials import Outcome, Trial
from fileshare.charts.svg import Chart, Series
from transfer.simulation import LabChange, LabConfig, LabFlow, jain

CONTROLLERS = ("reno", "cubic", "ledbat", "ledbat++", "bbr1", "bbr")
FLOWS, EVERY_S = 5, 4.0


def trials(quick: bool) -> list[Trial]:
    duration_s = 25.0 if quick else 45.0
    several = [
        Trial(
            name=f"fig6 {name}",
            config=LabConfig(
                data=line(mbit_s=20 if quick else 100, delay_ms=5, queue_bdp=2),
                flows=tuple(LabFlow(controller=name, start_s=EVERY_S * index) for index in range(FLOWS)),
                duration_s=duration_s,
                warm_up_s=EVERY_S * FLOWS,
            ),
            course_steps=60,
            compare_from_s=duration_s * 2 / 3,
        )
        for name in (("cubic", "bbr") if quick else CONTROLLERS)
    ]
    slow, fast = line(mbit_s=10, delay_ms=20, queue_bdp=8), line(mbit_s=20, delay_ms=20, queue_bdp=4)
    doubled = [
        Trial(
            name=f"fig3 {name}",
            config=LabConfig(
                data=slow,
                flows=(LabFlow(controller=name),),
                changes=(LabChange(at_s=20.0, data=fast), LabChange(at_s=40.0, data=slow)),
                duration_s=60.0,
            ),
            course_steps=240,
        )
        for name in (("bbr",) if quick else CONTROLLERS)
    ]
    return several + doubled


def rows(outcomes: Mapping[str, Outcome]) -> list[Row]:
    found = []
    for name in CONTROLLERS:
        outcome = outcomes.get(f"fig6 {name}")
        if outcome is not None:
            what = f"{name}, 5 flows, 100 Mbit/s, 10 ms, the last third: Jain's index"
            fair = jain(outcome.late_rates)
            if name in ("bbr1", "bbr"):
                found.append(row("fig 6", what, fair, "{:.3f}", "fair shares (>= 0.95)", at_least=0.95))
            else:
                found.append(row("fig 6", what, fair, "{:.3f}"))
    for name in CONTROLLERS:
        outcome = outcomes.get(f"fig3 {name}")
        if outcome is not None and outcome.courses:
            reached_s = next((at_s for at_s, rate in outcome.courses[0] if at_s > 20 and rate * 8e-6 >= 18), None)
            what = f"{name}, 10 Mbit/s doubled: seconds until 18 Mbit/s"
            if reached_s is None:
                found.append(Row(case="fig 3", what=what, ours="not in 20 s", passed=False if "bbr" in name else None))
            elif name in ("bbr1", "bbr"):
                goal = "exponential: about 2 s in v1's figure" if name == "bbr1" else "two probes, 2-3 s apart"
                found.append(row("fig 3", what, reached_s - 20, "{:.1f}", goal, at_most=3.0 if name == "bbr1" else 8.0))
            else:
                found.append(row("fig 3", what, reached_s - 20, "{:.1f}"))
    return found


def charts(outcomes: Mapping[str, Outcome]) -> dict[str, Chart]:
    found = {}
    for name in ("cubic", "bbr1", "bbr"):
        outcome = outcomes.get(f"fig6 {name}")
        if outcome is not None and outcome.courses:
            found[f"congestion_convergence_{name}"] = Chart(
                title=f"Five flows of {name}, one every {EVERY_S:.0f} s",
                subtitle="100 Mbit/s, 10 ms, a buffer of two bandwidth-delay products",
                x_label="seconds",
                y_label="Mbit/s",
                y_range=(0.0, 100.0),
                series=[
                    Series(f"flow {index + 1}", [(at_s, rate * 8e-6) for at_s, rate in course])
                    for index, course in enumerate(outcome.courses)
                ],
            )
    series = [
        Series(name, [(at_s, size / 1e3) for at_s, size in outcomes[key].queue])
        for name in ("reno", "cubic", "ledbat", "bbr1", "bbr")
        if (key := f"fig3 {name}") in outcomes and outcomes[key].queue
    ]
    if series:
        found["congestion_steps"] = Chart(
            title="The queue while the rate doubles and halves",
            subtitle="One flow, 40 ms, 10 Mbit/s; 20 Mbit/s from 20 to 40 s; a buffer of 400 kB",
            x_label="seconds",
            y_label="queue, kB",
            series=series,
        )
    return found

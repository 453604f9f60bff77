"""U2, U3: LEDBAT's queue, its share beside Reno, and its late-comers (utp-go's suite; RFC 6817; Rossi et al. 2010)."""

from __future__ import annotations

from collections.abc import Mapping

from benchmarks.congestion.lines import line, middle
from benchmarks.congestion.table import Row, row
from benchmarks.congestion.trials import Outcome, Trial
from fileshare.charts.svg import Chart, Series
from transfer.simulation import LabChange, LabConfig, LabFlow

CONTROLLERS = ("ledbat", "ledbat++")
QUEUE_BYTES = 256 * 1024
STEP_S, END_S = 30.0, 60.0
TARGET_MS = {"ledbat": 100.0, "ledbat++": 60.0}
PUBLISHED_SHARE = {"ledbat": "69 % in utp-go", "ledbat++": "31 % in utp-go"}


def trials(quick: bool) -> list[Trial]:
    found = []
    names = ("ledbat",) if quick else CONTROLLERS
    for name in names:
        slower = line(mbit_s=4, delay_ms=20, queue_bytes=QUEUE_BYTES)
        found.append(
            Trial(
                name=f"U2 {name}",
                config=LabConfig(
                    data=line(mbit_s=10, delay_ms=20, queue_bytes=QUEUE_BYTES),
                    flows=(LabFlow(controller=name),),
                    changes=(LabChange(at_s=STEP_S, data=slower),),
                    duration_s=END_S,
                ),
                course_steps=120,
            )
        )
        beside = LabConfig(
            data=line(mbit_s=10, delay_ms=20, queue_bytes=QUEUE_BYTES),
            flows=(LabFlow(controller="reno"), LabFlow(controller=name, start_s=1.5)),
            duration_s=20.0 if quick else 60.0,
            warm_up_s=5.0,
        )
        found.append(Trial(name=f"U3 {name}", config=beside))
        late = LabConfig(
            data=line(mbit_s=10, delay_ms=25, queue_bytes=QUEUE_BYTES),
            flows=(LabFlow(controller=name), LabFlow(controller=name, start_s=10.0)),
            duration_s=40.0 if quick else 120.0,
        )
        found.append(Trial(name=f"U3 late {name}", config=late, compare_from_s=late.duration_s / 2, course_steps=120))
    return found


def rows(outcomes: Mapping[str, Outcome]) -> list[Row]:
    found = []
    for name in CONTROLLERS:
        step = outcomes.get(f"U2 {name}")
        if step is not None:
            before = middle([size for at_s, size in step.queue if 10 <= at_s < STEP_S]) * 8 / 10_000
            after = middle([size for at_s, size in step.queue if at_s >= STEP_S + 10]) * 8 / 4_000
            published = "112-118 ms (8-10 ms before: their windows were not full yet)" if name == "ledbat" else ""
            target = TARGET_MS[name]
            what = f"{name}, 10 Mbit/s, 40 ms: standing queue, ms"
            found.append(row("U2", what, before, "{:.1f}", f"at most its target, {target:.0f}", at_most=1.15 * target))
            what = f"{name}, after the step to 4 Mbit/s"
            if name == "ledbat":
                found.append(row("U2", what, after, "{:.1f}", published, at_least=80, at_most=118))
            else:
                found.append(
                    row("U2", what, after, "{:.1f}", f"at most its target, {target:.0f}", at_most=1.15 * target)
                )
        beside = outcomes.get(f"U3 {name}")
        if beside is not None:
            what = f"{name} beside reno, 10 Mbit/s, 40 ms, 256 KiB: its share"
            goal = "less than an even part (RFC 6817, BEP 29); " + PUBLISHED_SHARE[name]
            found.append(row("U3", what, beside.share(1), "{:.0%}", goal, at_most=0.5))
            found.append(
                row(
                    "U3",
                    f"{name} beside reno: reno's Mbit/s",
                    beside.rates[0] * 8e-6,
                    "{:.2f}",
                    "65 % of 5.66 in utp-go",
                )
            )
            found.append(row("U3", f"{name} beside reno: queue p50, ms", beside.queue_p50_s * 1e3, "{:.1f}"))
        late = outcomes.get(f"U3 late {name}")
        if late is not None:
            share = late.late_rates[1] / (sum(late.late_rates) or 1.0)
            what = f"{name} 10 s late beside itself: share in the second half"
            if name == "ledbat":
                goal = "the late-comer wins (RFC 6817, 4.4); 59 % in utp-go after 16 MB"
                found.append(row("U3", what, share, "{:.0%}", goal, at_least=0.5))
            else:
                found.append(row("U3", what, share, "{:.0%}", "fair: 35 to 65 %", at_least=0.35, at_most=0.65))
    return found


def charts(outcomes: Mapping[str, Outcome]) -> dict[str, Chart]:
    series = []
    for name in CONTROLLERS:
        step = outcomes.get(f"U2 {name}")
        if step is not None and step.queue:
            points = [(at_s, size * 8 / (10_000 if at_s < STEP_S else 4_000)) for at_s, size in step.queue]
            series.append(Series(name, points))
    if not series:
        return {}
    return {
        "congestion_ledbat_queue": Chart(
            title="The queue that LEDBAT keeps",
            subtitle=f"10 Mbit/s, 40 ms, 256 KiB; 4 Mbit/s from {STEP_S:.0f} s on. Targets: 100 ms and 60 ms",
            x_label="seconds",
            y_label="queue, ms",
            series=series,
            level=(100.0, "LEDBAT's target"),
        )
    }

"""4.5: what is known to be wrong with BBRv1: shallow buffers, long round trips that win; and the others there."""

from __future__ import annotations

from collections.abc import Mapping

from benchmarks.congestion.lines import line
from benchmarks.congestion.table import Row, row
from benchmarks.congestion.trials import Outcome, Trial
from fileshare.charts.svg import Chart, Series
from transfer.simulation import LabConfig, LabFlow

CONTROLLERS = ("reno", "cubic", "ledbat", "ledbat++", "bbr1", "bbr")
SHALLOW_FLOWS = (1, 10, 30)


def trials(quick: bool) -> list[Trial]:
    # 500 Mbit/s, 200 ms, 100 kB (Cao et al.): the same share of a bandwidth-delay product at 100 Mbit/s.
    shallow = [
        Trial(
            name=f"4.5 shallow {name}",
            config=LabConfig(
                data=line(mbit_s=100, delay_ms=100, queue_bytes=20_000),
                flows=(LabFlow(controller=name),),
                duration_s=20.0 if quick else 30.0,
            ),
        )
        for name in ("cubic", "bbr1", "bbr")
    ]
    many = [
        Trial(
            name=f"4.5 many {name} {count}",
            config=LabConfig(
                data=line(mbit_s=100, delay_ms=50, queue_bdp=0.02),
                flows=tuple(LabFlow(controller=name, start_s=0.139 * index) for index in range(count)),
                duration_s=10.0 if quick else 20.0,
                warm_up_s=5.0,
            ),
        )
        for name in ("cubic", "bbr1", "bbr")
        for count in ((10,) if quick else SHALLOW_FLOWS)
    ]
    round_trips = [
        Trial(
            name=f"RTT {name}",
            config=LabConfig(
                data=line(mbit_s=50, delay_ms=10, queue_bytes=625_000),
                flows=(LabFlow(controller=name), LabFlow(controller=name, extra_delay_s=0.04, start_s=0.05)),
                duration_s=30.0 if quick else 60.0,
                warm_up_s=10.0 if quick else 15.0,
            ),
        )
        for name in CONTROLLERS
    ]
    marking = [
        Trial(
            name=f"ECN {name} {count}",
            config=LabConfig(
                data=line(mbit_s=100, delay_ms=0.5, queue_bytes=250_000),
                flows=tuple(LabFlow(controller=name, start_s=0.01 * index) for index in range(count)),
                mark_bytes=3025,  # 242 us of 100 Mbit/s
                duration_s=5.0,
                warm_up_s=1.0,
            ),
        )
        for name in ("reno", "cubic", "bbr1", "bbr")
        for count in ((4,) if quick else (1, 4, 10, 40))
    ]
    return shallow + many + round_trips + marking


def rows(outcomes: Mapping[str, Outcome]) -> list[Row]:
    found: list[Row] = []
    shallow = {name: outcomes[key] for name in ("cubic", "bbr1", "bbr") if (key := f"4.5 shallow {name}") in outcomes}
    if "cubic" in shallow and "bbr1" in shallow:
        what = "buffer of 0.8 % BDP, 200 ms: bbr1's goodput / cubic's"
        found.append(
            row(
                "4.5",
                what,
                shallow["bbr1"].rate / shallow["cubic"].rate,
                "{:.2f}",
                "2.15 (386 / 180 Mbit/s)",
                at_least=1.7,
            )
        )
    for name, single in shallow.items():
        goal = {"bbr1": "10.1 %", "cubic": "0.9 %"}.get(name, "")
        bounds = {"bbr1": (0.05, 0.2), "cubic": (0.0, 0.02)}.get(name)
        found.append(
            row(
                "4.5",
                f"{name}, the same: packets lost",
                single.lost_share,
                "{:.1%}",
                goal,
                at_least=bounds and bounds[0],
                at_most=bounds and bounds[1],
            )
        )
    for name in ("cubic", "bbr1", "bbr"):
        for count in SHALLOW_FLOWS:
            outcome = outcomes.get(f"4.5 many {name} {count}")
            if outcome is not None:
                what = f"{name}, {count} flows, 100 Mbit/s, 100 ms, 0.02 BDP: sent again"
                found.append(row("4.5", what, outcome.retransmitted, "{:.1%}", "(nsperf `shallow`, without a figure)"))
    for name in CONTROLLERS:
        pair = outcomes.get(f"RTT {name}")
        if pair is None:
            continue
        what = f"{name}: share of the flow with 100 ms beside one with 20 ms"
        if name == "bbr1":
            found.append(row("RTT", what, pair.share(1), "{:.0%}", "the long one wins (Hock et al.)", at_least=0.5))
        elif name in ("reno", "cubic"):
            found.append(row("RTT", what, pair.share(1), "{:.0%}", "the short one wins", at_most=0.5))
        else:
            found.append(row("RTT", what, pair.share(1), "{:.0%}"))
    for name in ("reno", "cubic", "bbr1", "bbr"):
        for count in (1, 4, 10, 40):
            outcome = outcomes.get(f"ECN {name} {count}")
            if outcome is not None:
                what = f"{name}, {count} flows, 100 Mbit/s, 1 ms, marked from 242 us on: RTT p50, p95, ms"
                ours = f"{outcome.rtt_p50_s * 1e3:.2f}, {outcome.rtt_p95_s * 1e3:.2f}, {outcome.mbit_s:.0f} Mbit/s"
                found.append(Row(case="ECN", what=what, ours=ours, published="(nsperf `ecn_bulk`, without a figure)"))
    return found


def charts(outcomes: Mapping[str, Outcome]) -> dict[str, Chart]:
    points = [
        (float(place), 100 * outcomes[key].share(1))
        for place, name in enumerate(CONTROLLERS)
        if (key := f"RTT {name}") in outcomes
    ]
    if not points:
        return {}
    return {
        "congestion_round_trips": Chart(
            title="Who wins, a short or a long way",
            subtitle="Two flows of one kind on 50 Mbit/s, with round trips of 20 and 100 ms",
            x_label="",
            y_label="share of the long way, percent",
            x_range=(-0.5, len(CONTROLLERS) - 0.5),
            x_format=lambda value: CONTROLLERS[round(value)] if value == round(value) and 0 <= value < 6 else "",
            y_range=(0.0, 100.0),
            series=[Series("long way", points, line="none", markers="filled")],
            level=(50.0, "even"),
        )
    }

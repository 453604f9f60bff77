"""C1: goodput against random loss (Cardwell et al. 2016, figure 8), and BBRv1's cliff (Cao et al. 2019, figure 7)."""

from __future__ import annotations

from collections.abc import Mapping

from benchmarks.congestion.lines import line
from benchmarks.congestion.table import Row, row
from benchmarks.congestion.trials import Outcome, Trial
from fileshare.charts.axis import Scale
from fileshare.charts.svg import Chart, Series
from transfer.simulation import LabConfig, LabFlow

CONTROLLERS = ("reno", "cubic", "ledbat", "ledbat++", "bbr1", "bbr")
LOSSES = (1e-5, 1e-4, 1e-3, 0.01, 0.02, 0.03, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.5)
CLIFF_LOSSES = (0.05, 0.1, 0.15, 0.18, 0.2, 0.22, 0.25, 0.3)
MBIT_S = 100.0


def trials(quick: bool) -> list[Trial]:
    losses = (1e-4, 0.01, 0.05, 0.15, 0.25) if quick else LOSSES
    duration_s = 10.0 if quick else 60.0
    fig8 = [
        Trial(
            name=f"C1 {name} {loss:g}",
            config=LabConfig(
                data=line(mbit_s=MBIT_S, delay_ms=50, queue_bdp=1, loss=loss),
                flows=(LabFlow(controller=name),),
                duration_s=duration_s,
            ),
        )
        for name in CONTROLLERS
        for loss in losses
    ]
    cliff = [
        Trial(
            name=f"C1 cao {name} {loss:g}",
            config=LabConfig(
                data=line(mbit_s=MBIT_S, delay_ms=12.5, queue_bytes=10_000_000, loss=loss),
                flows=(LabFlow(controller=name),),
                duration_s=duration_s / 2,
            ),
        )
        for name in ("bbr1", "cubic")
        for loss in ((0.1, 0.25) if quick else CLIFF_LOSSES)
    ]
    return fig8 + cliff


def rows(outcomes: Mapping[str, Outcome]) -> list[Row]:
    found: list[Row] = []
    for name in ("bbr1", "bbr"):
        for loss, share in _shares(outcomes, name):
            what = f"{name}, {100 * loss:g} % loss: goodput of (1-p)C"
            if name == "bbr" and loss > LOSS_THRESHOLD:
                found.append(row("C1", what, share, "{:.1%}", "v3 gives way above 2 % loss"))
            elif loss <= 0.05:
                found.append(row("C1", what, share, "{:.1%}", ">= 95 %", at_least=0.95))
            elif loss <= 0.15:
                found.append(row("C1", what, share, "{:.1%}", "> 80 %", at_least=0.8))
            elif loss >= 0.25:
                found.append(row("C1", what, share, "{:.1%}", "collapsed", at_most=0.5))
            else:
                found.append(row("C1", what, share, "{:.1%}"))
    for name in ("reno", "cubic"):
        for loss, share in _shares(outcomes, name):
            mbit = share * MBIT_S * (1 - loss)
            what = f"{name}, {100 * loss:g} % loss: Mbit/s"
            goal = PUBLISHED_MBIT.get(loss) if name == "cubic" else None
            if goal is None:
                found.append(row("C1", what, mbit, "{:.2f}"))
            else:
                found.append(
                    row("C1", what, mbit, "{:.2f}", f"{goal[0]:g} .. {goal[1]:g}", at_least=goal[0], at_most=goal[1])
                )
    for name in ("bbr1", "cubic"):
        for loss in CLIFF_LOSSES:
            outcome = outcomes.get(f"C1 cao {name} {loss:g}")
            if outcome is None:
                continue
            what = f"{name}, 25 ms, 10 MB buffer, {loss:.0%} loss: Mbit/s"
            if name == "cubic":
                found.append(row("4.5", what, outcome.mbit_s, "{:.1f}", "<= 20", at_most=20))
            elif loss <= 0.15:
                found.append(
                    row(
                        "4.5",
                        what,
                        outcome.mbit_s,
                        "{:.1f}",
                        f"85 % of (1-p)C: {85 * (1 - loss):.0f}",
                        at_least=85 * (1 - loss),
                    )
                )
            elif loss >= 0.25:
                found.append(row("4.5", what, outcome.mbit_s, "{:.1f}", "collapsed: < 20", at_most=20))
            else:
                found.append(row("4.5", what, outcome.mbit_s, "{:.1f}", "the cliff: p* = 1 - 1/1.25 = 20 %"))
    return found


def charts(outcomes: Mapping[str, Outcome]) -> dict[str, Chart]:
    series = []
    for name in CONTROLLERS:
        points = [(100 * loss, share * MBIT_S * (1 - loss)) for loss, share in _shares(outcomes, name)]
        if points:
            series.append(Series(name, points, markers="filled"))
    possible = [(100 * loss, MBIT_S * (1 - loss)) for loss in LOSSES]
    series.append(Series("possible", possible, line="dashed"))
    return {
        "congestion_random_loss": Chart(
            title="Goodput against random loss",
            subtitle="One flow, 100 Mbit/s, 100 ms, a buffer of one bandwidth-delay product, 60 s",
            x_label="packets lost at random, percent",
            y_label="Mbit/s",
            x_scale=Scale.LOG_10,
            x_format=lambda value: f"{value:g}",
            y_range=(0.0, 100.0),
            series=series,
        )
    }


def _shares(outcomes: Mapping[str, Outcome], name: str) -> list[tuple[float, float]]:
    """(loss, goodput as a share of what gets through a full line)."""
    found = []
    for loss in LOSSES:
        outcome = outcomes.get(f"C1 {name} {loss:g}")
        if outcome is not None:
            found.append((loss, outcome.mbit_s / (MBIT_S * (1 - loss))))
    return found


LOSS_THRESHOLD = 0.02  # draft-ietf-ccwg-bbr, BBR.LossThresh
# Cardwell et al. 2016: CUBIC loses a factor of ten at 0.1 % and stalls at 1 %.
PUBLISHED_MBIT = {1e-3: (5.0, 15.0), 0.01: (0.0, 3.5)}

"""The pictures of `kad net compare`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from fileshare.charts.svg import Chart, Series

if TYPE_CHECKING:
    from transfer.simulation import LabConfig, LabReport


def all_controllers(about: str, reports: dict[str, LabReport]) -> Chart:
    """What all flows together delivered over time, a curve for each controller."""
    series = [Series(name, total_rates(report)) for name, report in reports.items()]
    return Chart(
        title="Goodput of each congestion controller",
        subtitle=about,
        x_label="seconds",
        y_label="Mbit/s",
        series=series,
        y_range=(0.0, 1.05 * max(0.001, *(rate for one in series for _, rate in one.points))),
    )


def one_controller(name: str, about: str, config: LabConfig, report: LabReport) -> Chart:
    """Goodput and the queue over time, both as a share of what there is."""
    line_mbit = (config.data.rate_bytes_per_s or 1.0) * 8e-6
    width_s = _width_s(report)
    queue = [(at_s, 100 * most / config.data.queue_bytes) for at_s, most in _largest(report.queue, width_s)]
    return Chart(
        title=f"{name}: goodput and queue",
        subtitle=about,
        x_label="seconds",
        y_label="percent",
        y_range=(0.0, 105.0),
        series=[
            Series("goodput, of the rate", [(at_s, 100 * rate / line_mbit) for at_s, rate in total_rates(report)]),
            Series("queue, of the buffer", queue),
        ],
    )


def total_rates(report: LabReport) -> list[tuple[float, float]]:
    """(seconds, Mbit/s) of all flows together, in some fifty steps."""
    width_s = _width_s(report)
    curves = [flow.rates(width_s) for flow in report.flows]
    return [(points[0][0], sum(rate for _, rate in points) * 8e-6) for points in zip(*curves, strict=False)] or [
        (0.0, report.goodput_bytes_per_s * 8e-6)
    ]


def _largest(samples: Sequence[tuple[float, float]], width_s: float) -> list[tuple[float, float]]:
    found: dict[int, float] = {}
    for at_s, size in samples:
        place = int(at_s / width_s)
        found[place] = max(size, found.get(place, 0.0))
    return [((place + 0.5) * width_s, size) for place, size in found.items()]


def _width_s(report: LabReport) -> float:
    return report.ended_s / 50

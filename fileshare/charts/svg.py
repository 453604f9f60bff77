"""Line charts as SVG text.

    chart = Chart(title="Latency", x_label="milliseconds", y_label="share of lookups", series=[Series("ours", points)])
    Path("latency.svg").write_text(render(chart))

The same chart gives the same text, so that a picture changes in a commit only when the figures do. `percentiles` and
`cumulative` make the points of distribution curves out of samples.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

from fileshare.charts.axis import Axis, Scale

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Series:
    """One curve.

    Args:
        color: number in the palette, so that what belongs together may share one; by default its place in the chart.
        line: "solid", "dashed", "dotted", "step" (each value holds until the next point), or "none" for points alone.
        markers: a dot at each point, "hollow" for figures of others beside ours.
    """

    label: str
    points: Sequence[Point]
    color: int | None = None
    line: str = "solid"
    markers: str = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """What is drawn. A range is taken from the points where none is given.

    Args:
        subtitle: a line under the title: the conditions, or whose figures the markers are.
        x_scale: as `y_scale`, how values map to places: LINEAR, LOG_2 (ticks at powers of two) or LOG_10.
        x_format: as `y_format`, how a tick's value is written; by default as short as it can be.
        level: a value of y to mark by a thin line across, like a goal, with its label.
    """

    title: str
    x_label: str
    y_label: str
    series: Sequence[Series]
    subtitle: str = ""
    x_scale: Scale = Scale.LINEAR
    y_scale: Scale = Scale.LINEAR
    x_range: tuple[float, float] | None = None
    y_range: tuple[float, float] | None = None
    x_format: Callable[[float], str] | None = None
    y_format: Callable[[float], str] | None = None
    level: tuple[float, str] | None = None
    width: int = 760
    height: int = 440


def render(chart: Chart) -> str:
    """The chart as a whole SVG document.

    Raises:
        ValueError: no points, or a value that a logarithmic axis cannot show.
    """
    points = [point for series in chart.series for point in series.points]
    if not points:
        raise ValueError("a chart needs at least one point")
    legend_width = max((_text_width(series.label) for series in chart.series), default=0.0) + 44
    left, right = 64.0, chart.width - legend_width - 12
    top, bottom = (72.0 if chart.subtitle else 52.0), chart.height - 52.0
    levels = [chart.level[0]] if chart.level is not None else []
    x_axis = Axis.over([x for x, _ in points], chart.x_scale, chart.x_range, (left, right))
    y_axis = Axis.over([y for _, y in points] + levels, chart.y_scale, chart.y_range, (bottom, top))
    parts = [
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {chart.width} {chart.height}" role="img" '
            f'width="{chart.width}" height="{chart.height}" font-family="{FONT}" font-size="{FONT_SIZE}" fill="{INK}">'
        ),
        f"<title>{escape(chart.title)}</title>",
        f'<rect width="{chart.width}" height="{chart.height}" fill="#ffffff"/>',
        f'<text x="16" y="28" font-size="16" font-weight="600">{escape(chart.title)}</text>',
    ]
    if chart.subtitle:
        parts.append(f'<text x="16" y="48" fill="{QUIET}">{escape(chart.subtitle)}</text>')
    parts += _grid(x_axis, y_axis, chart)
    if chart.level is not None:
        parts += _level(y_axis.place(chart.level[0]), chart.level[1], x_axis)
    parts.append(
        f'<clipPath id="plot"><rect x="{left - 5:.1f}" y="{top - 5:.1f}" width="{right - left + 10:.1f}" '
        f'height="{bottom - top + 10:.1f}"/></clipPath><g clip-path="url(#plot)">'
    )
    for index, series in enumerate(chart.series):
        parts += _curve(series, _color(series, index), x_axis, y_axis)
    parts.append("</g>")
    for index, series in enumerate(chart.series):
        parts += _legend_entry(series, _color(series, index), right + 14, top + 10 + 20 * index)
    parts.append("</svg>")
    return "\n".join(parts) + "\n"


def cumulative(samples: Sequence[float]) -> list[Point]:
    """For each value among the samples the share of samples that are at most that large, for a curve of steps."""
    ordered = sorted(samples)
    count = len(ordered)
    return [
        (value, (index + 1) / count)
        for index, value in enumerate(ordered)
        if index + 1 == count or ordered[index + 1] != value
    ]


def percentiles(samples: Sequence[float], steps: int = 200) -> list[Point]:
    """A distribution curve of at most `steps` + 1 points, however many samples there are."""
    points = cumulative(samples)
    if len(points) <= steps:
        return points
    return [points[round(step * (len(points) - 1) / steps)] for step in range(steps + 1)]


def _grid(x_axis: Axis, y_axis: Axis, chart: Chart) -> list[str]:
    (left, right), (bottom, top) = x_axis.places, y_axis.places
    parts = []
    for value in y_axis.ticks(9):
        y = y_axis.place(value)
        label = chart.y_format(value) if chart.y_format else y_axis.label(value)
        parts.append(f'<path d="M{left:.1f} {y:.1f}H{right:.1f}" stroke="{FAINT}"/>')
        parts.append(f'<text x="{left - 8:.1f}" y="{y + 4:.1f}" text-anchor="end" fill="{QUIET}">{label}</text>')
    for value in x_axis.ticks(9):
        x = x_axis.place(value)
        label = chart.x_format(value) if chart.x_format else x_axis.label(value)
        parts.append(f'<path d="M{x:.1f} {bottom:.1f}V{top:.1f}" stroke="{FAINT}"/>')
        parts.append(f'<text x="{x:.1f}" y="{bottom + 18:.1f}" text-anchor="middle" fill="{QUIET}">{label}</text>')
    parts.append(f'<path d="M{left:.1f} {top:.1f}V{bottom:.1f}H{right:.1f}" fill="none" stroke="{INK}"/>')
    middle = (top + bottom) / 2
    parts.append(
        f'<text x="{(left + right) / 2:.1f}" y="{bottom + 40:.1f}" text-anchor="middle">{escape(chart.x_label)}</text>'
    )
    parts.append(
        f'<text transform="translate(18 {middle:.1f}) rotate(-90)" text-anchor="middle">{escape(chart.y_label)}</text>'
    )
    return parts


def _level(y: float, label: str, x_axis: Axis) -> list[str]:
    left, right = x_axis.places
    return [
        f'<path d="M{left:.1f} {y:.1f}H{right:.1f}" stroke="{QUIET}" stroke-dasharray="2 3"/>',
        f'<text x="{left + 8:.1f}" y="{y + 14:.1f}" fill="{QUIET}" font-size="11">{escape(label)}</text>',
    ]


def _curve(series: Series, color: str, x_axis: Axis, y_axis: Axis) -> list[str]:
    places = [(x_axis.place(x), y_axis.place(y)) for x, y in series.points]
    parts = []
    if series.line == "step":
        path = f"M{places[0][0]:.1f} {places[0][1]:.1f}" + "".join(f"H{x:.1f}V{y:.1f}" for x, y in places[1:])
    else:
        path = "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in places)
    if series.line != "none":
        parts.append(f'<path d="{path}" {_stroke(series, color)}/>')
    parts += [_dot(x, y, series, color) for x, y in places if series.markers != "none"]
    return parts


def _legend_entry(series: Series, color: str, x: float, y: float) -> list[str]:
    parts = [f'<text x="{x + 26:.1f}" y="{y + 4:.1f}">{escape(series.label)}</text>']
    if series.line != "none":
        parts.append(f'<path d="M{x:.1f} {y:.1f}h20" {_stroke(series, color)}/>')
    if series.markers != "none":
        parts.append(_dot(x + 10, y, series, color))
    return parts


def _stroke(series: Series, color: str) -> str:
    pattern = {"dashed": "6 4", "dotted": "1.5 4"}.get(series.line)
    dashes = f' stroke-dasharray="{pattern}"' if pattern else ""
    return f'fill="none" stroke="{color}" stroke-width="2" stroke-linejoin="round"{dashes}'


def _dot(x: float, y: float, series: Series, color: str) -> str:
    fill = "#ffffff" if series.markers == "hollow" else color
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.6" fill="{fill}" stroke="{color}" stroke-width="1.6"/>'


def _color(series: Series, index: int) -> str:
    return PALETTE[(index if series.color is None else series.color) % len(PALETTE)]


def _text_width(text: str) -> float:
    """Roughly: SVG cannot measure text before it is drawn."""
    return 0.56 * FONT_SIZE * len(text)


FONT = "Inter, Helvetica, Arial, 'DejaVu Sans', sans-serif"
FONT_SIZE = 12.5
INK, QUIET, FAINT = "#1f2937", "#5b6472", "#e5e7eb"
# Okabe and Ito's colours, which people with any colour vision can tell apart; yellow left out, too faint on white.
PALETTE = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#1f2937")

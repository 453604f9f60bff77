from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest

from fileshare.charts.axis import Axis, Scale
from fileshare.charts.svg import Chart, Series, cumulative, percentiles, render

SVG = "{http://www.w3.org/2000/svg}"


def chart(*series: Series, x_scale: Scale = Scale.LINEAR, level: tuple[float, str] | None = None) -> Chart:
    return Chart(title="a < b", x_label="x", y_label="y", series=series, x_scale=x_scale, level=level)


def test_a_chart_is_well_formed_and_always_the_same() -> None:
    drawing = chart(Series("one & only", [(1, 2), (3, 4)], markers="hollow"), Series("two", [(2, 2)], line="step"))
    text = render(drawing)
    assert text == render(drawing)
    root = ElementTree.fromstring(text)
    words = ["".join(element.itertext()) for element in root.iter(f"{SVG}text")]
    assert {"a < b", "x", "y", "one & only", "two"} <= set(words)
    assert len(list(root.iter(f"{SVG}circle"))) == 2 + 1  # and one in the legend


def test_curves_go_where_the_axes_say() -> None:
    text = render(chart(Series("line", [(0, 0), (10, 10)])))
    (path,) = re.findall(r'<path d="M([\d.]+) ([\d.]+)L([\d.]+) ([\d.]+)"', text)
    frame = re.search(r'd="M([\d.]+) ([\d.]+)V([\d.]+)H([\d.]+)" fill="none"', text)
    assert frame is not None
    left, top, bottom, right = frame.groups()
    assert path == (left, bottom, right, top)


def test_a_goal_is_within_the_picture() -> None:
    axis_label = re.compile(r">(\d+)</text>")
    text = render(chart(Series("line", [(0, 0), (10, 10)]), level=(40, "goal")))
    assert max(int(label) for label in axis_label.findall(text)) == 40
    assert ">goal</text>" in text


@pytest.mark.parametrize(
    ("scale", "bounds", "expected"),
    [
        (Scale.LINEAR, (0.0, 1.0), [0, 0.2, 0.4, 0.6, 0.8, 1]),
        (Scale.LINEAR, (-1.0, 7.0), [-1, 0, 1, 2, 3, 4, 5, 6, 7]),
        (Scale.LOG_2, (256.0, 2.0**20), [2.0**n for n in (8, 10, 12, 14, 16, 18, 20)]),
        (Scale.LOG_10, (20.0, 1500.0), [20, 50, 100, 200, 500, 1000]),
        (Scale.LOG_10, (1.0, 1e6), [1, 10, 100, 1e3, 1e4, 1e5, 1e6]),
    ],
)
def test_ticks_are_round_numbers(scale: Scale, bounds: tuple[float, float], expected: list[float]) -> None:
    axis = Axis.over([], scale, bounds, (0, 100))
    assert axis.ticks(9) == pytest.approx(expected)
    assert [axis.place(tick) for tick in axis.ticks(9)] == sorted(axis.place(tick) for tick in axis.ticks(9))


def test_powers_are_written_as_powers() -> None:
    axis = Axis.over([256.0, 1024.0], Scale.LOG_2, None, (0, 100))
    assert "".join(ElementTree.fromstring(f"<t>{axis.label(1024)}</t>").itertext()) == "210"
    assert Axis.over([0.0, 5000.0], Scale.LINEAR, None, (0, 1)).label(5000) == "5,000"


def test_what_cannot_be_drawn_is_refused() -> None:
    with pytest.raises(ValueError, match="point"):
        render(chart(Series("nothing", [])))
    with pytest.raises(ValueError, match="logarithmic"):
        render(chart(Series("zero", [(0, 1), (1, 1)]), x_scale=Scale.LOG_10))


def test_distributions() -> None:
    assert cumulative([3, 1, 1, 2]) == [(1, 0.5), (2, 0.75), (3, 1.0)]
    curve = percentiles(range(10_001), steps=100)
    assert len(curve) == 101
    value, share = curve[50]
    assert value == 5000
    assert share == pytest.approx(0.5, abs=1e-3)
    assert curve[-1] == (10_000, 1.0)

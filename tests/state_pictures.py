"""What pictures of state machines are made of: boxes, arrows with words beside them, and the frame around all."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from html import escape
from typing import TypeVar

S = TypeVar("S", bound=Enum)
E = TypeVar("E", bound=Enum)


@dataclass(frozen=True, slots=True)
class Arrow:
    """From one place to another; the label is written beside (`x`, `y`), line by line."""

    start: tuple[float, float]
    end: tuple[float, float]
    label: tuple[float, float]
    anchor: str = "middle"
    bend: tuple[float, float] | None = None


def ways(
    table: Mapping[S, Mapping[E, S]], events: Iterable[E], frames: Mapping[str, tuple[S, ...]]
) -> dict[tuple[S | str, S], list[E]]:
    """The events that lead from a state, or from all in a frame, to another state."""
    found: dict[tuple[S | str, S], list[E]] = {}
    for event in events:
        edges: dict[tuple[S | str, S], None] = {}
        for state, row in table.items():
            if event in row and row[event] is not state:
                edges[state, row[event]] = None
        for frame, inside in frames.items():
            for target in {target for source, target in edges if source in inside}:
                if all((state, target) in edges for state in inside):
                    edges = {edge: None for edge in edges if not (edge[0] in inside and edge[1] is target)}
                    edges[frame, target] = None
        for edge in edges:
            found.setdefault(edge, []).append(event)
    return found


def head(title: str, width: int, height: int) -> str:
    """The beginning of a picture; `</svg>` ends it."""
    return HEAD.format(title=escape(title), w=width, h=height)


def box(name: str, x: float, y: float, *, width: float = 130) -> Iterator[str]:
    """A state, with (x, y) in its middle."""
    yield f'<rect class="state" x="{x - width / 2:g}" y="{y - 22:g}" width="{width}" height="44" rx="10"/>'
    yield f'<text class="name" x="{x}" y="{y + 5}">{escape(name)}</text>'


def drawn(arrow: Arrow, lines: list[str]) -> Iterator[str]:
    """The arrow, and what leads along it: one line or more for each."""
    (x1, y1), (x2, y2) = arrow.start, arrow.end
    middle = f"Q{arrow.bend[0]} {arrow.bend[1]} " if arrow.bend else "L"
    yield f'<path class="way" d="M{x1} {y1} {middle}{x2} {y2}"/>'
    words = [word for line in lines for word in _broken(line)]
    x, y = arrow.label
    for number, word in enumerate(words):
        at = y + 13 * (number - (len(words) - 1) / 2)
        yield f'<text class="label" text-anchor="{arrow.anchor}" x="{x}" y="{at:g}">{escape(word)}</text>'


def _broken(line: str) -> list[str]:
    """In lines of about equal length, short enough to stand between two states."""
    words, lines = line.split(), [""]
    for word in words:
        if lines[-1] and len(lines[-1]) + len(word) >= MAX_LABEL:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return lines


MAX_LABEL = 20
HEAD = """<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {w} {h}" font-family="sans-serif" font-size="12">
<title>{title}</title>
<style>
.frame {{ fill: none; stroke: #999; stroke-dasharray: 5 4 }}
.state {{ fill: #eaf2fb; stroke: #2b6cb0 }}
.name {{ text-anchor: middle; font-size: 14px; fill: #111 }}
.label {{ fill: #333; stroke: #fff; stroke-width: 3px; paint-order: stroke }}
.way {{ fill: none; stroke: #555; marker-end: url(#tip) }}
</style>
<marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" orient="auto">
<path d="M0 0 L8 4 L0 8 z" fill="#555"/>
</marker>
<rect width="{w}" height="{h}" fill="#fff"/>"""

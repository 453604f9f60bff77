"""Draws `bittorrent.lifecycle.table` for people: `python -m tests.torrent_states` writes the picture and the tables of
docs/reference/torrent-states.md anew. `tests/unit/bittorrent/lifecycle/test_page.py` compares them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from html import escape
from pathlib import Path

from bittorrent.lifecycle.table import SHOWN_AS, TABLE, Action, Event, Phase, Step

DOCS = Path(__file__).parents[1] / "docs"
PAGE = DOCS / "reference" / "torrent-states.md"
PICTURE = DOCS / "pictures" / "torrent_states.svg"
BEGIN, END = "<!-- drawn by tests/torrent_states.py -->", "<!-- until here -->"

Table = Mapping[Phase, Mapping[Event, Step]]
ALL, EXCHANGE = "ALL", "EXCHANGE"  # frames around states, whose arrows all states inside have
FRAMES: Mapping[str, tuple[Phase, ...]] = {
    ALL: tuple(phase for phase in Phase if phase is not Phase.STOPPED),
    EXCHANGE: (Phase.DOWNLOADING, Phase.FINISHED, Phase.SEEDING),
}


# The tables


def tables(table: Table = TABLE) -> str:
    """What stands on the page between the marks."""
    return "\n".join([*_states(), "", *_matrix(table), "", *_actions(table)])


def _states() -> Iterator[str]:
    yield "| state in the table | as users see it (`TorrentState`) |"
    yield "|---|---|"
    for phase in Phase:
        yield f"| {phase.value} | `{SHOWN_AS[phase].name}` |"


def _matrix(table: Table) -> Iterator[str]:
    phases = [phase for phase in Phase if phase is not Phase.STOPPED]
    yield f"| what happens | {' | '.join(phase.value for phase in phases)} |"
    yield f"|---{'|---' * len(phases)}|"
    for event in Event:
        cells = [_cell(table[phase].get(event), phase) for phase in phases]
        yield f"| {event.value} | {' | '.join(cells)} |"


def _cell(step: Step | None, phase: Phase) -> str:
    if step is None:
        return "-"
    return "·" if step.to is phase else f"**{step.to.value}**"


def _actions(table: Table) -> Iterator[str]:
    yield "| what happens | in which state | what is done |"
    yield "|---|---|---|"
    for event in Event:
        by_actions: dict[tuple[Action, ...], list[Phase]] = {}
        for phase in Phase:
            step = table[phase].get(event)
            if step is not None and step.actions:
                by_actions.setdefault(step.actions, []).append(phase)
        for actions, phases in by_actions.items():
            where = "any" if len(phases) == len(Phase) - 1 else ", ".join(phase.value for phase in phases)
            yield f"| {event.value} | {where} | {'; '.join(action.value for action in actions)} |"


def page(text: str) -> str:
    """The page with its tables as they must be."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n{tables()}\n\n{END}{after}"


# The picture


@dataclass(frozen=True, slots=True)
class Arrow:
    """From one place to another; the label is written beside (`x`, `y`), line by line."""

    start: tuple[float, float]
    end: tuple[float, float]
    label: tuple[float, float]
    anchor: str = "middle"
    bend: tuple[float, float] | None = None


PLACES: Mapping[Phase, tuple[float, float]] = {
    Phase.METADATA: (90, 115),
    Phase.CHECKING: (275, 115),
    Phase.DOWNLOADING: (495, 115),
    Phase.FINISHED: (745, 115),
    Phase.SEEDING: (995, 115),
    Phase.RECHECKING: (745, 260),
    Phase.FAILED: (495, 375),
    Phase.FAILED_RECHECKING: (745, 375),
    Phase.STOPPED: (505, 490),
}
FRAME_PLACES: Mapping[str, tuple[float, float, float, float]] = {
    ALL: (10, 10, 1080, 425),
    EXCHANGE: (405, 25, 670, 150),
}
ARROWS: Mapping[tuple[Phase | str, Phase], Arrow] = {
    (Phase.METADATA, Phase.CHECKING): Arrow((155, 115), (209, 115), (182, 82)),
    (Phase.CHECKING, Phase.DOWNLOADING): Arrow((340, 115), (429, 115), (360, 80)),
    (Phase.DOWNLOADING, Phase.FINISHED): Arrow((560, 108), (679, 108), (620, 89)),
    (Phase.FINISHED, Phase.DOWNLOADING): Arrow((680, 124), (561, 124), (620, 146)),
    (Phase.FINISHED, Phase.SEEDING): Arrow((810, 115), (929, 115), (870, 136)),
    (Phase.DOWNLOADING, Phase.SEEDING): Arrow((530, 93), (960, 92), (870, 44), bend=(745, 16)),
    (EXCHANGE, Phase.RECHECKING): Arrow((765, 175), (765, 237), (773, 211), "start"),
    (Phase.RECHECKING, Phase.DOWNLOADING): Arrow((690, 238), (530, 138), (586, 214)),
    (EXCHANGE, Phase.FAILED): Arrow((450, 175), (450, 352), (442, 270), "end"),
    (Phase.FAILED, Phase.DOWNLOADING): Arrow((485, 353), (485, 138), (493, 290), "start"),
    (Phase.RECHECKING, Phase.FAILED_RECHECKING): Arrow((765, 282), (765, 352), (773, 321), "start"),
    (Phase.FAILED_RECHECKING, Phase.RECHECKING): Arrow((725, 353), (725, 283), (717, 321), "end"),
    (Phase.FAILED, Phase.FAILED_RECHECKING): Arrow((560, 368), (659, 368), (610, 352)),
    (Phase.FAILED_RECHECKING, Phase.FAILED): Arrow((660, 384), (561, 384), (610, 404)),
    (ALL, Phase.STOPPED): Arrow((505, 435), (505, 467), (513, 456), "start"),
}


def transitions(table: Table) -> dict[tuple[Phase | str, Phase], list[Event]]:
    """The events that lead from a state, or from all in a frame, to another state."""
    found: dict[tuple[Phase | str, Phase], list[Event]] = {}
    for event in Event:
        edges: dict[tuple[Phase | str, Phase], None] = {}
        for phase in Phase:
            step = table[phase].get(event)
            if step is not None and step.to is not phase:
                edges[phase, step.to] = None
        for frame, inside in FRAMES.items():
            targets = {to for source, to in edges if source in inside}
            for to in targets:
                if all((phase, to) in edges for phase in inside):
                    edges = {edge: None for edge in edges if not (edge[0] in inside and edge[1] is to)}
                    edges[frame, to] = None
        for edge in edges:
            found.setdefault(edge, []).append(event)
    return found


def picture(table: Table = TABLE) -> str:
    """The states and the ways between them.

    Raises:
        ValueError: the table has other ways than `ARROWS` has places for.
    """
    ways = transitions(table)
    if ways.keys() != ARROWS.keys():
        raise ValueError(f"give these a place, or take it away: {ways.keys() ^ ARROWS.keys()}")
    parts = [HEAD]
    for x, y, width, height in FRAME_PLACES.values():
        parts.append(f'<rect class="frame" x="{x}" y="{y}" width="{width}" height="{height}" rx="14"/>')
    for edge, events in ways.items():
        parts += _arrow(ARROWS[edge], [event.value for event in events])
    for phase, (x, y) in PLACES.items():
        width = 170 if phase is Phase.FAILED_RECHECKING else 130
        parts.append(f'<rect class="state" x="{x - width / 2:g}" y="{y - 22:g}" width="{width}" height="44" rx="10"/>')
        parts.append(f'<text class="name" x="{x}" y="{y + 5}">{escape(phase.value)}</text>')
    return "\n".join([*parts, "</svg>", ""])


def _arrow(arrow: Arrow, lines: list[str]) -> Iterator[str]:
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
HEAD = """<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1100 525" font-family="sans-serif" font-size="12">
<title>The states of a torrent</title>
<style>
.frame { fill: none; stroke: #999; stroke-dasharray: 5 4 }
.state { fill: #eaf2fb; stroke: #2b6cb0 }
.name { text-anchor: middle; font-size: 14px; fill: #111 }
.label { fill: #333; stroke: #fff; stroke-width: 3px; paint-order: stroke }
.way { fill: none; stroke: #555; marker-end: url(#tip) }
</style>
<marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" orient="auto">
<path d="M0 0 L8 4 L0 8 z" fill="#555"/>
</marker>
<rect width="1100" height="525" fill="#fff"/>"""


def main() -> None:
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    PICTURE.write_text(picture(), encoding="utf-8")


if __name__ == "__main__":
    main()

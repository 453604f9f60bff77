"""Draws `bittorrent.lifecycle.table` for people: `python -m tests.torrent_states` writes the picture and the tables of
docs/reference/torrent-states.md anew. `tests/unit/bittorrent/lifecycle/test_page.py` compares them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from bittorrent.lifecycle.table import SHOWN_AS, TABLE, Action, Event, Phase, Step
from tests.state_pictures import Arrow, box, drawn, head, ways

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
    targets = {phase: {event: step.to for event, step in row.items()} for phase, row in table.items()}
    return ways(targets, Event, FRAMES)


def picture(table: Table = TABLE) -> str:
    """The states and the ways between them.

    Raises:
        ValueError: the table has other ways than `ARROWS` has places for.
    """
    found = transitions(table)
    if found.keys() != ARROWS.keys():
        raise ValueError(f"give these a place, or take it away: {found.keys() ^ ARROWS.keys()}")
    parts = [head("The states of a torrent", 1100, 525)]
    for x, y, width, height in FRAME_PLACES.values():
        parts.append(f'<rect class="frame" x="{x}" y="{y}" width="{width}" height="{height}" rx="14"/>')
    for edge, events in found.items():
        parts += drawn(ARROWS[edge], [event.value for event in events])
    for phase, (x, y) in PLACES.items():
        parts += box(phase.value, x, y, width=170 if phase is Phase.FAILED_RECHECKING else 130)
    return "\n".join([*parts, "</svg>", ""])


def main() -> None:
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    PICTURE.write_text(picture(), encoding="utf-8")


if __name__ == "__main__":
    main()

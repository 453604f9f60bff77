"""Draws `transfer.congestion.bbr.table` for people: `python -m tests.bbr_states` writes the picture and the tables of
docs/reference/bbr-states.md anew. `tests/unit/transfer/congestion/bbr/test_page.py` compares them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from tests.state_pictures import Arrow, box, drawn, head, ways
from transfer.congestion.bbr.table import CONTROL, CYCLE, TABLE, Event, State

DOCS = Path(__file__).parents[1] / "docs"
PAGE = DOCS / "reference" / "bbr-states.md"
PICTURE = DOCS / "pictures" / "bbr_states.svg"
BEGIN, END = "<!-- drawn by tests/bbr_states.py -->", "<!-- until here -->"

Table = Mapping[State, Mapping[Event, State]]
ALL, PROBE_BW = "ALL", "PROBE_BW"  # frames around states, whose arrows all states inside have
FRAMES: Mapping[str, tuple[State, ...]] = {
    ALL: tuple(state for state in State if state is not State.PROBE_RTT),
    PROBE_BW: CYCLE,
}


def tables(table: Table = TABLE) -> str:
    """What stands on the page between the marks."""
    return "\n".join([*_control(), "", *_matrix(table)])


def _control() -> Iterator[str]:
    yield "| state | tactic | pacing gain | window gain | the window is bounded by |"
    yield "|---|---|---|---|---|"
    for state, control in CONTROL.items():
        gains = f"{control.pacing_gain:g} | {control.cwnd_gain:g}"
        yield f"| {state.value} | {control.tactic} | {gains} | {control.cap.value} |"


def _matrix(table: Table) -> Iterator[str]:
    yield f"| what is found out | {' | '.join(state.value for state in State)} |"
    yield f"|---{'|---' * len(State)}|"
    for event in Event:
        cells = [f"**{table[state][event].value}**" if event in table[state] else "-" for state in State]
        yield f"| {event.value} | {' | '.join(cells)} |"


def page(text: str) -> str:
    """The page with its tables as they must be."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n{tables()}\n\n{END}{after}"


PLACES: Mapping[State, tuple[float, float]] = {
    State.STARTUP: (95, 130),
    State.DRAIN: (345, 130),
    State.DOWN: (650, 130),
    State.CRUISE: (960, 130),
    State.UP: (650, 370),
    State.REFILL: (960, 370),
    State.PROBE_RTT: (345, 530),
}
FRAME_PLACES: Mapping[str, tuple[float, float, float, float]] = {
    ALL: (10, 10, 1165, 430),
    PROBE_BW: (530, 60, 610, 350),
}
ARROWS: Mapping[tuple[State | str, State], Arrow] = {
    (State.STARTUP, State.DRAIN): Arrow((160, 122), (279, 122), (220, 88)),
    (State.DRAIN, State.STARTUP): Arrow((280, 139), (161, 139), (220, 160)),
    (State.DRAIN, State.DOWN): Arrow((410, 130), (584, 130), (470, 104)),
    (PROBE_BW, State.STARTUP): Arrow((530, 290), (130, 153), (330, 290), bend=(240, 285)),
    (State.DOWN, State.CRUISE): Arrow((715, 130), (894, 130), (805, 106)),
    (State.CRUISE, State.REFILL): Arrow((970, 152), (970, 347), (978, 275), "start"),
    (State.DOWN, State.REFILL): Arrow((690, 152), (900, 347), (668, 300), "start"),
    (State.REFILL, State.UP): Arrow((895, 370), (716, 370), (805, 388)),
    (State.UP, State.DOWN): Arrow((660, 348), (660, 153), (652, 235), "end"),
    (ALL, State.PROBE_RTT): Arrow((345, 440), (345, 507), (353, 478), "start"),
    (State.PROBE_RTT, State.CRUISE): Arrow((410, 533), (1026, 135), (700, 505), bend=(1420, 540)),
    (State.PROBE_RTT, State.STARTUP): Arrow((280, 530), (80, 153), (115, 370), "start", bend=(80, 520)),
}


def picture(table: Table = TABLE) -> str:
    """The states and the ways between them.

    Raises:
        ValueError: the table has other ways than `ARROWS` has places for.
    """
    found = ways(table, Event, FRAMES)
    if found.keys() != ARROWS.keys():
        raise ValueError(f"give these a place, or take it away: {found.keys() ^ ARROWS.keys()}")
    parts = [head("The states of BBR version 3", 1185, 565)]
    for x, y, width, height in FRAME_PLACES.values():
        parts.append(f'<rect class="frame" x="{x}" y="{y}" width="{width}" height="{height}" rx="14"/>')
    for edge, events in found.items():
        parts += drawn(ARROWS[edge], [event.value for event in events])
    for state, (x, y) in PLACES.items():
        parts += box(state.value, x, y)
    return "\n".join([*parts, "</svg>", ""])


def main() -> None:
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    PICTURE.write_text(picture(), encoding="utf-8")


if __name__ == "__main__":
    main()

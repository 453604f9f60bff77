"""docs/reference/bbr-states.md and its picture show the table as it is."""

from __future__ import annotations

import pytest

from tests.bbr_states import PAGE, PICTURE, page, picture, tables
from transfer.congestion.bbr.table import TABLE, Event, State

ADVICE = "run `python -m tests.bbr_states` and look at what has changed"


def test_the_page_shows_the_table() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert tables() in text, ADVICE
    assert page(text) == text, ADVICE


def test_the_picture_shows_the_table() -> None:
    assert PICTURE.read_text(encoding="utf-8") == picture(), ADVICE


def test_another_table_is_another_page() -> None:
    other = {**TABLE, State.CRUISE: {**TABLE[State.CRUISE], Event.ROOM_LEFT: State.STARTUP}}
    assert tables(other) != tables()
    with pytest.raises(ValueError, match="give these a place"):
        picture(other)

"""The smallest value of each setting that is taken, and that the next smaller one is refused."""

from __future__ import annotations

from dataclasses import fields
from math import nextafter

import pytest

from bittorrent.picker.config import PickerConfig

ABOVE_ZERO, ABOVE_ONE = nextafter(0.0, 1.0), nextafter(1.0, 2.0)
LEAST: dict[str, tuple[float, float]] = {
    "random_first_pieces": (0, -1),
    "open_pieces_per_peer": (ABOVE_ZERO, 0.0),
    "max_open_blocks": (1, 0),
    "max_partial_pieces": (1, 0),
    "max_partial_bytes": (1, 0),
    "endgame_requesters": (1, 0),
    "endgame_patience_s": (ABOVE_ZERO, 0.0),
    "endgame_requests": (1, 0),
    "whole_piece_s": (ABOVE_ZERO, 0.0),
    "steal_factor": (ABOVE_ONE, 1.0),
    "parole_turn_s": (ABOVE_ZERO, 0.0),
    "max_deadlines": (1, 0),
    "critical_requesters": (1, 0),
    "late_after_s": (ABOVE_ZERO, 0.0),
    "late_blocks": (0, -1),
}


def test_every_setting_has_a_least_value() -> None:
    assert LEAST.keys() == {field.name for field in fields(PickerConfig)}


@pytest.mark.parametrize(("name", "least", "refused"), [(name, *values) for name, values in LEAST.items()])
def test_the_least_value_is_taken_and_the_next_one_refused(name: str, least: float, refused: float) -> None:
    PickerConfig(**{name: least})  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"must be|cannot be"):
        PickerConfig(**{name: refused})  # type: ignore[arg-type]

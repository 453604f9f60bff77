"""Whoever takes all connections and gives nothing, or takes nothing, makes room for others in time."""

from __future__ import annotations

from functools import partial

import pytest

from tests.simulation import squatters
from tests.simulation.odd_peers import Manner
from transfer.simulation import run


@pytest.mark.parametrize("manner", [Manner.CHOKES, Manner.EMPTY, Manner.PROMISES, Manner.DRIPS, Manner.REFUSES])
@pytest.mark.parametrize("come_back", [False, True])
def test_a_seed_is_called_although_strangers_hold_every_connection(manner: Manner, come_back: bool) -> None:
    assert run(partial(squatters.squat, manner=manner, come_back=come_back)).result < 90


def test_a_seed_lets_somebody_in_although_strangers_hold_every_connection() -> None:
    assert run(squatters.squat_at_a_seed).result < 90

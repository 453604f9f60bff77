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


@pytest.mark.parametrize("calls", [False, True], ids=["come", "are called"])
@pytest.mark.parametrize("manner", [Manner.CHOKES, Manner.EMPTY, Manner.DRIPS])
def test_a_torrent_that_has_no_peer_gets_one_although_strangers_fill_the_session_through_others(
    manner: Manner, calls: bool
) -> None:
    took_s, staying, said = run(partial(squatters.squat_elsewhere, manner=manner, calls=calls)).result
    assert took_s < 10
    assert staying <= 30, "what was borrowed of the reserve was given back"
    assert ("of 30 inbound connections and refused" in said) == (not calls)

"""No combination of odd peers stops a download for good, or without a reason that it can name."""

from __future__ import annotations

from functools import partial

import pytest

from bittorrent.swarm.explain import SlowReason
from tests.simulation import pauses, stalls
from tests.simulation.odd_peers import Manner
from transfer.simulation import run

NAMED = {
    Manner.MUTE: SlowReason.NO_PEERS,
    Manner.CHOKES: SlowReason.CHOKED,
    Manner.PROMISES: SlowReason.SNUBBED,
    Manner.HALF_A_BLOCK: SlowReason.SNUBBED,
    Manner.DRIPS: SlowReason.SNUBBED,
    Manner.SLOW: SlowReason.REMOTE_SLOW,
    Manner.LATE: SlowReason.SNUBBED,
    Manner.TEASES: SlowReason.CHOKED,
    Manner.REFUSES: SlowReason.REFUSED,
    Manner.LEAVES: SlowReason.NO_PEERS,
    Manner.RESTS: SlowReason.SNUBBED,
    Manner.EMPTY: SlowReason.NOTHING_NEEDED,
    Manner.LIES: SlowReason.NO_PEERS,
}


@pytest.mark.parametrize("manner", stalls.ODD, ids=lambda manner: manner.name)
def test_a_lone_odd_peer_is_explained(manner: Manner) -> None:
    outcome = run(partial(stalls.among, manners=(manner,), rescue_at_s=200.0)).result
    assert NAMED[manner] in outcome.reasons
    assert SlowReason.ALL_REQUESTED not in outcome.reasons, "there is nobody else"
    assert outcome.took_s < 30


@pytest.mark.parametrize("manner", stalls.ODD, ids=lambda manner: manner.name)
def test_what_a_liar_spoilt_is_not_left_to_an_odd_peer_for_ever(manner: Manner) -> None:
    outcome = run(partial(stalls.among, manners=(Manner.LIES, manner, manner), rescue_at_s=50.0)).result
    assert outcome.took_s < 60


def test_a_spoilt_piece_is_taken_over_from_a_peer_that_is_slow_but_never_silent() -> None:
    scenario = partial(stalls.among, manners=(Manner.LIES, Manner.SLOW), rescue_at_s=400.0, piece_length=1 << 18)
    assert run(scenario).result.took_s < 60  # the slow one would need minutes


@pytest.mark.parametrize("manners", [(), (Manner.MUTE,), (Manner.MUTE,) * 4])
def test_a_download_that_meets_nobody_gives_up_in_time(manners: tuple[Manner, ...]) -> None:
    ended_at, reason = run(partial(stalls.alone, manners=manners, timeout_s=100.0)).result
    assert 100 <= ended_at < 101
    assert reason.startswith("no peer could be reached; name a peer that has it")


def test_any_few_odd_peers_are_explained_and_an_honest_one_is_enough() -> None:
    met = set()
    for seed in range(10):
        outcome = run(stalls.ordeal, seed=seed).result
        met |= set(outcome.manners)
        assert outcome.took_s < 90, (seed, outcome)
    assert len(met) > 10


@pytest.mark.parametrize("seed", range(2))
def test_pauses_in_mid_piece_cost_nothing_but_time(seed: int) -> None:
    outcome = run(pauses.again_and_again, seed=seed).result
    assert outcome.in_mid_piece == outcome.pauses >= 8
    assert outcome.moved_while_paused == 0
    assert outcome.fetched == pauses.SIZE, "what was fetched of an unfinished piece is kept"
    assert outcome.events == ["started", "stopped"] * outcome.pauses + ["started", "completed"]

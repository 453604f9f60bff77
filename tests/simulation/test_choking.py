"""Who is served in swarms of real sessions: givers before takers, newcomers soon, by a seed whom it means to."""

from __future__ import annotations

from functools import partial

import pytest

from bittorrent.swarm.uploading.choker import SeedingPolicy
from tests.simulation import choking
from tests.simulation.choking import jains_index
from transfer.simulation import Scenario, SimulatedStreamConfig, run

# About what congestion control leaves under way on a slow line: the simulation has none of its own.
STREAM = SimulatedStreamConfig(window_bytes=1 << 14, segment_bytes=1 << 12)


def outcome(scenario: Scenario[choking.T], *, seed: int) -> choking.T:
    return run(scenario, seed=seed, link=choking.LINK, stream=STREAM).result


def test_equals_get_the_same_and_free_riders_clearly_less() -> None:
    scenario = partial(choking.tit_for_tat, contributors=6, free_riders=2, size=8 << 20, up_bytes_per_s=30e3)
    trades = [outcome(scenario, seed=seed) for seed in (0, 1)]
    for trade in trades:
        assert jains_index(trade.contributors.values()) > 0.9
    taken = sum(sum(trade.free_riders.values()) / 2 for trade in trades)
    earned = sum(sum(trade.contributors.values()) / 6 for trade in trades)
    assert 0 < taken < 0.85 * earned  # without tit for tat they get far more, for nothing else is on their lines


def test_a_newcomer_gets_its_first_piece_through_an_optimistic_unchoke() -> None:
    waited_s = outcome(partial(choking.newcomer, optimistic_slots=1, within_s=90.0), seed=1)
    assert waited_s is not None
    assert waited_s < 60
    assert outcome(partial(choking.newcomer, optimistic_slots=0, within_s=60.0), seed=1) is None


@pytest.mark.parametrize("policy", SeedingPolicy)
def test_a_seed_serves_whom_its_policy_means(policy: SeedingPolicy) -> None:
    shares = outcome(partial(choking.seeding, policy=policy, seconds=120.0), seed=1)
    match policy:
        case SeedingPolicy.ROUND_ROBIN:
            assert jains_index(shares) > 0.9
        case SeedingPolicy.FASTEST_UPLOAD:
            assert shares[4] + shares[5] > 0.6  # two of three slots, nearly always
            assert jains_index(shares) < 0.8
        case SeedingPolicy.ANTI_LEECH:
            assert shares[5] > 0.3  # it has nothing yet
            assert shares[0] + shares[4] > 0.3  # nearly everything, and nearly nothing
            assert shares[2] + shares[3] < 0.2

"""Lookups succeed while nodes come and go; the benchmark `dht_churn` does the same with more of them."""

from __future__ import annotations

import math
import random
from functools import partial

from benchmarks.dht_churn import LINK, percentiles, scenario
from tests.simulation.churning_network import residual_s
from transfer.simulation import run
from transfer.simulation.workloads import Weibull


def test_lookups_succeed_while_half_of_the_nodes_change() -> None:
    sessions = Weibull(0.6, 120.0)  # short, so that little virtual time does it; hence the short interval, too
    work = partial(
        scenario, nodes=30, sessions=sessions, aggressive=False, warm_s=120.0, busy_s=240.0, announce_interval_s=60.0
    )
    figures = run(work, seed=2, link=LINK).result
    assert figures.sessions_ended > 15
    assert figures.lookups > 60
    assert figures.found >= 0.97 * figures.lookups
    assert figures.found_closest >= 0.93 * figures.node_lookups  # somebody who is just joining is not known yet
    assert percentiles(figures.first_peer_s)[0] < 0.3
    assert 0 < figures.quiet_bytes_per_s < 1000


def test_sessions_met_in_the_middle_have_their_mean_residual_life() -> None:
    """E[X^2] / 2 E[X], for any distribution; here of a Weibull one."""
    rng = random.Random(1)
    sessions = Weibull(0.8, 60.0)
    second_moment = sessions.scale_s**2 * math.gamma(1 + 2 / sessions.shape)
    drawn = [residual_s(sessions, rng) for _ in range(50_000)]
    assert math.isclose(sum(drawn) / len(drawn), second_moment / (2 * sessions.mean_s), rel_tol=0.03)

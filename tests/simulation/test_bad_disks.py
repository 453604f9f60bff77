"""A full disk stops nothing but the writing, and what a disk got wrong is found and fetched again."""

from __future__ import annotations

import pytest

from tests.simulation import bad_disks
from transfer.simulation import run


@pytest.mark.parametrize("seed", range(3))
def test_a_disk_that_runs_full_again_and_again_costs_only_time(seed: int) -> None:
    outcome = run(bad_disks.full_again_and_again, seed=seed).result
    assert outcome.failures > 3
    assert outcome.fetched == bad_disks.SIZE, "what was fetched waits until there is room"


@pytest.mark.parametrize("seed", range(2))
def test_what_a_disk_got_wrong_is_found_by_a_check_and_fetched_again(seed: int) -> None:
    lost = run(bad_disks.wrong_bits, seed=seed).result
    assert lost[0] > 0
    assert lost[-1] == 0

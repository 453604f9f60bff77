"""A DHT that somebody else wrote, as it is on the package index."""

from __future__ import annotations

import pytest

from tests.simulation.digests import check_one_seed_is_one_run
from transfer.simulation import run

pytest.importorskip("kademlia", reason="pip install kademlia==2.2.3")


def test_it_stores_and_finds_values() -> None:
    from tests.simulation import kademlia_package

    assert run(kademlia_package.small, seed=1).result == 10


def test_one_seed_is_one_run_in_every_process() -> None:
    from tests.simulation import kademlia_package

    check_one_seed_is_one_run(kademlia_package.small)

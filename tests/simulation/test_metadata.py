"""Metadata of a magnet link comes as soon as somebody honest is there, and only who sends wrong bytes is banned."""

from __future__ import annotations

from functools import partial

import pytest

from tests.simulation import metadata_lies
from tests.simulation.odd_peers import Metadata
from transfer.simulation import run

LIES = {Metadata.TOO_SHORT, Metadata.TOO_LONG, Metadata.WRONG}
IN_THE_END_HONEST = {Metadata.WRONG_TOTAL, Metadata.DRIPS, Metadata.HONEST}


@pytest.mark.parametrize("way", Metadata, ids=lambda way: way.name)
def test_one_way_to_hand_out_metadata(way: Metadata) -> None:
    learnt = run(partial(metadata_lies.among, ways=(way,))).result
    assert learnt.early is (way in IN_THE_END_HONEST)
    assert learnt.took_s < 1
    assert learnt.banned == ({way} & LIES)


@pytest.mark.parametrize("way", [way for way in Metadata if way not in IN_THE_END_HONEST], ids=lambda way: way.name)
def test_many_of_a_kind_do_not_keep_an_honest_one_waiting(way: Metadata) -> None:
    learnt = run(partial(metadata_lies.among, ways=(way,) * 9)).result
    assert not learnt.early
    assert learnt.took_s < 50  # nine that are silent, three at a time, for fifteen seconds


def test_any_few_ways() -> None:
    met = set()
    for seed in range(8):
        learnt = run(metadata_lies.ordeal, seed=seed).result
        met |= set(learnt.ways)
        assert learnt.took_s < 50
        assert learnt.banned <= LIES
    assert len(met) > 7

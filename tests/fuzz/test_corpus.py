"""What the fuzzing campaigns found, again; and a short campaign of its own."""

from __future__ import annotations

import pytest

from tests.fuzz.campaign import campaign, load
from tests.fuzz.targets import TARGETS


@pytest.mark.parametrize("name", TARGETS)
def test_the_corpus_holds(name: str) -> None:
    inputs = load(name)
    assert inputs
    for data in inputs:
        TARGETS[name].run(data)


@pytest.mark.parametrize("name", TARGETS)
def test_a_short_campaign_finds_nothing(name: str) -> None:
    kept, culprit, error = campaign(name, TARGETS[name], 300, seed=7)
    assert culprit is None, f"{error}: {culprit.hex() if culprit else ''}"
    assert kept

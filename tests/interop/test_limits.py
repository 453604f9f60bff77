"""Attacks on a session at reduced sizes, and an honest libtorrent peer in the middle: `python -m benchmarks limits`."""

from __future__ import annotations

from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.limits.__main__ import QUICK, Arena

pytestmark = pytest.mark.interop

SIZES = replace(QUICK, content_mib=4, attempts=300, attempts_per_s=300.0, stayers=90, inbound=64, descriptors=96)


async def test_attackers_are_refused_with_a_reason_and_an_honest_peer_is_served(tmp_path: Path) -> None:
    arena = Arena(tmp_path, SIZES)
    async with AsyncExitStack() as stack:
        victim = await arena.victim(stack, config={"max_inbound": SIZES.inbound, "max_handshaking": 32})
        outcome = await arena.attacked(
            victim, lambda crowd: crowd.attempt(victim.address, SIZES.attempts, per_s=SIZES.attempts_per_s), 0.2
        )
        assert outcome.refusals["max_handshaking"] > 0
        assert outcome.after["descriptors"] <= outcome.before["descriptors"]
        assert not any(used for used, _ in outcome.after["usage"].values())
        outcome = await arena.attacked(
            victim, lambda crowd: crowd.stay(victim.address, arena.info_hashes, SIZES.stayers, per_s=150.0), 1.0
        )
        assert 56 <= outcome.attackers["connected"] <= 60, "64, less the reserve of four; the honest one had a place"
        assert outcome.refusals["max_inbound"] >= 25
        assert outcome.after["descriptors"] <= outcome.before["descriptors"]
        assert not any(used for used, _ in outcome.after["usage"].values())


async def test_few_descriptors_are_refused_before_they_run_out(tmp_path: Path) -> None:
    arena = Arena(tmp_path, SIZES)
    async with AsyncExitStack() as stack:
        victim = await arena.victim(stack, descriptors=SIZES.descriptors)
        outcome = await arena.attacked(
            victim, lambda crowd: crowd.stay(victim.address, arena.info_hashes, SIZES.stayers, per_s=150.0), 1.0
        )
        assert outcome.refusals["max_descriptors"] > 0
        assert outcome.during["descriptors"] < SIZES.descriptors
        assert outcome.after["descriptors"] <= outcome.before["descriptors"]

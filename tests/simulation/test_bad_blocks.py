"""A version 2 torrent with a corrupting peer: the block is named, and its peer banned; nobody else is."""

from __future__ import annotations

from functools import partial

import pytest

from tests.simulation import bad_blocks
from transfer.simulation import run


@pytest.mark.parametrize("magnet", [True, False], ids=["magnet", "torrent"])
def test_the_bad_block_is_named_and_its_sender_banned(magnet: bool) -> None:
    named = 0
    for seed in range(2 if magnet else 1):
        outcome = run(partial(bad_blocks.swarm, magnet=magnet), link=bad_blocks.LOSSY, seed=seed).result
        for blocks, banned in zip(outcome.named, outcome.banned, strict=True):
            named += len(blocks)
            assert {block.sender.host for block in blocks if block.sender is not None} <= {bad_blocks.LIAR}
            for block in blocks:
                assert (block.index * bad_blocks.PIECE + block.begin) // 16384 % 5 == 0
            assert banned == ({bad_blocks.LIAR} if blocks else set())
    assert named

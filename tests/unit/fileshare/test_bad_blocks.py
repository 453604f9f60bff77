"""A bad block of a version 2 torrent is told once, with the peer that sent it."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest

from bittorrent import BadBlock
from fileshare.cli.output import Output
from fileshare.cli.service_view import ServiceView
from fileshare.service.bad_blocks import BadBlocks
from transfer.address import Address

if TYPE_CHECKING:
    from bittorrent import Torrent

SENT = BadBlock(3, 16384, 16384, Address("192.0.2.9", 6881))
KEPT = BadBlock(4, 0, 100, None)


def torrent(*blocks: BadBlock) -> Torrent:
    return cast("Torrent", SimpleNamespace(info_hash=b"h" * 20, name="film", bad_blocks=lambda: blocks))


def test_each_is_told_once(capsys: pytest.CaptureFixture[str]) -> None:
    watch, view = BadBlocks(), ServiceView(Output(as_json=True), several=False)
    for blocks in ((SENT,), (SENT, KEPT), (SENT, KEPT)):
        for event in watch.look(torrent(*blocks)):
            view.show(event)
    captured = capsys.readouterr()
    assert [json.loads(line) for line in captured.out.splitlines()] == [
        {
            "event": "bad_block",
            "info_hash": "68" * 20,
            "piece": 3,
            "begin": 16384,
            "length": 16384,
            "peer": "192.0.2.9:6881",
        },
        {"event": "bad_block", "info_hash": "68" * 20, "piece": 4, "begin": 0, "length": 100, "peer": None},
    ]
    sent, kept = captured.err.splitlines()
    assert sent.startswith("kad: film: bad data is fetched again: 16384 bytes at 16384 of piece 3 (from 192.0.2.9:6881")
    assert kept == "kad: film: bad data is fetched again: 100 bytes at 0 of piece 4 (kept from an earlier run)"


def test_what_is_remembered_is_bounded() -> None:
    watch = BadBlocks(max_blocks=2)
    blocks = [BadBlock(index, 0, 1, None) for index in range(4)]
    assert [event.block for event in watch.look(torrent(*blocks))] == blocks[:2]
    assert list(watch.look(torrent(*blocks))) == []

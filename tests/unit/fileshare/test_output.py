"""Text for people or JSON for programs, never both."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bittorrent.stats import LookupSummary, TorrentState
from fileshare.cli.output import Output, one_line
from transfer.address import Address


def test_json_is_one_object_per_line_and_nothing_else(capsys: pytest.CaptureFixture[str]) -> None:
    output = Output(as_json=True)
    output.say("for people")
    output.event("first", number=1)
    output.event("second")
    assert [json.loads(line) for line in capsys.readouterr().out.splitlines()] == [
        {"event": "first", "number": 1},
        {"event": "second"},
    ]


def test_people_see_no_json(capsys: pytest.CaptureFixture[str]) -> None:
    output = Output(as_json=False)
    output.event("first", number=1)
    output.say("a [red]name[/red] that is no markup")
    assert capsys.readouterr().out == "a [red]name[/red] that is no markup\n"


def test_long_text_is_not_broken_into_lines(capsys: pytest.CaptureFixture[str]) -> None:
    Output(as_json=False).say("magnet:?" + "x" * 300)
    assert capsys.readouterr().out == "magnet:?" + "x" * 300 + "\n"


def test_values_become_what_json_knows(capsys: pytest.CaptureFixture[str]) -> None:
    Output(as_json=True).event(
        "all",
        info_hash=b"\x01\xff",
        address=Address("::1", 6881),
        path=Path("a/b"),
        state=TorrentState.SEEDING,
        lookup=LookupSummary(hops=1, queries=2, elapsed_s=0.12345),
        several=(Address("127.0.0.1", 1), None),
    )
    assert json.loads(capsys.readouterr().out) == {
        "event": "all",
        "info_hash": "01ff",
        "address": "[::1]:6881",
        "path": "a/b",
        "state": "seeding",
        "lookup": {"hops": 1, "queries": 2, "elapsed_s": 0.123},
        "several": ["127.0.0.1:1", None],
    }


def test_complaints_go_to_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    Output(as_json=True).complain("no network")
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "kad: no network\n")


def test_what_strangers_wrote_cannot_break_the_line_or_steer_the_terminal() -> None:
    assert one_line("tracker says:\r\n\x1b[2Jgo\taway") == "tracker says: [2Jgo away"

"""Text for people or JSON for programs, never both."""

from __future__ import annotations

import errno
import json
import os
import sys
from pathlib import Path

import pytest

from bittorrent.stats import LookupSummary, TorrentState
from fileshare.cli.output import Output, OutputError
from fileshare.text import one_line
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


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0.000412, 0.000412),
        (0.00041277, 0.000413),
        (0.12345, 0.123),
        (0.99951, 1.0),
        (1234.56789, 1234.568),
        (0.0, 0.0),
    ],
)
def test_what_takes_microseconds_does_not_become_nothing(
    value: float, shown: float, capsys: pytest.CaptureFixture[str]
) -> None:
    """A node on this machine may answer within half a millisecond."""
    Output(as_json=True).event("answered", seconds=value, negative=-value)
    assert json.loads(capsys.readouterr().out) == {"event": "answered", "seconds": shown, "negative": -shown}


def test_complaints_go_to_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    Output(as_json=True).complain("no network")
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "kad: no network\n")


def test_what_strangers_wrote_cannot_break_the_line_or_steer_the_terminal() -> None:
    assert one_line("tracker says:\r\n\x1b[2Jgo\taway") == "tracker says: [2Jgo away"


class Stream:
    """Standard output that takes nothing any more."""

    encoding = "utf-8"

    def __init__(self, number: int) -> None:
        self._error = OSError(number, os.strerror(number))
        self.tries = 0

    def write(self, text: str) -> int:
        return len(text)

    def flush(self) -> None:
        self.tries += 1
        raise self._error

    def isatty(self) -> bool:
        return False

    def fileno(self) -> int:
        raise OSError("it has none")


@pytest.mark.parametrize("as_json", [True, False])
def test_who_reads_a_pipe_and_leaves_ends_the_command(as_json: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", Stream(errno.EPIPE))
    output = Output(as_json=as_json)
    with pytest.raises(BrokenPipeError):
        output.event("x") if as_json else output.say("x")


@pytest.mark.parametrize("as_json", [True, False])
def test_a_full_disk_is_an_error_that_names_standard_output(as_json: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", Stream(errno.ENOSPC))
    output = Output(as_json=as_json)
    with pytest.raises(OutputError, match=r"^cannot write to standard output: No space left on device$"):
        output.event("x") if as_json else output.say("x")


@pytest.mark.parametrize("as_json", [True, False])
@pytest.mark.parametrize("number", [errno.EIO, errno.ENXIO])
def test_a_terminal_that_is_gone_is_not_missed(as_json: bool, number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    stream = Stream(number)
    monkeypatch.setattr(sys, "stdout", stream)
    monkeypatch.setattr(sys, "stderr", stream)
    output = Output(as_json=as_json)
    output.say("x")
    output.event("x")
    output.complain("x")
    assert stream.tries == 2

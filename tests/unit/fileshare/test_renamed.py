"""What is told when files are stored under other names than their torrent gives them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from bittorrent.metainfo.torrent import Metainfo
from fileshare.cli.output import Output
from fileshare.cli.renamed import MAX_IN_EVENT, called, find_renamed, tell_renamed
from fileshare.text import printable
from transfer.wire import bencode


def torrent(paths: list[list[bytes]], *, name: bytes = b"n") -> Metainfo:
    info: dict[str, Any] = {"name": name, "piece length": 16384, "pieces": bytes(20)}
    info["files"] = [{"length": 1 if not index else 0, "path": path} for index, path in enumerate(paths)]
    return Metainfo.from_info(bencode.encode(info))


def test_three_are_named_and_the_others_counted(capsys: pytest.CaptureFixture[str]) -> None:
    metainfo = torrent([[b"good"]] + [[b"x/%d" % number] for number in range(5)], name=b"a/b")
    tell_renamed(Output(as_json=False), metainfo, find_renamed(metainfo))
    assert capsys.readouterr().out.splitlines() == [
        "ab: the torrent calls it 'a/b'",
        "stored as ab/x0: the torrent calls it 'x/0'",
        "stored as ab/x1: the torrent calls it 'x/1'",
        "stored as ab/x2: the torrent calls it 'x/2'",
        "and 2 more files that the torrent calls otherwise",
    ]


def test_programs_are_told_within_bounds(capsys: pytest.CaptureFixture[str]) -> None:
    metainfo = torrent([[b"x/"]] * (MAX_IN_EVENT + 5))
    tell_renamed(Output(as_json=True), metainfo, find_renamed(metainfo))
    event = json.loads(capsys.readouterr().out)
    assert event["event"] == "renamed"
    assert event["count"] == MAX_IN_EVENT + 5
    assert len(event["files"]) == MAX_IN_EVENT
    assert event["files"][1] == {"path": "n/x.1", "original": ["n", "x/"]}


@pytest.mark.parametrize("as_json", [False, True])
def test_nothing_is_said_of_names_that_are_as_they_were(as_json: bool, capsys: pytest.CaptureFixture[str]) -> None:
    metainfo = torrent([[b"good"]])
    tell_renamed(Output(as_json=as_json), metainfo, find_renamed(metainfo))
    assert capsys.readouterr().out == ""


def test_a_path_that_was_too_long_is_told_by_its_length() -> None:
    assert called(torrent([[b"d"] * 3000]).files[0]) == "a path of 3001 names"


def test_paths_on_disk_are_printed_harmlessly() -> None:
    assert printable("/a  b") == "/a  b"
    assert printable("/a\x1b[2J\udcff") == "/a [2J"

"""`kad torrent`, without a process of its own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from bittorrent.metainfo.torrent import Metainfo
from fileshare.cli.app import app

runner = CliRunner()
PIECE = 16384


def kad(*arguments: object) -> Result:
    return runner.invoke(app, [str(argument) for argument in arguments], prog_name="kad")


def last_event(result: Result) -> dict[str, Any]:
    event: dict[str, Any] = json.loads(result.stdout.splitlines()[-1])
    assert event["event"] == "done"
    return event


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two files of 2.5 and 1 pieces, so that they share the third piece."""
    shared = tmp_path / "shared"
    shared.mkdir()
    (shared / "a.bin").write_bytes(bytes(range(256)) * (PIECE * 5 // 2 // 256))
    (shared / "b.bin").write_bytes(b"b" * PIECE)
    return shared


@pytest.fixture
def torrent(folder: Path, tmp_path: Path) -> Path:
    target = tmp_path / "shared.torrent"
    result = kad("torrent", "create", folder, "-o", target, "--tracker", "http://tracker.example/announce")
    assert result.exit_code == 0, result.stderr
    return target


def test_create_writes_a_torrent_and_says_what_is_in_it(folder: Path, tmp_path: Path) -> None:
    target = tmp_path / "new.torrent"
    result = kad("torrent", "create", folder, "-o", target, "--private", "--piece-size", 2 * PIECE)
    metainfo = Metainfo.from_file(target)
    assert result.exit_code == 0
    assert (metainfo.name, metainfo.private, metainfo.piece_length) == ("shared", True, 2 * PIECE)
    assert metainfo.info_hash.hex() in result.stdout
    assert metainfo.magnet_link() in result.stdout


def test_create_as_json(folder: Path, tmp_path: Path) -> None:
    target = tmp_path / "new.torrent"
    event = last_event(kad("torrent", "create", folder, "-o", target, "--json"))
    metainfo = Metainfo.from_file(target)
    assert event["info_hash"] == metainfo.info_hash.hex()
    assert event["magnet"] == metainfo.magnet_link()
    assert event["file"] == str(target)


def test_create_never_replaces_unasked(folder: Path, torrent: Path) -> None:
    before = torrent.read_bytes()
    refused = kad("torrent", "create", folder, "-o", torrent, "--private")
    assert refused.exit_code == 1
    assert "--force" in refused.stderr
    assert torrent.read_bytes() == before

    assert kad("torrent", "create", folder, "-o", torrent, "--private", "--force").exit_code == 0
    assert Metainfo.from_file(torrent).private
    assert {path.name for path in torrent.parent.iterdir()} == {"shared", "shared.torrent"}


@pytest.mark.parametrize("source", ["missing", "empty"])
def test_create_of_nothing_fails_and_writes_nothing(source: str, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    result = kad("torrent", "create", tmp_path / source, "-o", tmp_path / "new.torrent")
    assert result.exit_code == 1
    assert len(result.stderr.splitlines()) == 1
    assert not (tmp_path / "new.torrent").exists()


def test_create_where_nothing_can_be_written(folder: Path, tmp_path: Path) -> None:
    result = kad("torrent", "create", folder, "-o", tmp_path / "missing" / "new.torrent")
    assert result.exit_code == 1
    assert "No such file or directory" in result.stderr


def test_show_a_torrent(torrent: Path) -> None:
    text = kad("torrent", "show", torrent).stdout
    assert "shared/a.bin" in text
    assert "tracker    http://tracker.example/announce" in text

    event = last_event(kad("torrent", "show", torrent, "--json"))
    assert event["files"] == [
        {"path": "shared/a.bin", "bytes": PIECE * 5 // 2},
        {"path": "shared/b.bin", "bytes": PIECE},
    ]
    assert (event["piece_size"], event["pieces"], event["private"]) == (PIECE, 4, False)
    assert event["trackers"] == ["http://tracker.example/announce"]


def test_show_a_magnet_link() -> None:
    link = "magnet:?xt=urn:btih:" + 20 * "0a" + "&dn=a%20name&tr=udp%3A%2F%2Ft.example%3A1&x.pe=127.0.0.1:7"
    assert "name       a name" in kad("torrent", "show", link).stdout
    event = last_event(kad("torrent", "show", link, "--json"))
    assert (event["info_hash"], event["name"]) == (20 * "0a", "a name")
    assert (event["trackers"], event["peers"]) == (["udp://t.example:1"], ["127.0.0.1:7"])


def test_verify_what_is_right(folder: Path, torrent: Path) -> None:
    assert "all 4 pieces are right" in kad("torrent", "verify", torrent, "-d", folder.parent).stdout
    event = last_event(kad("torrent", "verify", torrent, "-d", folder.parent, "--json"))
    assert (event["ok"], event["bad_pieces"], event["bad_files"]) == (True, [], [])


@pytest.mark.parametrize(
    ("offset", "bad_pieces", "bad_files"),
    [(0, [0], ["shared/a.bin"]), (PIECE * 5 // 2 - 1, [2], ["shared/a.bin", "shared/b.bin"])],
)
def test_verify_what_is_damaged(
    folder: Path, torrent: Path, offset: int, bad_pieces: list[int], bad_files: list[str]
) -> None:
    with (folder / "a.bin").open("r+b") as file:
        file.seek(offset)
        file.write(b"?")
    result = kad("torrent", "verify", torrent, "-d", folder.parent)
    assert result.exit_code == 1
    assert f"bad or missing pieces: {bad_pieces[0]}\n" in result.stdout
    assert len(result.stderr.splitlines()) == 1

    as_json = kad("torrent", "verify", torrent, "-d", folder.parent, "--json")
    event = last_event(as_json)
    assert as_json.exit_code == 1
    assert (event["ok"], event["bad_pieces"], event["bad_files"]) == (False, bad_pieces, bad_files)


def test_verify_what_is_missing_changes_nothing(folder: Path, torrent: Path, tmp_path: Path) -> None:
    (folder / "b.bin").unlink()
    assert last_event(kad("torrent", "verify", torrent, "-d", folder.parent, "--json"))["bad_pieces"] == [2, 3]
    assert not (folder / "b.bin").exists()

    nowhere = tmp_path / "nowhere"
    assert last_event(kad("torrent", "verify", torrent, "-d", nowhere, "--json"))["bad_pieces"] == [0, 1, 2, 3]
    assert not nowhere.exists()

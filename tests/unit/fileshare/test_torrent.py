"""`kad torrent`, without a process of its own."""

from __future__ import annotations

import errno
import json
import os
import re
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from bittorrent.creating.create import create_metainfo
from bittorrent.metainfo.selection import Selection
from bittorrent.metainfo.torrent import Metainfo
from bittorrent.storage.resume import ResumeStore
from fileshare.cli.app import app
from transfer.wire import bencode

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


@pytest.mark.parametrize(
    ("form", "has_v1", "has_v2"), [("v1", True, False), ("v2", False, True), ("hybrid", True, True)]
)
def test_create_makes_the_format_that_is_asked_for(
    folder: Path, tmp_path: Path, form: str, has_v1: bool, has_v2: bool
) -> None:
    target = tmp_path / "new.torrent"
    result = kad("torrent", "create", folder, "-o", target, "--format", form, "--piece-size", PIECE)
    assert result.exit_code == 0, result.stderr
    metainfo = Metainfo.from_file(target)
    assert (metainfo.torrent_id.v1 is not None, metainfo.torrent_id.v2 is not None) == (has_v1, has_v2)
    assert metainfo.has_layers
    assert len(metainfo.layers) == has_v2  # of a.bin; b.bin is a piece of its own
    shown = kad("torrent", "show", target)
    assert shown.exit_code == 0, shown.stderr


def test_create_names_related_torrents(folder: Path, tmp_path: Path) -> None:
    target = tmp_path / "new.torrent"
    more = ["--similar", "61" * 20, "--similar", "62" * 32, "--collection", "holidays"]
    result = kad("torrent", "create", folder, "-o", target, "--json", *more)
    assert result.exit_code == 0, result.stderr
    assert last_event(result)["similar"] == ["61" * 20, "62" * 20]
    assert last_event(result)["collections"] == ["holidays"]
    assert Metainfo.from_file(target).collections == (b"holidays",)
    wrong = kad("torrent", "create", folder, "-o", target, "--similar", "61")
    assert wrong.exit_code == 2
    assert "40 or 64" in wrong.stderr


def test_create_knows_three_formats(folder: Path) -> None:
    result = kad("torrent", "create", folder, "--format", "v3")
    assert result.exit_code == 2
    assert "v1" in result.stderr
    assert "hybrid" in result.stderr


def test_create_says_what_version_2_cannot_express(tmp_path: Path) -> None:
    (tmp_path / "film").mkdir()
    (tmp_path / "film" / "film.mkv").write_bytes(b"x")
    result = kad("torrent", "create", tmp_path / "film", "--format", "v2", "-o", tmp_path / "x.torrent")
    assert result.exit_code == 1
    assert "film.mkv itself, or choose the format v1 or hybrid" in result.stderr
    assert not (tmp_path / "x.torrent").exists()


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


def test_create_needs_no_name_for_the_torrent(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    assert last_event(kad("torrent", "create", folder, "--json"))["file"] == "shared.torrent"
    refused = kad("torrent", "create", folder)
    assert refused.exit_code == 1
    assert "shared.torrent exists already" in refused.stderr
    assert [path.name for path in work.iterdir()] == ["shared.torrent"]
    assert kad("torrent", "create", folder / "a.bin", "-o", tmp_path).exit_code == 0, "a folder takes it"
    assert (tmp_path / "a.bin.torrent").exists()


def test_create_in_the_folder_itself_does_not_share_the_torrent(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    first = last_event(kad("torrent", "create", ".", "--json"))
    assert [file["path"] for file in first["files"]] == ["shared/a.bin", "shared/b.bin"]
    again = last_event(kad("torrent", "create", ".", "--force", "--json"))
    assert again["info_hash"] == first["info_hash"]


@pytest.mark.parametrize(
    ("text", "size"),
    [("16384", 16 << 10), ("64k", 64 << 10), ("1M", 1 << 20), ("4 MiB", 4 << 20)],
)
def test_create_takes_piece_sizes_with_a_unit(folder: Path, tmp_path: Path, text: str, size: int) -> None:
    event = last_event(kad("torrent", "create", folder, "-o", tmp_path / "x.torrent", "--piece-size", text, "--json"))
    assert event["piece_size"] == size


def test_create_says_everything_that_others_can_say(folder: Path, tmp_path: Path) -> None:
    target = tmp_path / "x.torrent"
    options = (
        *("--source", "ABC", "--comment", "one\ntwo", "--node", "192.0.2.7:6881", "--node", "[2001:db8::1]:6882"),
        *("--web-seed", "http://files.example/shared/", "--exclude", "b.*"),
    )
    event = last_event(kad("torrent", "create", folder, "-o", target, *options, "--json"))
    assert (event["source"], event["comment"], event["created_by"]) == ("ABC", "one\ntwo", "kademlia-core")
    assert event["nodes"] == ["192.0.2.7:6881", "[2001:db8::1]:6882"]
    assert event["web_seeds"] == ["http://files.example/shared/"]
    assert [file["path"] for file in event["files"]] == ["shared/a.bin"]
    shown = kad("torrent", "show", target).stdout.splitlines()
    for line in (
        *("source     ABC", "comment    one", "           two", "creator    kademlia-core", "private    no"),
        *("DHT node   192.0.2.7:6881", "DHT node   [2001:db8::1]:6882", "web seed   http://files.example/shared/"),
    ):
        assert line in shown
    assert any(re.fullmatch(r"created    \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC", line) for line in shown)
    assert last_event(kad("torrent", "show", target, "--json")) == {
        key: value for key, value in event.items() if key not in ("file", "doubtful_files")
    }


def test_create_warns_of_what_is_rarely_meant_to_be_shared(folder: Path, tmp_path: Path) -> None:
    names = ["Thumbs.db", ".DS_Store", "desktop.ini", "sub/.hidden/x", "__MACOSX/y"]
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"x")
    result = kad("torrent", "create", folder, "-o", tmp_path / "x.torrent", "--json")
    assert sorted(last_event(result)["doubtful_files"]) == sorted(names)
    assert len(result.stderr.splitlines()) == 1
    assert "5 files of a kind that is rarely meant to be shared: .DS_Store, " in result.stderr
    options = ("--exclude", ".*", "--exclude", "*.db", "--exclude", "*.ini", "--exclude", "__MACOSX")
    quiet = kad("torrent", "create", folder, "-o", tmp_path / "y.torrent", *options, "--json")
    assert quiet.stderr == ""
    assert [file["path"] for file in last_event(quiet)["files"]] == ["shared/a.bin", "shared/b.bin"]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such links here")
def test_create_keeps_links_that_lead_to_each_other(folder: Path, tmp_path: Path) -> None:
    for name, other in (("one", "two"), ("two", "one")):
        (folder / name).mkdir()
        (folder / name / "link").symlink_to(f"../{other}")
        (folder / name / "file").write_bytes(b"x")
    result = kad("torrent", "create", folder, "-o", tmp_path / "x.torrent", "--attributes", "--json")
    assert result.exit_code == 0, result.stderr
    links = {file["path"]: file["link_to"] for file in last_event(result)["files"] if "link_to" in file}
    assert links == {"shared/one/link": "shared/two", "shared/two/link": "shared/one"}


def test_what_show_numbers_is_what_select_takes(folder: Path, tmp_path: Path) -> None:
    kad("torrent", "create", folder, "-o", tmp_path / "x.torrent", "--align")
    metainfo = Metainfo.from_file(tmp_path / "x.torrent")
    assert [entry.is_padding for entry in metainfo.files] == [False, True, False]
    event = last_event(kad("torrent", "show", tmp_path / "x.torrent", "--json"))
    assert [(file["number"], file["path"]) for file in event["files"]] == [(0, "shared/a.bin"), (2, "shared/b.bin")]
    assert event["padding_bytes"] == PIECE // 2
    shown = kad("torrent", "show", tmp_path / "x.torrent").stdout
    assert "\n     2    16.0 KiB  shared/b.bin\n" in shown
    selection = Selection(metainfo.files, metainfo.geometry)
    assert selection.numbers_of([file["number"] for file in event["files"]]) == {0, 2}
    refused = kad("get", tmp_path / "x.torrent", "-o", tmp_path / "copy", "--select", "1", "--no-dht", "--no-local")
    assert refused.exit_code == 1
    assert refused.stderr == "kad: 1 is only padding between files; `kad torrent show` lists them\n"


def test_show_of_a_date_that_is_none(folder: Path, tmp_path: Path) -> None:
    for number in (-1, 10**18):
        metainfo = create_metainfo(folder, creation_date=number)
        (tmp_path / "x.torrent").write_bytes(metainfo.to_bytes())
        result = kad("torrent", "show", tmp_path / "x.torrent")
        assert result.exit_code == 0
        assert f"created    {number if number > 0 else '1969-12-31 23:59:59 UTC'}" in result.stdout


def test_show_does_not_fill_the_screen_with_a_comment(folder: Path, tmp_path: Path) -> None:
    metainfo = create_metainfo(folder, comment="\n".join(map(str, range(5000))))
    (tmp_path / "x.torrent").write_bytes(metainfo.to_bytes())
    shown = kad("torrent", "show", tmp_path / "x.torrent").stdout
    assert "           … and 4900 lines more" in shown
    assert len(shown.splitlines()) < 130


def test_show_an_info_hash() -> None:
    event = last_event(kad("torrent", "show", 20 * "0a", "--json"))
    assert event["magnet"] == f"magnet:?xt=urn:btih:{20 * '0a'}"


def test_verify_by_a_magnet_link_what_it_has_downloaded(folder: Path, torrent: Path) -> None:
    metainfo = Metainfo.from_file(torrent)
    refused = kad("torrent", "verify", metainfo.magnet_link(), "-d", folder.parent)
    assert refused.exit_code == 1
    assert "holds no download of this magnet link" in refused.stderr
    ResumeStore(folder.parent).save(metainfo)
    assert last_event(kad("torrent", "verify", metainfo.info_hash.hex(), "-d", folder.parent, "--json"))["ok"]


@pytest.mark.parametrize("source", ["missing", "empty"])
def test_create_of_nothing_fails_and_writes_nothing(source: str, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    result = kad("torrent", "create", tmp_path / source, "-o", tmp_path / "new.torrent")
    assert result.exit_code == 1
    assert len(result.stderr.splitlines()) == 1
    assert not (tmp_path / "new.torrent").exists()


@pytest.mark.parametrize("force", [[], ["--force"]])
@pytest.mark.parametrize("place", ["missing/new.torrent", "file/new.torrent", "pipe"])
def test_create_says_before_it_hashes_where_it_cannot_write(
    place: str, force: list[str], folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And never puts a file in the place of a pipe or a device, not even with --force."""

    def hash_all(*_: object, **__: object) -> Metainfo:
        raise AssertionError("hashed for nothing")

    monkeypatch.setattr(import_module("fileshare.cli.torrent_create"), "create_metainfo", hash_all)
    (tmp_path / "file").touch()
    os.mkfifo(tmp_path / "pipe")
    result = kad("torrent", "create", folder, "-o", tmp_path / place, *force)
    assert result.exit_code == 1
    assert re.match(rf"kad: .*{Path(place).parts[0]}.*; .*-o FILE", result.stderr), result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert (tmp_path / "pipe").is_fifo()


def test_create_replaces_what_a_link_leads_to(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "disk" / "there.torrent").touch()
    (tmp_path / "link.torrent").symlink_to(Path("disk", "there.torrent"))
    assert kad("torrent", "create", folder, "-o", tmp_path / "link.torrent", "--force").exit_code == 0
    assert (tmp_path / "link.torrent").is_symlink()
    assert Metainfo.from_file(tmp_path / "disk" / "there.torrent").name == folder.name
    assert [path.name for path in (tmp_path / "disk").iterdir()] == ["there.torrent"]


def test_create_names_the_torrent_that_a_full_disk_does_not_take(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def replace(source: object, target: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "replace", replace)
    target = tmp_path / "new.torrent"
    result = kad("torrent", "create", folder, "-o", target, "--force")
    assert result.stderr == f"kad: cannot write {target}: No space left on device; free some space and start again\n"
    assert list(tmp_path.iterdir()) == [folder]


@pytest.mark.parametrize("target", ["nowhere", "."])
def test_create_says_how_to_leave_out_a_link_that_cannot_be_followed(target: str, folder: Path, tmp_path: Path) -> None:
    (folder / "link").symlink_to(target)
    result = kad("torrent", "create", folder, "-o", tmp_path / "new.torrent")
    assert result.exit_code == 1
    assert f"{folder / 'link'}" in result.stderr
    assert "--exclude link" in result.stderr
    assert kad("torrent", "create", folder, "-o", tmp_path / "new.torrent", "--exclude", "link").exit_code == 0


def test_show_a_torrent(torrent: Path) -> None:
    text = kad("torrent", "show", torrent).stdout
    assert "shared/a.bin" in text
    assert "tracker    http://tracker.example/announce" in text

    event = last_event(kad("torrent", "show", torrent, "--json"))
    assert event["files"] == [
        {"number": 0, "path": "shared/a.bin", "bytes": PIECE * 5 // 2},
        {"number": 1, "path": "shared/b.bin", "bytes": PIECE},
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


@pytest.mark.parametrize("as_json", [False, True])
def test_verify_names_the_directory_that_is_wrong(folder: Path, torrent: Path, tmp_path: Path, as_json: bool) -> None:
    (tmp_path / "empty").mkdir()
    folder.joinpath("a.bin").rename(tmp_path / "file")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "b.bin").touch()
    for directory, message in (
        (tmp_path / "nowhere", f"there is no directory {tmp_path}/nowhere; name the one that holds shared"),
        (tmp_path / "file", f"{tmp_path}/file is not a directory; name the one that holds shared"),
        (folder, f"{folder} is shared itself; name the directory around it: {tmp_path}"),
        (tmp_path / "empty", f"there is no shared in {tmp_path}/empty; name the directory that holds it"),
        (
            tmp_path / "other",
            f"{tmp_path}/other holds the files of shared but is called otherwise; rename it, and name {tmp_path}",
        ),
    ):
        result = kad("torrent", "verify", torrent, "-d", directory, *(["--json"] if as_json else []))
        assert result.exit_code == 1
        assert message in result.stderr.splitlines()[-1]
        assert "bad" not in result.stdout
    assert not (tmp_path / "nowhere").exists()


def test_verify_names_the_directory_around_a_single_file(tmp_path: Path) -> None:
    (tmp_path / "film").write_bytes(bytes(range(256)) * 100)
    assert kad("torrent", "create", tmp_path / "film", "-o", tmp_path / "film.torrent").exit_code == 0
    result = kad("torrent", "verify", tmp_path / "film.torrent", "-d", tmp_path / "film")
    assert result.exit_code == 1
    assert f"{tmp_path}/film is film itself; name the directory around it: {tmp_path}" in result.stderr


def test_verify_advises_what_kad_get_will_do(folder: Path, torrent: Path) -> None:
    """A file without any right piece is taken for somebody else's."""
    (folder / "a.bin").write_bytes(b"?")
    assert "-o" in kad("torrent", "verify", torrent, "-d", folder.parent).stderr
    assert "--overwrite` fetches them" in kad("torrent", "verify", torrent, "-d", folder.parent).stderr
    (folder / "a.bin").unlink()
    assert "--overwrite" not in kad("torrent", "verify", torrent, "-d", folder.parent).stderr


def test_show_names_what_is_stored_under_another_name(tmp_path: Path) -> None:
    """rtorrent#1969 and others: such a torrent is kept, and what was changed is told."""
    paths = [[b"plain"], [b"twice.bin"], [b"twice.bin"], [b"a/b\x1b[2J"], [b"\xff"]]
    info: dict[str, Any] = {"name": "al/bum", "piece length": PIECE, "pieces": bytes(20)}
    info["files"] = [{"length": 1, "path": path} for path in paths]
    target = tmp_path / "odd.torrent"
    target.write_bytes(bencode.encode({"info": info}))
    shown = kad("torrent", "show", target)
    assert shown.exit_code == 0
    lines = [" ".join(line.split()) for line in shown.stdout.splitlines()]
    assert "name album" in lines
    assert "(the torrent calls it 'al/bum')" in lines
    assert lines[-5:] == [
        "0 1 B album/plain",
        "1 1 B album/twice.bin",
        "2 1 B album/twice.1.bin (the torrent calls it 'twice.bin')",
        "3 1 B album/ab_[2J (the torrent calls it 'a/b\\x1b[2J')",
        "4 1 B album/_ (the torrent calls it '\\\\xff')",
    ]
    event = last_event(kad("torrent", "show", target, "--json"))
    assert (event["name"], event["original_name"]) == ("album", "al/bum")
    assert event["files"][2] == {
        "number": 2,
        "path": "album/twice.1.bin",
        "bytes": 1,
        "original": ["al/bum", "twice.bin"],
    }


def test_a_name_that_leaves_no_room_for_the_ending_is_shortened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared = tmp_path / ("é" * 127)
    shared.write_bytes(b"x")
    monkeypatch.chdir(tmp_path)
    assert kad("torrent", "create", shared).exit_code == 0
    assert (tmp_path / ("é" * 120 + ".torrent")).exists()

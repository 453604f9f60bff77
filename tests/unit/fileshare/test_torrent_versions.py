"""`kad torrent show` and `verify` for torrents of version 2, and hybrid ones."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from bittorrent import Metainfo
from fileshare.cli.app import app
from tests.version2 import build

FILES = {"a.bin": b"a" * 20_000, "b": b"", "c/d": b"d" * 500}


def kad(*arguments: object, exit_code: int = 0) -> str:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == exit_code, result.stderr
    return result.stdout


def event_of(*arguments: object, exit_code: int = 0) -> dict[str, Any]:
    event: dict[str, Any] = json.loads(kad(*arguments, "--json", exit_code=exit_code).splitlines()[-1])
    return event


@pytest.mark.parametrize("kind", ["v1", "v2", "hybrid"])
def test_show_has_both_hashes_and_null_where_there_is_none(kind: str, tmp_path: Path) -> None:
    built = build(FILES, hybrid=kind != "v2")
    if kind == "v1":
        del built.info["file tree"], built.info["meta version"]
    v1 = hashlib.sha1(built.info_bytes).hexdigest() if kind != "v2" else None
    v2 = hashlib.sha256(built.info_bytes).hexdigest() if kind != "v1" else None
    target = tmp_path / "album.torrent"
    target.write_bytes(built.data)
    event = event_of("torrent", "show", target)
    assert (event["info_hash"], event["info_hash_v2"], event["format"]) == (v1, v2, kind)
    assert event["bytes"] == 20_500
    assert event["padding_bytes"] == (12768 + 15884 if kind != "v2" else 0)
    root = next(iter(built.layers)).hex() if kind != "v1" else None
    assert event["files"][0].get("pieces_root") == root
    assert "pieces_root" not in event["files"][1], "an empty file has none"
    shown = kad("torrent", "show", target)
    assert [f"info-hash  {v1}\n" in shown, f"v2 hash    {v2}\n" in shown] == [kind != "v2", kind != "v1"]
    link = event_of("torrent", "show", event["magnet"])
    assert (link["info_hash"], link["info_hash_v2"]) == (v1, v2)


def test_show_says_that_layers_are_missing(tmp_path: Path) -> None:
    target = tmp_path / "album.torrent"
    target.write_bytes(Metainfo.from_info(build(FILES).info_bytes).to_bytes())
    assert event_of("torrent", "show", target)["has_layers"] is False
    assert "layers     some are missing" in kad("torrent", "show", target)


@pytest.mark.parametrize("hybrid", [False, True])
def test_verify_finds_a_flipped_bit(hybrid: bool, tmp_path: Path) -> None:
    built = build(FILES, hybrid=hybrid)
    target = tmp_path / "album.torrent"
    target.write_bytes(built.data)
    for path, content in FILES.items():
        (tmp_path / "album" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "album" / path).write_bytes(content)
    assert event_of("torrent", "verify", target, "-d", tmp_path)["ok"] is True
    (tmp_path / "album" / "c" / "d").write_bytes(b"d" * 499 + b"e")
    event = event_of("torrent", "verify", target, "-d", tmp_path, exit_code=1)
    assert (event["bad_pieces"], event["bad_files"]) == ([2], ["album/c/d"])

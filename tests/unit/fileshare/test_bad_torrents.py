"""What `kad get` and `kad seed` make of files that are no good torrents."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from fileshare.cli.app import app

runner = CliRunner()


def _bencoded_info(name: bytes) -> bytes:
    return b"d4:infod6:lengthi5e4:name%d:%s12:piece lengthi16384e6:pieces20:%see" % (len(name), name, bytes(20))


@pytest.mark.parametrize("command", ["get", "seed"])
@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"no torrent",
        b"d4:info",
        b"l" * 100_000,
        _bencoded_info(b"good").replace(b"lengthi5e", b"lengthi50000e"),
    ],
    ids=["empty", "text", "cut", "deep", "count"],
)
def test_a_bad_torrent_is_one_line_and_nothing_is_written(command: str, data: bytes, tmp_path: Path) -> None:
    bad = tmp_path / "bad.torrent"
    bad.write_bytes(data)
    target = ["-o" if command == "get" else "-d", str(tmp_path / "copy")]
    result = runner.invoke(app, [command, str(bad), *target, "--no-dht", "--json"], prog_name="kad")
    assert result.exit_code == 1
    assert len(result.stderr.splitlines()) == 1
    assert result.stderr.startswith("kad: ")
    assert [json.loads(line)["event"] for line in result.stdout.splitlines()] == ["error"]
    assert [path.name for path in tmp_path.iterdir()] == ["bad.torrent"]

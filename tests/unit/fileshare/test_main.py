"""The entry point before anything else is there."""

from __future__ import annotations

import gc
import signal
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest
from typer.testing import CliRunner

import fileshare.cli
from fileshare.cli.app import app
from fileshare.cli.main import collect_garbage_rarely, main

runner = CliRunner()


@pytest.fixture(autouse=True)
def _the_same_process_afterwards() -> Iterator[None]:
    before, thresholds = signal.getsignal(signal.SIGTERM), gc.get_threshold()
    yield
    signal.signal(signal.SIGTERM, before)
    gc.set_threshold(*thresholds)


@pytest.mark.parametrize("missing", ["typer", "rich"])
def test_without_the_extra_one_line_says_what_to_install(
    missing: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == missing or name.startswith("fileshare.cli")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(SystemExit) as caught:
        main()
    captured = capsys.readouterr()
    assert caught.value.code == 1
    assert captured.err == "the command kad needs the app extra: pip install 'kademlia-core[app]'\n"


def test_an_interruption_before_the_command_begins_is_no_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(**_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(import_module("fileshare.cli.app"), "app", interrupted)
    with pytest.raises(SystemExit) as caught:
        main()
    assert caught.value.code == 130
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("option", [["get", "-o"], ["stream", "-o"], ["seed", "--state"]], ids=" ".join)
def test_a_file_where_a_directory_belongs_is_wrong_usage(option: list[str], tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    result = runner.invoke(app, [option[0], "missing", option[1], str(tmp_path / "file")], prog_name="kad")
    assert result.exit_code == 2
    assert "is a file" in result.stderr


COMMANDS = [
    ["get"],
    ["seed"],
    ["stream"],
    ["demo"],
    ["torrent", "create"],
    ["torrent", "show"],
    ["torrent", "verify"],
    ["dht", "node"],
    ["dht", "find-peers"],
]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_explains_itself_with_an_example(command: list[str]) -> None:
    result = runner.invoke(app, [*command, "--help"], prog_name="kad")
    assert result.exit_code == 0
    assert f"Example: kad {' '.join(command)}" in result.stdout
    assert "--json" in result.stdout
    assert "--give-up-after" not in result.stdout


def test_version() -> None:
    result = runner.invoke(app, ["--version"], prog_name="kad")
    assert result.exit_code == 0
    assert result.stdout.startswith("kad ")


@pytest.mark.parametrize(
    "arguments",
    [
        ["nonsense"],
        ["get"],
        ["get", "x.torrent", "--nonsense"],
        ["get", "x.torrent", "--give-up-after", "0"],
        ["get", "x.torrent", "y.torrent", "--select", "0"],
        ["get", "x.torrent", "y.torrent", "--web-seed", "http://files.example/"],
        ["get", "x.torrent", "--limit-down", "500"],
        ["get", "x.torrent", "--ratio", "-1"],
        ["get", "x.torrent", "--seed-time", "soon"],
        ["seed"],
        ["seed", "x.torrent", "--limit-up", "0k"],
        ["seed", "x.torrent", "--policy", "nobody"],
        ["stream", "x.torrent", "--limit-down", "fast"],
        ["torrent", "create"],
        ["torrent", "create", "x", "-o", "y", "--piece-size", "20000"],
        ["torrent", "create", "x", "-o", "y", "--piece-size", "many"],
        ["torrent", "create", "x", "-o", "y", "--piece-size", "8K"],
        ["torrent", "create", "x", "-o", "y", "--piece-size", "512M"],
        ["torrent", "create", "x", "--node", "nowhere"],
        ["torrent", "create", "x", "--node", "192.0.2.7:6881", "--private"],
        ["torrent", "verify", "x"],
        ["dht", "node", "--listen", "nowhere"],
        ["dht", "find-peers", "zz"],
        ["dht", "find-peers", 40 * "a", "--bootstrap", "none"],
        ["demo", "--size", "0"],
    ],
    ids=" ".join,
)
def test_wrong_usage_exits_with_2(arguments: list[str]) -> None:
    result = runner.invoke(app, arguments, prog_name="kad")
    assert result.exit_code == 2
    assert result.stdout == ""
    assert "Usage: kad" in result.stderr


def test_garbage_is_collected_in_small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """A full collection after ten million new objects, not after every quarter more: each looks at all there are."""
    collect_garbage_rarely()
    young, middle, old = gc.get_threshold()
    assert young * (middle + 1) <= 30_000
    assert young * middle * old >= 10_000_000


def test_no_command_brings_the_simulation_until_it_is_asked_for() -> None:
    """Loading it takes a fifth of the time of a start, and changes how `random` seeds itself in the whole process."""
    program = "import random; seed = random.Random.seed; import fileshare.cli.app, sys; print(*sys.modules)"
    program += "; assert random.Random.seed is seed"
    root = Path(fileshare.cli.__file__).parents[2]
    result = subprocess.run([sys.executable, "-c", program], cwd=root, capture_output=True, text=True, timeout=60)
    assert result.returncode == 0, result.stderr
    loaded = result.stdout.split()
    assert "fileshare.cli.net_compare" in loaded
    assert [name for name in loaded if name.startswith("transfer.simulation")] == []


def test_a_command_brings_neither_swarms_nor_nodes_until_it_runs() -> None:
    """They are two thirds of the time of a start, also that of `kad --help` and of commands that need none of them."""
    program = "import fileshare.cli.app, sys; print(*sys.modules)"
    root = Path(fileshare.cli.__file__).parents[2]
    result = subprocess.run([sys.executable, "-c", program], cwd=root, capture_output=True, text=True, timeout=60)
    assert result.returncode == 0, result.stderr
    loaded = set(result.stdout.split())
    assert "fileshare.cli.net_reach" in loaded
    heavy = {
        "aiohttp",
        "bittorrent.swarm.core",
        "bittorrent.config",
        "fileshare.service.events",
        "kademlia_core.aio",
        "transfer.aio.host.host",
    }
    assert heavy & loaded == set()

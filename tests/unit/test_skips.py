"""Skips that nobody allowed fail a run in CI."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.skips import AllowedSkip, parse

ROOT = Path(__file__).parents[2]

CASE = """
import pytest

def test_passes():
    pass

@pytest.mark.skip(reason="the moon is not full")
def test_left_out():
    raise AssertionError
"""
PLUGIN = """
import sys
sys.path.append({root!r})
from pathlib import Path
from tests.skips import AllowedSkips

def pytest_configure(config):
    config.pluginmanager.register(AllowedSkips(Path({allowed!r})))
"""


def run(folder: Path, allowed: str) -> subprocess.CompletedProcess[str]:
    folder.joinpath("test_case.py").write_text(CASE)
    folder.joinpath("allowed.txt").write_text(allowed)
    folder.joinpath("conftest.py").write_text(PLUGIN.format(root=str(ROOT), allowed=str(folder / "allowed.txt")))
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:asyncio", "-p", "no:xdist"]
    command += ["--rootdir", str(folder), str(folder)]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60, check=False)


def test_a_skip_fails_the_run_and_is_named(tmp_path: Path) -> None:
    done = run(tmp_path, "")
    assert done.returncode == 1, done.stdout
    assert "test_case.py::test_left_out: Skipped: the moon is not full" in done.stdout
    assert "test_passes" not in done.stdout


def test_an_allowed_skip_does_not(tmp_path: Path) -> None:
    assert run(tmp_path, "test_case.py::* | the moon is not full\n").returncode == 0


@pytest.mark.parametrize("line", ["other.py::* | the moon is not full", "test_case.py::* | no tide"])
def test_another_test_or_reason_is_not_allowed(line: str, tmp_path: Path) -> None:
    assert run(tmp_path, line + "\n").returncode == 1


def test_lines_without_a_reason_are_refused() -> None:
    assert parse("# nothing\n\na::b[x: y] | why: so\n") == [AllowedSkip("a::b[x: y]", "why: so")]
    for line in ("tests/a.py::*", "tests/a.py | ", "tests/a.py: why"):
        with pytest.raises(ValueError, match="no reason"):
            parse(line)


def test_the_file_can_be_read() -> None:
    parse((ROOT / "tests" / "allowed_skips.txt").read_text(encoding="utf-8"))

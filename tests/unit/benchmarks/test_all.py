"""`python -m benchmarks`: everything that can be run is listed, and needs nothing that only tests need."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.__main__ import HERE, QUICK, main, summaries

ROOT = Path(__file__).parents[3]


def test_everything_is_listed_with_what_it_shows(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    listed = capsys.readouterr().out
    scripts = [path.stem for path in HERE.glob("*.py") if "def main(" in path.read_text() and path.stem != "__main__"]
    packages = [path.parent.name for path in HERE.glob("*/__main__.py")]
    assert len(scripts) > 8
    assert sorted(summaries()) == sorted([*scripts, *packages])
    for name, summary in summaries().items():
        assert len(summary) > 20
        assert f"{name} " in listed
    assert set(QUICK) <= set(summaries())


def test_what_is_unknown_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["nothing"]) == 2
    assert "no benchmark 'nothing'" in capsys.readouterr().err


def test_they_need_no_test_runner() -> None:
    """The extra `bench` brings the peers, but not pytest."""
    modules = [
        ".".join(path.relative_to(HERE.parent).with_suffix("").parts)
        for path in sorted(HERE.rglob("*.py"))
        if path.name != "__main__.py"
    ]
    code = "import importlib, sys; sys.modules.update(dict.fromkeys(['pytest', 'hypothesis', '_pytest']))\n"
    code += f"for name in {modules!r}: importlib.import_module(name)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=100, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")

"""What the README shows is what happens."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from fileshare.cli.app import app

ROOT = Path(__file__).parents[3]
README = (ROOT / "README.md").read_text(encoding="utf-8")
SNIPPETS = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
OUTPUTS = [
    r"0{31}11ae1\n\{b'name': b'hello', b'size': 5\}\n",
    r"127\.0\.0\.1:6881\n",
    r"(.*\n)*1300000 of 1300000 bytes from \d+ peers\n",
]
COMMANDS = [line.partition("#")[0].strip() for line in README.splitlines() if line.startswith("kad ")]


@pytest.mark.parametrize(("snippet", "output"), list(zip(SNIPPETS, OUTPUTS, strict=True)))
def test_snippets_run(snippet: str, output: str, tmp_path: Path) -> None:
    finished = subprocess.run(
        [sys.executable, "-W", "error", "-c", snippet],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (finished.returncode, finished.stderr) == (0, "")
    assert re.fullmatch(output, finished.stdout)


@pytest.mark.parametrize("line", COMMANDS)
def test_commands_have_the_options_that_are_shown(line: str) -> None:
    words = shlex.split(line)[1:]
    names = [word for word in words[:2] if re.fullmatch(r"[a-z-]+", word) and "." not in word]
    names = names[: 2 if names[0] in ("torrent", "dht", "net") else 1]
    shown = CliRunner().invoke(app, [*names, "--help"], prog_name="kad").stdout
    assert f"Usage: kad {' '.join(names)} " in shown
    for option in (word for word in words if word.startswith("-")):
        assert re.search(rf"(^|\s|,){re.escape(option)}\b", shown), option


def test_links_lead_somewhere() -> None:
    for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", README):
        assert (ROOT / target).exists(), target

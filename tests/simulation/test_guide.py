"""The guide to the simulation does what it says: its code is executed as printed."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

GUIDE = Path(__file__).parents[2] / "docs" / "simulation.md"
BLOCK = re.compile(r"^```python(?: title=\"(?P<title>[^\"]+)\")?\n(?P<code>.*?)^```$", re.MULTILINE | re.DOTALL)


def test_the_code_of_the_guide_runs() -> None:
    blocks = [match for match in BLOCK.finditer(GUIDE.read_text()) if match["title"] is None]
    assert len(blocks) >= 7
    namespace: dict[str, object] = {"__name__": "guide"}
    text = GUIDE.read_text()
    for block in blocks:
        line = text.count("\n", 0, block.start("code"))
        exec(compile("\n" * line + block["code"], str(GUIDE), "exec"), namespace)


def test_the_tests_of_the_guide_pass(tmp_path: Path) -> None:
    blocks = [match for match in BLOCK.finditer(GUIDE.read_text()) if match["title"]]
    assert len(blocks) == 1
    for block in blocks:
        tmp_path.joinpath(block["title"]).write_text(block["code"])
    command = [sys.executable, "-m", "pytest", "-q", "-p", "transfer.simulation.pytest_plugin", "--seeds", "3"]
    command += ["-p", "no:cacheprovider", "-p", "no:asyncio", "--rootdir", str(tmp_path), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert "3 passed" in done.stdout, done.stdout + done.stderr

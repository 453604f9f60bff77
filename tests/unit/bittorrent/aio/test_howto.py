"""The how-to pages do what they say: their code is executed as printed, one page after the other."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[4]
PAGES = ROOT / "docs" / "howto"
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize(
    ("page", "output"),
    [
        ("embed-a-download", r"(metadata|checking|downloading|seeding): .*complete: downloads/film\.bin\n"),
        ("seed-a-folder", r"magnet:\?xt=urn:btih:[0-9a-f]{40}&dn=album.*\nserving on 127\.0\.0\.1:\d+\n0 bytes sent\n"),
        ("make-a-version-2-torrent", r"[0-9a-f]{40} [0-9a-f]{64}\n"),
        ("require-encryption", r"complete: downloads/film\.bin\n"),
        ("stream-a-file", r"1000 bytes at 1500000 of 2000000\n"),
        ("write-a-storage-backend", r""),
        (
            "use-a-congestion-controller",
            r"reno +\d+\.\d Mbit/s\nscalable +\d+\.\d Mbit/s\n.*transfer-bbr\n\d+ packets in 0\.\d+ s\n",
        ),
    ],
)
def test_the_code_of_a_page_runs(page: str, output: str, tmp_path: Path) -> None:
    blocks = BLOCK.findall((PAGES / f"{page}.md").read_text(encoding="utf-8"))
    assert len(blocks) >= 3
    command = [sys.executable, "-W", "error", "-c", "\n".join(blocks)]
    done = subprocess.run(
        command, cwd=tmp_path, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=100, check=False
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    assert re.fullmatch(output, done.stdout, re.DOTALL), done.stdout

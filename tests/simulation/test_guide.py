"""The guides do what they say: their code is executed as printed."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"
GUIDE = DOCS / "simulation.md"
# With a pattern of what each of them prints.
PAGES = {
    "tutorial-dht.md": r"kept by [1-4] nodes\nfound 127.0.0.1:6881 in [0-2] hop\nb'nobody is the server'\n",
    "howto/from-the-kademlia-package.md": r"{'colour': 'green'}\n",
    "howto/a-network-of-your-own.md": r"b'value'\n",
    "howto/keep-and-follow-items.md": (
        r"{b'any': \[b'bencoded', 1\]}\n2 b'second'\n\[b'one', b'two'\]\nb'kept' with 1 node\nversion 1 b'now'\n"
    ),
    "howto/index-politely.md": r"30 info-hashes\n",
}
BLOCK = re.compile(r"^```python(?: title=\"(?P<title>[^\"]+)\")?\n(?P<code>.*?)^```$", re.MULTILINE | re.DOTALL)


def execute(page: Path) -> int:
    """Runs the blocks without a title one after the other; returns how many there are."""
    text = page.read_text()
    blocks = [match for match in BLOCK.finditer(text) if match["title"] is None]
    namespace: dict[str, object] = {"__name__": "guide"}
    for block in blocks:
        line = text.count("\n", 0, block.start("code"))
        exec(compile("\n" * line + block["code"], str(page), "exec", dont_inherit=True), namespace)
    return len(blocks)


def test_the_code_of_the_guide_runs() -> None:
    assert execute(GUIDE) >= 7


@pytest.mark.parametrize("page", PAGES)
def test_the_code_of_a_page_prints_what_it_should(page: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert execute(DOCS / page)
    assert re.fullmatch(PAGES[page], capsys.readouterr().out)


def test_the_tests_of_the_guide_pass(tmp_path: Path) -> None:
    blocks = [match for match in BLOCK.finditer(GUIDE.read_text()) if match["title"]]
    assert len(blocks) == 1
    for block in blocks:
        tmp_path.joinpath(block["title"]).write_text(block["code"])
    command = [sys.executable, "-m", "pytest", "-q", "-p", "transfer.simulation.pytest_plugin", "--seeds", "3"]
    command += ["-p", "no:cacheprovider", "-p", "no:asyncio", "--rootdir", str(tmp_path), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert "3 passed" in done.stdout, done.stdout + done.stderr

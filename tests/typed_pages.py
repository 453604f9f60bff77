"""The code that the pages print passes `mypy --strict`: `python -m tests.typed_pages` checks all of it."""

from __future__ import annotations

import re
import sys
import tempfile
from pathlib import Path

from mypy import api

ROOT = Path(__file__).parents[1]
BLOCK = re.compile(r"^```python(?: title=\"[^\"]+\")?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
# Each block of these is a program of its own; the blocks of a how-to are one program.
SEPARATE = ("README.md", "docs/tutorial-dht.md")


def programs() -> dict[str, str]:
    """The programs that are printed on the pages, by a name for each."""
    found = {}
    for page in SEPARATE:
        for number, code in enumerate(BLOCK.findall(ROOT.joinpath(page).read_text(encoding="utf-8"))):
            found[f"{name_of(page)}_{number}"] = code
    for path in sorted(ROOT.joinpath("docs", "howto").glob("*.md")):
        if blocks := BLOCK.findall(path.read_text(encoding="utf-8")):
            found[name_of(path.name)] = "\n".join(blocks)
    return found


def name_of(page: str) -> str:
    return re.sub(r"\W", "_", page.removesuffix(".md"))


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        for name, code in programs().items():
            Path(folder, f"{name}.py").write_text(code, encoding="utf-8")
        out, errors, status = api.run(["--strict", "--config-file", str(ROOT / "pyproject.toml"), folder])
    print(out + errors, end="")
    return status


if __name__ == "__main__":
    sys.exit(main())

"""Programs of packages that we did not write run in the simulation as they are, and one seed is one run of them."""

from __future__ import annotations

import re
import sys
from importlib import import_module
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from tests.interop.require import missing
from tests.simulation.digests import check_one_seed_is_one_run
from transfer.simulation import run

RESULTS: dict[str, Any] = {
    "aiocoap": ["off", "on", "on"],
    "aiohttp": ["ONE 0", "TWO 0", "ONE 1", "TWO 1"],
    "aiomqtt": [b"rain", b"sun"],
    "aioquic": 100_000,
    "asyncssh": "the work was done",
    "dnspython": (["10.0.0.7"], 2),
    "grpclib": b"hello world",
    "redis": [b"green", None],
    "uvicorn": "HTTP/1.1 200 OK",
    "websockets": ["olleh", "eyb"],
}


def _page() -> dict[str, tuple[str, str]]:
    """What the documentation says: package, version, digest."""
    rows = re.findall(r"^\| (\S+) \| (\d\S*) \| .* \| `(\w{16})` \|$", PAGE.read_text(), re.MULTILINE)
    return {package: (listed, digest) for package, listed, digest in rows}


PAGE = Path(__file__).parents[2] / "docs" / "simulation-what-runs.md"
IMPORTED_AS = {"dnspython": "dns"}
WITH_THE_TEST_EXTRA = {"aiohttp", "aiomqtt", "aioquic", "dnspython", "websockets"}


def test_each_program_is_run_and_on_the_page() -> None:
    found = {path.stem.removeprefix("program_of_") for path in Path(__file__).parent.glob("program_of_*.py")}
    assert found == set(RESULTS) == set(_page())


@pytest.mark.parametrize("package", RESULTS)
def test_package_runs_unmodified(package: str) -> None:
    if find_spec(IMPORTED_AS.get(package, package)) is None:
        if package in WITH_THE_TEST_EXTRA:
            missing(f"{package} is not installed: install the extra `test`")
        pytest.skip(f"{package} is not installed: pip install {package}")
    program = import_module(f"tests.third_party.program_of_{package}").run_program
    report = run(program, seed=7)
    assert report.result == RESULTS[package]
    listed, digest = _page()[package]
    if version(package) == listed and (package != "grpclib" or sys.version_info[:2] == (3, 11)):
        assert report.digest[:16] == digest
    check_one_seed_is_one_run(program)

"""The pytest plugin, in a pytest of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

TESTS = """
import asyncio
import pytest

seen = []

@pytest.fixture
def bad_seed():
    return 2

async def test_it_runs_in_virtual_time(simulation):
    await asyncio.sleep(100_000_000 / 2_000)
    assert asyncio.get_running_loop().time() == 50_000.0

@pytest.mark.simulation(max_virtual_s=10)
async def test_options(simulation):
    await asyncio.sleep(1000)

class TestMethods:
    async def test_method(self, simulation, bad_seed, tmp_path):
        assert tmp_path.exists()
        assert simulation.seed != bad_seed, "this seed is bad"

def test_an_ordinary_one():
    seen.append(1)

async def test_asyncio_is_left_alone():
    assert "Simulation" not in type(asyncio.get_running_loop()).__name__
"""


def run_pytest(folder: Path, *arguments: str) -> str:
    folder.joinpath("test_it.py").write_text(TESTS)
    folder.joinpath("pytest.ini").write_text(
        "[pytest]\nasyncio_mode = auto\nasyncio_default_fixture_loop_scope = function\nfilterwarnings = error\n"
    )
    plugin = ["-p", "transfer.simulation.pytest_plugin", "-p", "no:cacheprovider"]
    command = [sys.executable, "-m", "pytest", "-q", *plugin, "--rootdir", str(folder), str(folder), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    return done.stdout + done.stderr


def test_seeds_are_swept_and_failures_say_how_to_replay(tmp_path: Path) -> None:
    output = run_pytest(tmp_path, "--seeds", "3")
    assert "4 failed, 7 passed" in output
    assert "TimeLimitError" in output
    assert "this seed is bad" in output
    assert "--simulation-seed 2" in output
    assert "test_it.py::TestMethods::test_method[seed2]" in output


def test_one_seed(tmp_path: Path) -> None:
    output = run_pytest(tmp_path, "--simulation-seed", "5", "-k", "not options")
    assert "4 passed" in output


def test_wrong_usage(tmp_path: Path) -> None:
    assert "--seeds must be at least 1" in run_pytest(tmp_path, "--seeds", "0")

"""The promise that a run depends on its scenario and its seed, and on nothing else."""

from __future__ import annotations

import os
import re
import subprocess
import sys

from transfer.simulation import Scenario, run


def check_one_seed_is_one_run(scenario: Scenario[object]) -> None:
    """Twice in this process and in another one with another hash seed; another seed is another run."""
    first, second, other = run(scenario, seed=7), run(scenario, seed=7), run(scenario, seed=8)
    assert first == second
    assert first.digest != other.digest
    name = f"{scenario.__module__}:{getattr(scenario, '__name__', '')}"
    command = [sys.executable, "-m", "transfer.simulation", "replay", name, "--seed", "7"]
    hash_seed = "2" if os.environ.get("PYTHONHASHSEED") == "1" else "1"
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
    found = re.search(r"^digest (\w+)$", done.stdout, re.MULTILINE)
    assert found is not None, done.stdout + done.stderr
    assert found[1] == first.digest

"""`python -m transfer.simulation replay MODULE:SCENARIO --seed N`: one run again, with its digest or its failure."""

from __future__ import annotations

import argparse
import importlib
import sys
import traceback
from collections.abc import Sequence
from typing import Any

from transfer.simulation.runner import Scenario, run


def main(arguments: Sequence[str] | None = None) -> int:
    """0: the run ended well; 1: it failed; 2: wrong usage."""
    parser = argparse.ArgumentParser(prog="python -m transfer.simulation", description="Simulated runs of a scenario.")
    commands = parser.add_subparsers(dest="command", required=True)
    replay = commands.add_parser("replay", help="run a scenario with one seed and print its digest")
    replay.add_argument("scenario", metavar="MODULE:SCENARIO", help="an async function of one argument")
    replay.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    try:
        scenario = _find(options.scenario)
    except (ImportError, AttributeError, ValueError) as error:
        parser.error(f"cannot find {options.scenario}: {error}")
    try:
        report = run(scenario, seed=options.seed)
    except Exception as error:  # noqa: BLE001  # a scenario may raise anything; this is the outermost edge
        traceback.print_exception(error, file=sys.stdout)
        return 1
    sys.stdout.write(
        f"seed {report.seed}  virtual {report.virtual_s:.6f} s  events {report.events}"
        f"  datagrams {report.datagrams}\ndigest {report.digest}\n"
    )
    return 0


def _find(name: str) -> Scenario[Any]:
    module_name, separator, path = name.partition(":")
    if not separator or not path:
        raise ValueError("write it as MODULE:SCENARIO")
    found: Any = importlib.import_module(module_name)
    for part in path.split("."):
        found = getattr(found, part)
    if not callable(found):
        raise ValueError("it is not a function")
    scenario: Scenario[Any] = found
    return scenario


if __name__ == "__main__":
    sys.exit(main())

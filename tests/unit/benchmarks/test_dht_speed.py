"""Counting a DHT node's instructions: each run does the same work, and each stretch of it gets its own count."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from benchmarks.dht_speed.instructions import HERE, Count, counts, lines, totals

ROOT = Path(__file__).parents[3]


def test_two_runs_do_the_same_work() -> None:
    runs = [
        subprocess.Popen(
            [sys.executable, "-P", str(HERE / "counted.py"), "mainline", "12", "3", "127.0.0.1", "0"],
            env={"PYTHONPATH": str(ROOT), "PYTHONHASHSEED": "0"},
            stdout=subprocess.PIPE,
        )
        for _ in range(2)
    ]
    first, second = (json.loads(run.communicate()[0]) for run in runs)
    assert first == second
    assert [stretch["name"] for stretch in first] == ["join", "find_node", "set", "get", "get all", "open and close"]
    assert all(stretch["datagrams"] > 3 * stretch["units"] for stretch in first[:5])


def test_every_second_dump_is_a_stretch(tmp_path: Path) -> None:
    for part in range(1, 5):
        (tmp_path / f"out.{part}").write_text(f"version: 1\npart: {part}\n\nevents: Ir\nsummary: {1000 * part}\n")
    stretches: list[dict[str, object]] = [
        {"name": "join", "units": 4, "datagrams": 30},
        {"name": "find_node", "units": 8, "datagrams": 60},
    ]
    assert counts("mainline", stretches, totals(tmp_path)) == [
        Count(case="mainline", name="join", instructions=500.0, datagrams=30),
        Count(case="mainline", name="find_node", instructions=500.0, datagrams=60),
    ]


def test_different_work_is_not_compared_in_silence() -> None:
    before = Count(case="mainline", name="join", instructions=500e3, datagrams=30)
    now = Count(case="mainline", name="join", instructions=510e3, datagrams=31)
    assert lines([[before], [before]])[1].split() == ["mainline:", "join", "500", "500", "1.000", "30"]
    assert "1.020  30 and 31: not the same work" in lines([[before], [now]])[1]

"""`python -m benchmarks congestion`: every experiment can be made, has a name of its own, and a row that judges it."""

from __future__ import annotations

import json
import re
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from benchmarks.congestion.__main__ import CASES, main
from benchmarks.congestion.picoquic import WifiLatency
from benchmarks.congestion.table import as_text, missed, row
from benchmarks.congestion.trials import Outcome, Trial, run_all, run_one
from transfer import controller_names
from transfer.simulation import LabConfig, LabFlow, Link

CHECKOUT = Path(__file__).parents[3]


def outcome_of(trial: Trial, **changes: Any) -> Outcome:
    """One that is made up: every flow got the same, and was done at once."""
    count = len(trial.config.flows)
    made_up = Outcome(
        name=trial.name,
        ended_s=60.0,
        rates=[1e6] * count,
        late_rates=[1e6] * count,
        completed_s=[0.1] * count,
        rtt_p50_s=0.05,
        rtt_p95_s=0.06,
        queue_p50_s=0.01,
        queue_p95_s=0.02,
        flow_rtt_p50_s=[0.05] * count,
        retransmitted=0.01,
        lost_share=0.01,
        dropped_share=0.0,
        jain=1.0,
        events=1,
        took_s=1.0,
        digest="0",
        courses=[[(1.0, 1e6), (25.0, 3e6)]] * count,
        queue=[(float(second), 1e5) for second in range(60)],
    )
    return replace(made_up, **changes)


@pytest.mark.parametrize("name", CASES)
def test_each_experiment_is_judged(name: str) -> None:
    case = CASES[name]
    trials = case.trials(False)
    assert len({trial.name for trial in trials}) == len(trials)
    assert {flow.controller for trial in trials for flow in trial.config.flows} <= set(controller_names())
    assert {trial.name for trial in case.trials(True)} <= {trial.name for trial in trials} or name in (
        "loss",
        "bufferbloat",
    )
    outcomes = {trial.name: outcome_of(trial) for trial in trials}
    rows = case.rows(outcomes)
    assert len(rows) >= 6
    assert len({one.what for one in rows}) == len(rows)
    assert case.charts(outcomes)
    left_out = [one for one in case.rows({}) if one.ours != "left out"]
    assert left_out == []  # nothing is claimed of what did not run
    assert case.charts({}) == {} or name in ("loss", "bufferbloat", "coexistence")


def test_slow_transfers_miss_their_gates() -> None:
    trials = CASES["picoquic"].trials(False)
    late = CASES["picoquic"].rows({trial.name: outcome_of(trial, completed_s=[None, None]) for trial in trials})
    assert len(missed(late)) == len(trials)
    assert missed(CASES["picoquic"].rows({trial.name: outcome_of(trial) for trial in trials})) == []


def test_a_row_is_judged_by_its_bounds() -> None:
    assert row("C", "x", 5.0, "{:.1f} s", at_most=5.0).passed is True
    assert row("C", "x", 5.1, "{:.1f} s", at_most=5.0).passed is False
    assert row("C", "x", 1.0, "{:.1f}", at_least=2.0).passed is False
    assert row("C", "x", 1.0, "{:.1f}").passed is None
    table = as_text([row("C", "what", 5.1, "{:.1f} s", "<= 5 s", at_most=5.0)]).splitlines()
    assert len({len(line) for line in table}) == 1
    assert table[2].split() == ["|", "C", "|", "what", "|", "5.1", "s", "|", "<=", "5", "s", "|", "missed", "|"]


def small(name: str, seed: int) -> Trial:
    line = Link(delay_s=0.02, rate_bytes_per_s=250_000, queue_bytes=10_000)
    flow = LabFlow(controller="reno", transfers=(100_000,))
    return Trial(name=name, config=LabConfig(data=line, flows=(flow,), duration_s=9.0, seed=seed), course_steps=4)


def test_what_is_kept_of_a_run() -> None:
    outcome = run_one(small("one", 1))
    assert outcome.completed_s == [outcome.ended_s]
    assert outcome.mbit_s == pytest.approx(outcome.rates[0] * 8e-6)
    assert 0.4 < outcome.ended_s < 1.0
    assert outcome.share(0) == 1.0
    assert outcome.retransmitted == outcome.dropped_share == outcome.lost_share or outcome.dropped_share > 0
    assert outcome.queue
    (result,) = run_all([small("one", 1)], processes=1)
    assert replace(result, took_s=0) == replace(outcome, took_s=0)


def test_bad_wireless_waits_as_picoquic_says() -> None:
    import random

    rng = random.Random(3)
    waits_s = [WifiLatency(0.001).delay_s(0, 1, rng) for _ in range(5000)]
    assert min(waits_s) == 0.001
    long_share = sum(wait_s > 0.03 for wait_s in waits_s) / len(waits_s)
    assert long_share == pytest.approx((12.5 - 1) / 84, abs=0.02)


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    lines = tmp_path / "lines.json"
    arguments = ["picoquic", "--quick", "--processes", "1", "--json", str(lines), "--pictures", str(tmp_path)]
    monkeypatch.setattr(sys, "argv", ["congestion", *arguments])
    assert main() == 0
    printed = capsys.readouterr().out
    assert "| C3   | cubic: 4 x 1 MB, 10 Mbit/s, 10 ms" in printed
    assert re.search(r"\n\d+ goals, \d+ missed; \d+ experiments", printed)
    objects = [json.loads(line) for line in lines.read_text().splitlines()]
    assert any("digest" in one for one in objects)
    assert any("published" in one for one in objects)
    assert [path.name for path in tmp_path.glob("*.svg")] == ["congestion_completion.svg"]


def test_an_unknown_case_is_refused(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["congestion", "vegas"])
    with pytest.raises(SystemExit):
        main()
    assert "no such case: vegas; there are loss, " in capsys.readouterr().err

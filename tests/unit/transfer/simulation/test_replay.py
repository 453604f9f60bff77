"""The command that runs a scenario again."""

from __future__ import annotations

import pytest

from tests.unit.transfer.simulation import scenarios_to_replay
from transfer.simulation import run
from transfer.simulation.__main__ import main

HERE = "tests.unit.transfer.simulation.scenarios_to_replay"


def test_a_replay_prints_the_digest_of_the_run(capsys: pytest.CaptureFixture[str]) -> None:
    report = run(scenarios_to_replay.works, seed=4)
    assert main(["replay", f"{HERE}:works", "--seed", "4"]) == 0
    output = capsys.readouterr().out
    assert report.digest in output
    assert "virtual 2.000000 s" in output
    assert main(["replay", f"{HERE}:works", "--seed", "5"]) == 0
    assert report.digest not in capsys.readouterr().out


def test_a_failure_is_shown_with_its_diagram(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ZeroDivisionError) as caught:
        run(scenarios_to_replay.fails, seed=1)
    note = "\n".join(caught.value.__notes__)
    assert f"python -m transfer.simulation replay {HERE}:fails --seed 1" in note
    assert main(["replay", f"{HERE}:fails", "--seed", "1"]) == 1
    output = capsys.readouterr().out
    assert note in output
    assert "ZeroDivisionError" in output


@pytest.mark.parametrize("name", ["nonsense", "no.such.module:x", f"{HERE}:missing", f"{HERE}:NOT_A_FUNCTION"])
def test_wrong_names_are_usage_errors(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["replay", name])
    assert caught.value.code == 2
    assert "cannot find" in capsys.readouterr().err

"""Every way out of a command is an exit code and one line."""

from __future__ import annotations

import json

import pytest
import typer
from typer.testing import CliRunner

from fileshare.cli.errors import CommandError, InterruptedByUserError, exits
from kademlia_core import BootstrapError
from transfer.address import Address
from transfer.errors import LimitExceededError

runner = CliRunner()


def run_command(error: BaseException, *, as_json: bool = False) -> tuple[int, str, str]:
    app = typer.Typer(pretty_exceptions_enable=False)

    @app.command()
    @exits
    def command(as_json: bool = False) -> None:
        raise error

    result = runner.invoke(app, ["--as-json"] if as_json else [])
    return result.exit_code, result.stdout, result.stderr


@pytest.mark.parametrize(
    ("error", "exit_code", "line"),
    [
        (CommandError("it failed; do this"), 1, "kad: it failed; do this"),
        (LimitExceededError("too much"), 1, "kad: too much"),
        (
            FileNotFoundError(2, "No such file or directory", "x.torrent"),
            1,
            "kad: x.torrent: No such file or directory",
        ),
        (OSError("broken"), 1, "kad: broken"),
        (TimeoutError(), 1, "kad: TimeoutError"),
        (InterruptedByUserError("saved; go on with this"), 130, "kad: saved; go on with this"),
        (KeyboardInterrupt(), 130, "kad: interrupted"),
        (CommandError("two\nlines"), 1, "kad: two lines"),
    ],
)
def test_failures_are_one_line(error: BaseException, exit_code: int, line: str) -> None:
    assert run_command(error) == (exit_code, "", line + "\n")


def test_a_missing_network_names_the_addresses() -> None:
    exit_code, _, stderr = run_command(BootstrapError((Address("127.0.0.1", 9),)))
    assert exit_code == 1
    assert "127.0.0.1:9" in stderr


def test_programs_get_the_failure_as_an_event() -> None:
    exit_code, stdout, stderr = run_command(CommandError("it failed"), as_json=True)
    assert exit_code == 1
    assert json.loads(stdout) == {"event": "error", "message": "it failed", "exit_code": 1}
    assert stderr == "kad: it failed\n"


def test_wrong_usage_stays_wrong_usage() -> None:
    exit_code, stdout, stderr = run_command(typer.BadParameter("no number"))
    assert (exit_code, stdout) == (2, "")
    assert "no number" in stderr


def test_a_bug_is_told_as_one() -> None:
    exit_code, _, stderr = run_command(ZeroDivisionError("division by zero"))
    assert exit_code == 1
    assert "Traceback" in stderr
    assert stderr.splitlines()[-1] == "kad: this is a bug in kad, please report it: ZeroDivisionError: division by zero"

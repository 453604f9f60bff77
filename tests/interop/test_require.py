"""A missing program skips on a user's machine, fails in CI, and always says what to install."""

from __future__ import annotations

import os
import sys

import pytest

from tests.interop.require import require_program


def test_a_program_that_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", os.path.dirname(sys.executable))
    assert require_program(os.path.basename(sys.executable), "python3") == sys.executable


@pytest.mark.parametrize("environment", [None, "", "false"])
def test_skipped_for_a_user(monkeypatch: pytest.MonkeyPatch, environment: str | None) -> None:
    if environment is None:
        monkeypatch.delenv("CI", raising=False)
    else:
        monkeypatch.setenv("CI", environment)
    with pytest.raises(pytest.skip.Exception, match="no-such-program is not installed: apt-get install some-package"):
        require_program("no-such-program", "some-package")


@pytest.mark.parametrize("environment", ["true", "True", "1"])
def test_failed_in_ci(monkeypatch: pytest.MonkeyPatch, environment: str) -> None:
    monkeypatch.setenv("CI", environment)
    with pytest.raises(pytest.fail.Exception, match="no-such-program is not installed: apt-get install some-package"):
        require_program("no-such-program", "some-package")

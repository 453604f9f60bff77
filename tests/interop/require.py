"""Foreign programs that a test needs: a skip that names the package on a user's machine, a failure in CI."""

from __future__ import annotations

import os
import shutil
import sys
from typing import NoReturn

from tests.machine import is_ci


def require_program(name: str, package: str) -> str:
    """The path of the program `name`, which the Debian package `package` installs.

    Without it the test is skipped with the command that helps, or fails where the environment says `CI=true`.
    """
    found = shutil.which(
        name, path=os.environ.get("PATH", os.defpath) + os.pathsep + "/usr/sbin" + os.pathsep + "/sbin"
    )
    if found is None:
        missing(f"{name} is not installed: apt-get install {package}")
    return found


def missing(reason: str) -> NoReturn:
    """Ends the test: skipped, or failed in CI, where everything that tests need is installed beforehand."""
    if "pytest" not in sys.modules:
        raise SystemExit(reason)  # a benchmark, which runs without the test runner
    import pytest

    if is_ci():
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)

"""Foreign programs that a test needs: a skip that names the package on a user's machine, a failure in CI."""

from __future__ import annotations

import os
import shutil
from typing import NoReturn

import pytest


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
    if os.environ.get("CI", "").lower() in ("1", "true"):
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)

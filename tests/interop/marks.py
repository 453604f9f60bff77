"""Marks of interop tests; programs that run without a test runner do not load this."""

from __future__ import annotations

import os

import pytest

needs_posix = pytest.mark.skipif(os.name != "posix", reason="ends processes with POSIX signals")

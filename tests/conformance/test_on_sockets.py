"""Every check on every transport, on real event loops. TCP is the truth that the others are held to."""

from __future__ import annotations

import pytest

from tests.conformance.plugs import PLUGS
from tests.conformance.suite import CHECKS, is_run, run_check

CASES = [(check, plug) for check in CHECKS for plug in PLUGS if is_run(check, plug, simulated=False)]


@pytest.mark.every_event_loop
@pytest.mark.parametrize(("check", "plug"), CASES)
async def test_contract(check: str, plug: str) -> None:
    await run_check(CHECKS[check], PLUGS[plug])

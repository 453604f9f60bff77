"""Every check on every transport, on real event loops. TCP is the truth that the others are held to."""

from __future__ import annotations

import pytest

from tests.conformance.plugs import PLUGS, applies
from tests.conformance.suite import CHECKS, run_check

CASES = [(check, plug) for check in CHECKS for plug in PLUGS if applies(check, plug)]


@pytest.mark.every_event_loop
@pytest.mark.parametrize(("check", "plug"), CASES)
async def test_contract(check: str, plug: str) -> None:
    await run_check(CHECKS[check], PLUGS[plug])

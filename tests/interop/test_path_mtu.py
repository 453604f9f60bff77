"""uTP over the kernel's own devices that take less than 1,500 bytes, in namespaces that the test makes."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sys

import pytest

from tests.interop.kad import ROOT
from tests.machine import is_long

pytestmark = pytest.mark.interop

LINES = [(1500, 1280), (1280, 1280)]
MORE_LINES = [(1500, 1500), (1500, 1400), (1500, 600)]
HEADERS = 28  # IPv4 and UDP
CLOSE = 24  # where the search ends
VLAN_TAG = 4  # a veth device takes so much more than its MTU from the other one (is_skb_forwardable)


@pytest.mark.skipif(sys.platform != "linux" or shutil.which("ip") is None, reason="no ip(8) of Linux")
@pytest.mark.parametrize(("ours", "theirs"), [*LINES, *(MORE_LINES if is_long() else [])])
async def test_the_size_that_a_line_takes_is_found_and_nothing_waits_for_a_time_out(ours: int, theirs: int) -> None:
    """The far device drops without a word what is too long for it; one's own refuses it."""
    program = ("unshare", "-rn", sys.executable, "-m", "tests.interop.path_mtu_child", str(ours), str(theirs))
    process = await asyncio.create_subprocess_exec(
        *program,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    try:
        async with asyncio.timeout(50):
            out, err = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode and (b"Operation not permitted" in err or b"unshare" in err):
        pytest.skip(f"no network namespace with a pair of devices can be made here: {err.decode().splitlines()[0]}")
    assert process.returncode == 0, err.decode()
    told = json.loads(out)
    assert told["answer"] == "right"
    limit = min(ours, theirs, 1500) - HEADERS
    room = VLAN_TAG if theirs < ours else 0
    assert max(548, limit - CLOSE) <= told["datagram_bytes"] <= limit + room
    assert told["timeouts"] == 0

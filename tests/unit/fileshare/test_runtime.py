"""Signals, and what they do to a running command."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from fileshare.cli.errors import InterruptedByUserError
from fileshare.cli.runtime import SAME_SIGNAL_S, STOP_AT_EOF, run

posix = pytest.mark.skipif(os.name != "posix", reason="sends POSIX signals")


def test_a_result_is_returned() -> None:
    async def work() -> int:
        await asyncio.sleep(0)
        return 7

    assert run(work()) == 7


def test_an_error_is_raised() -> None:
    async def work() -> None:
        raise FileNotFoundError("x")

    with pytest.raises(FileNotFoundError):
        run(work())


@posix
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
def test_a_signal_cancels_and_the_work_closes_what_it_opened(number: signal.Signals) -> None:
    closed = []

    async def work() -> None:
        try:
            signal.raise_signal(number)
            signal.raise_signal(number)  # the same Ctrl-C, passed on by a wrapper
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            closed.append(True)

    before = signal.getsignal(number)
    with pytest.raises(InterruptedByUserError):
        run(work())
    assert closed == [True]
    assert signal.getsignal(number) is before


def test_a_cancellation_from_within_is_no_interruption() -> None:
    async def work() -> None:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        await asyncio.sleep(0)

    with pytest.raises(asyncio.CancelledError):
        run(work())


STUBBORN = """
import asyncio
from fileshare.cli import runtime

async def work():
    print("ready", flush=True)
    while True:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            print("cancelled", flush=True)

runtime.SAME_SIGNAL_S = 0.0
runtime.run(work(), second_signal_kills=True)
"""


@posix
def test_a_second_signal_kills() -> None:
    assert SAME_SIGNAL_S > 0
    with subprocess.Popen([sys.executable, "-c", STUBBORN], stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            process.send_signal(signal.SIGINT)
            assert process.stdout.readline() == "cancelled\n"
            process.send_signal(signal.SIGINT)
            assert process.wait(timeout=30) == 130
        finally:
            process.kill()


PATIENT = "import asyncio; from fileshare.cli.runtime import run; run(asyncio.sleep(600))"


def test_the_end_of_a_watched_standard_input_interrupts() -> None:
    environment = {**os.environ, STOP_AT_EOF: "1"}
    finished = subprocess.run(
        [sys.executable, "-c", PATIENT], input="", env=environment, capture_output=True, text=True, timeout=60, cwd=ROOT
    )
    assert "InterruptedByUserError" in finished.stderr


ROOT = Path(__file__).parents[3]

"""Signals, and what they do to a running command."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from fileshare.cli.errors import InterruptedByUserError
from fileshare.cli.runtime import SAME_SIGNAL_S, STEERED, run, wait_started

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
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_a_signal_cancels_and_the_work_closes_what_it_opened(name: str) -> None:
    number = signal.Signals[name]
    closed = []

    async def work() -> None:
        try:
            signal.raise_signal(number)
            signal.raise_signal(number)  # the same Ctrl-C, passed on by a wrapper
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            closed.append(True)

    before = signal.signal(number, signal.SIG_DFL)  # whoever started the tests may have ignored it
    try:
        with pytest.raises(InterruptedByUserError):
            run(work())
        assert closed == [True]
        assert signal.getsignal(number) is signal.SIG_DFL
    finally:
        signal.signal(number, before)


@posix
def test_who_starts_us_with_nohup_is_obeyed() -> None:
    async def work() -> int:
        signal.raise_signal(signal.SIGHUP)
        await asyncio.sleep(0)
        return 7

    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        assert run(work()) == 7
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


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


CLOSING_TERMINAL = """
import asyncio, signal
from fileshare.cli import runtime

async def work():
    try:
        signal.raise_signal(signal.SIGHUP)
        await asyncio.Event().wait()
    finally:
        signal.raise_signal(signal.SIGHUP)
        print("closed", flush=True)
        signal.raise_signal(signal.SIGTERM)
        print("still there", flush=True)

signal.signal(signal.SIGHUP, signal.SIG_DFL)  # whoever started the tests may have ignored it
runtime.SAME_SIGNAL_S = 0.0
runtime.run(work())
"""


@posix
def test_a_terminal_that_goes_may_say_so_several_times() -> None:
    """Unlike Ctrl-C and SIGTERM, of which the second ends everything at once."""
    finished = subprocess.run([sys.executable, "-c", CLOSING_TERMINAL], capture_output=True, text=True, cwd=ROOT)
    assert (finished.returncode, finished.stdout) == (130, "closed\n")


STEERED_WORK = """
import asyncio
from fileshare.cli.runtime import run, wait_started

async def work():
    print("ready", flush=True)
    await wait_started()
    print("started", flush=True)
    await asyncio.Event().wait()

run(work())
"""


def test_a_parent_gives_the_start_and_its_end_is_ours() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", STEERED_WORK],
        env={**os.environ, STEERED: "1"},
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdin is not None
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            process.stdin.write("start\n")
            process.stdin.flush()
            assert process.stdout.readline() == "started\n"
            _, stderr = process.communicate(timeout=30)  # closes its standard input
            assert stderr.splitlines()[-1].startswith("fileshare.cli.errors.InterruptedByUserError")
        finally:
            process.kill()


def test_without_a_parent_the_start_is_given() -> None:
    run(wait_started())


ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize("has_uvloop", [True, False])
def test_a_reader_that_is_slower_than_we_write_misses_no_line(tmp_path: Path, has_uvloop: bool) -> None:
    if not has_uvloop:
        (tmp_path / "uvloop.py").write_text("raise ImportError")
    program = """
import asyncio
from fileshare.cli.output import Output
from fileshare.cli.runtime import run

async def work():
    output = Output(as_json=True)
    for number in range(3000):
        output.event("line", number=number, padding="x" * 100)
        await asyncio.sleep(0)

run(work())
"""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path])}
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, env=environment) as process:
        assert process.stdout is not None
        first = process.stdout.readline()
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(timeout=2.0)  # the pipe is full, and the rest has to wait for us
        rest = process.stdout.read().splitlines()
        assert process.wait() == 0
    assert [json.loads(line)["number"] for line in [first, *rest]] == list(range(3000))

"""Runs a command's coroutine: the event loop, and the signals that end it."""

from __future__ import annotations

import asyncio
import errno
import os
import signal
import stat
import sys
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from types import FrameType
from typing import Any, TextIO, TypeVar

from fileshare.cli.errors import InterruptedByUserError

T = TypeVar("T")
_started: ContextVar[asyncio.Event] = ContextVar("started")


def run(work: Coroutine[Any, Any, T], *, second_signal_kills: bool = True) -> T:
    """Runs `work` to its end.

    Ctrl-C, SIGTERM or SIGHUP (the terminal was closed) cancels it, so that it closes what it opened; another Ctrl-C or
    SIGTERM kills.

    Signals in quick succession count as one: wrappers such as `timeout` pass on what a terminal sends anyway. SIGHUP
    never kills: a terminal that goes may send several, after each other. Where it is ignored (nohup) it stays so.
    SIGQUIT (Ctrl-\\) ends the process at once, as always. When standard output is a pipe and its reader leaves, `work`
    is cancelled, too: it may have nothing to say for hours.

    Raises:
        InterruptedByUserError: it was cancelled by a signal.
        BrokenPipeError: it was cancelled because no program reads what it says.
    """
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        return runner.run(_until_interrupted(work, second_signal_kills))


async def wait_started() -> None:
    """Returns at once, or where a parent steers us, when it gives the start."""
    started = _started.get(None)
    if started is not None:
        await started.wait()


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """The event loop of uvloop where that is installed."""
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop


async def _until_interrupted(work: Coroutine[Any, Any, T], second_signal_kills: bool) -> T:
    loop = asyncio.get_running_loop()
    started = asyncio.Event()
    _started.set(started)
    task = loop.create_task(work, name="command")
    was_interrupted = has_lost_reader = False
    first_signal_at: float | None = None

    def interrupt() -> None:
        nonlocal was_interrupted
        was_interrupted = True
        task.cancel()

    def lose_reader() -> None:
        nonlocal has_lost_reader
        has_lost_reader = True
        task.cancel()

    def receive_signal(number: int, frame: FrameType | None) -> None:
        nonlocal first_signal_at
        if first_signal_at is None:
            first_signal_at = time.monotonic()  # the loop's clock may stand still during an iteration
            loop.call_soon_threadsafe(interrupt)
        elif second_signal_kills and number in KILLING_SIGNALS and time.monotonic() > first_signal_at + SAME_SIGNAL_S:
            _die()

    if os.environ.get(STEERED):
        reports = (lambda: loop.call_soon_threadsafe(started.set), lambda: loop.call_soon_threadsafe(interrupt))
        threading.Thread(target=_watch_input, args=reports, daemon=True, name="watch input").start()
    else:
        started.set()
    with _signals(receive_signal), _watched_output(loop, lose_reader):
        try:
            return await task
        except asyncio.CancelledError:
            if was_interrupted:
                raise InterruptedByUserError from None
            if has_lost_reader:
                raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE)) from None
            raise


@contextmanager
def _watched_output(loop: asyncio.AbstractEventLoop, report_end: Callable[[], object]) -> Iterator[None]:
    """Tells once when the other end of a pipe is closed: its writing end becomes ready to be read then."""
    number = _pipe_of(sys.stdout)
    if number is None:
        yield
        return

    def tell() -> None:
        loop.remove_reader(number)
        report_end()

    loop.add_reader(number, tell)
    os.set_blocking(number, True)  # uvloop changes it, and what a full pipe does not take at once would be lost
    try:
        yield
    finally:
        loop.remove_reader(number)


def _pipe_of(stream: TextIO) -> int | None:
    """The number of the pipe that a stream writes to; None for everything else, and where loops cannot watch pipes."""
    try:
        number = stream.fileno()
        return number if os.name == "posix" and stat.S_ISFIFO(os.fstat(number).st_mode) else None
    except (OSError, ValueError):
        return None


@contextmanager
def _signals(receive: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    """`signal.signal`, because event loops on Windows have nothing of their own."""
    before = {number: signal.signal(number, receive) for number in ENDING_SIGNALS if is_heard(number)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def is_heard(number: signal.Signals) -> bool:
    """False for SIGHUP when the program that started us wants us to survive it (nohup, disown)."""
    return number in KILLING_SIGNALS or signal.getsignal(number) is not signal.SIG_IGN


def _watch_input(report_line: Callable[[], object], report_end: Callable[[], object]) -> None:
    try:
        while os.read(0, 4096):
            report_line()
        report_end()
    except (OSError, RuntimeError):  # no standard input at all; or the loop has ended, which was the aim
        return


def _die() -> None:
    if sys.stdout.isatty():
        os.write(sys.stdout.fileno(), b"\x1b[?25h\n")  # a bar hides the cursor
    os._exit(130)


# Set by a parent that steers us through standard input: the first line is the start for commands that wait for it, and
# the end is ours too, so that its death, by whatever signal, does not leave us behind.
STEERED = "KAD_STEERED"
SAME_SIGNAL_S = 0.3
KILLING_SIGNALS = (signal.SIGINT, signal.SIGTERM)
ENDING_SIGNALS = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK") if hasattr(signal, name)
)

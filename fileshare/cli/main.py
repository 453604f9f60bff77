"""The entry point of `kad`: it needs nothing but the standard library until it knows that the rest is installed."""

from __future__ import annotations

import gc
import os
import signal
import sys
from types import FrameType
from typing import NoReturn


def main() -> NoReturn:
    """Runs the command line of this process and ends it with the exit code."""
    try:
        for number in (signal.SIGTERM, getattr(signal, "SIGHUP", None)):  # every command tidies up as on Ctrl-C
            if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, _interrupt)
        from fileshare.cli.app import app
    except KeyboardInterrupt:
        sys.exit(130)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in EXTRA_MODULES:
            raise
        print("the command kad needs the app extra: pip install 'kademlia-core[app]'", file=sys.stderr)
        sys.exit(1)
    if sys.stdout is None:  # the program that started us closed it, and wants to hear nothing
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a file name must never be what stops a download
            stream.reconfigure(errors="backslashreplace")
    collect_garbage_rarely()
    try:
        app(prog_name="kad")
    except KeyboardInterrupt:  # before the command began, or after its end: it has nothing to say
        sys.exit(130)
    except OSError as error:  # of our output; the flush at exit must not complain again
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if not isinstance(error, BrokenPipeError):
            print(f"kad: cannot write to standard output: {error.strerror or error}", file=sys.stderr)
        sys.exit(1)
    sys.exit(0)


def collect_garbage_rarely() -> None:
    """Keeps the garbage collector from stopping everything for long: it looks at a whole generation at once.

    A torrent of 300,000 files has as many objects that live as long as it does, and with Python's thresholds all of
    them are looked at again and again while they are made. With these a young generation has at most 5,000 objects,
    the next one 30,000; what is older is looked at after ten million new ones. `python -m benchmarks many_files` shows
    what comes of it.
    """
    gc.set_threshold(5_000, 5, 400)


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


EXTRA_MODULES = {"typer", "rich", "click"}

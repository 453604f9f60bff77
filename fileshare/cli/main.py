"""The entry point of `kad`: it needs nothing but the standard library until it knows that the rest is installed."""

from __future__ import annotations

import os
import signal
import sys
from types import FrameType
from typing import NoReturn


def main() -> NoReturn:
    """Runs the command line of this process and ends it with the exit code."""
    try:
        signal.signal(signal.SIGTERM, _interrupt)  # so that every command tidies up as it does on Ctrl-C
        from fileshare.cli.app import app
    except KeyboardInterrupt:
        sys.exit(130)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in EXTRA_MODULES:
            raise
        print("the command kad needs the app extra: pip install 'kademlia-core[app]'", file=sys.stderr)
        sys.exit(1)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a file name must never be what stops a download
            stream.reconfigure(errors="backslashreplace")
    try:
        app(prog_name="kad")
    except BrokenPipeError:  # the reader of our output left; the flush at exit must not complain again
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    sys.exit(0)


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


EXTRA_MODULES = {"typer", "rich", "click"}

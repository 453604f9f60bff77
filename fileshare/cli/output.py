"""What a command says: text for people, or with `--json` one JSON object per line, and never both."""

from __future__ import annotations

import errno
import json
import os
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import fields, is_dataclass
from enum import Enum
from pathlib import Path
from typing import TextIO

from rich.console import Console, RenderableType

from bittorrent import ServerUrl
from transfer import Address, TransferError


class OutputError(TransferError):
    """Standard output takes nothing more: its disk is full, say."""


class Output:
    """Standard output of one command.

    When the program that reads a pipe has left, the next word to it raises BrokenPipeError, which ends the command.
    When a terminal is gone no user misses what was said, and the command goes on: whether it has to end is told by
    SIGHUP, and a user who has it ignored (nohup, disown) wants it to go on.

    Args:
        as_json: events become lines of JSON and text is dropped; otherwise the other way round.

    Raises:
        BrokenPipeError, OutputError: from every method that writes.
    """

    def __init__(self, *, as_json: bool) -> None:
        self.as_json = as_json
        self._stream = _Stream(sys.stdout)
        self.console: Console = _Console(
            file=self._stream,  # type: ignore[arg-type]  # all that is used of it is there
            force_terminal=self._stream.isatty(),  # FORCE_COLOR does not make a terminal of a pipe
            highlight=False,
            markup=False,
            emoji=False,
        )

    @property
    def is_live(self) -> bool:
        """Whether the user looks at a terminal, on which lines can be drawn over."""
        return not self.as_json and self.console.is_terminal and os.environ.get("TERM", "") not in DUMB_TERMINALS

    def event(self, name: str, /, **data: object) -> None:
        """Something happened. Only for programs."""
        if self.as_json:
            line = json.dumps({"event": name, **{key: _plain(value) for key, value in data.items()}})
            self._stream.write(f"{line}\n")
            self._stream.flush()

    def say(self, text: RenderableType) -> None:
        """Only for people."""
        if not self.as_json:
            self.console.print(text, soft_wrap=isinstance(text, str))

    def complain(self, text: str) -> None:
        """A problem, for people, on standard error whatever the mode is. Never an error itself."""
        try:
            print(f"kad: {text}", file=sys.stderr, flush=True)
        except OSError:
            _silence(sys.stderr)


class _Console(Console):
    """One that leaves it to its user what a broken pipe means; that of rich ends the process."""

    def on_broken_pipe(self) -> None:
        self.quiet = True
        raise  # it is called where the error is handled


class _Stream:
    """What a command writes to; errors are sorted as `Output` says, and told once."""

    def __init__(self, stream: TextIO) -> None:
        self._target = stream

    @property
    def encoding(self) -> str:
        return self._target.encoding

    def write(self, text: str) -> int:
        try:
            return self._target.write(text)
        except OSError as error:
            return self._fail(error, len(text))

    def flush(self) -> None:
        try:
            self._target.flush()
        except OSError as error:
            self._fail(error, 0)

    def isatty(self) -> bool:
        return self._target.isatty()

    def fileno(self) -> int:
        return self._target.fileno()

    def _fail(self, error: OSError, written: int) -> int:
        _silence(self._target)
        if error.errno in _TERMINAL_GONE:
            return written
        if isinstance(error, BrokenPipeError):
            raise error
        raise OutputError(f"cannot write to standard output: {error.strerror or error}") from None


def _silence(stream: TextIO) -> None:
    """From now on it takes everything: what it holds back would fail again at the exit, with a traceback."""
    with suppress(OSError, ValueError), open(os.devnull, "wb") as nothing:
        os.dup2(nothing.fileno(), stream.fileno())


def _plain(value: object) -> object:
    """`value` as JSON knows it: bytes in hexadecimal, addresses and paths as text, dataclasses as objects."""
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, Address | ServerUrl | Path):
        return str(value)
    if isinstance(value, Enum):
        return value.value
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float):  # to a thousandth, and what is less than one keeps its first three digits
        return round(value, 3) if abs(value) >= 1 else float(f"{value:.3g}")
    return value


DUMB_TERMINALS = ("", "dumb", "unknown") if os.name == "posix" else ()
_TERMINAL_GONE = (errno.EIO, errno.ENXIO)

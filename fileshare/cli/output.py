"""What a command says: text for people, or with `--json` one JSON object per line, and never both."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from pathlib import Path

from rich.console import Console, RenderableType

from transfer.address import Address


class Output:
    """Standard output of one command.

    Args:
        as_json: events become lines of JSON and text is dropped; otherwise the other way round.
    """

    def __init__(self, *, as_json: bool) -> None:
        self.as_json = as_json
        self.console = Console(file=sys.stdout, highlight=False, markup=False, emoji=False)

    @property
    def is_live(self) -> bool:
        """Whether somebody looks at a terminal, on which lines can be drawn over."""
        return not self.as_json and self.console.is_terminal

    def event(self, name: str, /, **data: object) -> None:
        """Something happened. Only for programs."""
        if self.as_json:
            print(json.dumps({"event": name, **{key: _plain(value) for key, value in data.items()}}), flush=True)

    def say(self, text: RenderableType) -> None:
        """Only for people."""
        if not self.as_json:
            self.console.print(text, soft_wrap=isinstance(text, str))
            sys.stdout.flush()

    def complain(self, text: str) -> None:
        """A problem, for people, on standard error whatever the mode is."""
        print(f"kad: {text}", file=sys.stderr, flush=True)


def one_line(text: str) -> str:
    """`text` without anything that ends a line or steers a terminal: it may quote a stranger."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def printable(text: str) -> str:
    """`text` as it is, unless it could do more than be shown: then `one_line` of it."""
    return text if text.isprintable() else one_line(text)


def _plain(value: object) -> object:
    """`value` as JSON knows it: bytes in hexadecimal, addresses and paths as text, dataclasses as objects."""
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, Address | Path):
        return str(value)
    if isinstance(value, Enum):
        return value.value
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float):
        return round(value, 3)
    return value

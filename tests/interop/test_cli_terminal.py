"""`kad` on a terminal: what is left on the screen after Ctrl-C is what it said, and nothing of what it drew over."""

from __future__ import annotations

import fcntl
import os
import re
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from bittorrent.creating.create import create_metainfo
from tests.interop.kad import DEADLINE_S, ROOT
from tests.interop.marks import needs_posix

COLUMNS, LINES = 80, 24

pytestmark = needs_posix


class Screen:
    """As much of a terminal as progress displays need: wrapping, the cursor up, lines erased."""

    def __init__(self) -> None:
        self.rows: list[list[str]] = [[]]
        self._row = self._column = 0
        self._rest = ""

    def __str__(self) -> str:
        return "\n".join("".join(row).rstrip() for row in self.rows).rstrip("\n")

    def feed(self, text: str) -> None:
        text = self._rest + text
        cut = re.search(r"\x1b\[?[0-9;?]*$", text)  # a sequence whose end has not come yet
        self._rest = cut[0] if cut is not None else ""
        for part in re.split(r"(\x1b\[[0-9;?]*[A-Za-z])", text.removesuffix(self._rest)):
            if not part.startswith("\x1b"):
                for character in part:
                    self._put(character)
            elif part.endswith("A"):
                self._row = max(0, self._row - int(part[2:-1] or 1))
            elif part == "\x1b[2K":
                self.rows[self._row] = []

    def _put(self, character: str) -> None:
        if character == "\r":
            self._column = 0
        elif character == "\n":
            self._next_row()
        elif character.isprintable():
            if self._column == COLUMNS:
                self._column = 0
                self._next_row()
            row = self.rows[self._row]
            row += [" "] * (self._column + 1 - len(row))
            row[self._column] = character
            self._column += 1

    def _next_row(self) -> None:
        self._row += 1
        if self._row == len(self.rows):
            self.rows.append([])


class Terminal:
    """A `kad` that runs on a terminal of its own; use it with `with`."""

    def __init__(self, *arguments: object) -> None:
        self.screen = Screen()
        self._arguments = [str(argument) for argument in arguments]

    def __enter__(self) -> Terminal:
        self._master, slave = os.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, COLUMNS, 0, 0))
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "TERM": "xterm", "COLUMNS": str(COLUMNS)}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "fileshare.cli", *self._arguments],
            env=environment,
            preexec_fn=lambda: os.login_tty(slave),
        )
        os.close(slave)
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        os.close(self._master)

    def read_until(self, condition: Callable[[str], bool]) -> None:
        """Until the screen looks like that."""
        deadline = time.monotonic() + DEADLINE_S
        while not condition(str(self.screen)):
            assert time.monotonic() < deadline, str(self.screen)
            if select.select([self._master], [], [], 0.1)[0]:
                try:
                    data = os.read(self._master, 65536)
                except OSError:  # nobody has the other end any more
                    break
                self.screen.feed(data.decode(errors="replace"))

    def interrupt(self) -> int:
        """Types Ctrl-C; returns the exit code."""
        os.write(self._master, b"\x03")
        self.read_until(lambda screen: False if self._process.poll() is None else self._is_drained())
        return self._process.wait(timeout=DEADLINE_S)

    def _is_drained(self) -> bool:
        return not select.select([self._master], [], [], 0.0)[0]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("one", "two"):
        (tmp_path / name).write_bytes(os.urandom(100_000))
        (tmp_path / f"{name}.torrent").write_bytes(create_metainfo(tmp_path / name).to_bytes())
    return tmp_path


OPTIONS = ("--no-dht", "--no-local", "--listen", "127.0.0.1:0")


def test_a_table_of_torrents_is_gone_after_an_interruption(folder: Path) -> None:
    with Terminal("seed", folder, *OPTIONS) as terminal:
        terminal.read_until(lambda screen: "2 torrents, 2 complete" in screen)
        rows = str(terminal.screen).splitlines()
        assert [row.split()[0] for row in rows if row.endswith("seeding")] == ["one", "two"]
        assert terminal.interrupt() == 0
        left = str(terminal.screen).splitlines()
    assert re.fullmatch(r"sharing on 127\.0\.0\.1:\d+; stop with Ctrl-C", left[0])
    assert sorted(left[1:3]) == ["seeding one (97.7 KiB)", "seeding two (97.7 KiB)"]
    assert left[3:] == ["stopped: 0 B sent to others in all"]


def test_a_bar_is_gone_after_an_interruption(folder: Path) -> None:
    with Terminal("get", folder / "one.torrent", "-o", folder / "copy", "--wait", *OPTIONS) as terminal:
        terminal.read_until(lambda screen: "0 peers, ETA" in screen)
        assert terminal.interrupt() == 130
        left = str(terminal.screen)
    assert "ETA" not in left
    assert left.startswith("kad: interrupted: 0 B of 97.7 KiB are verified and saved in ")

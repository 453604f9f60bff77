"""What is drawn over on a terminal."""

from __future__ import annotations

import io
import re

import pytest
from rich.console import Console
from rich.text import Text

from fileshare.cli.output import Output
from fileshare.cli.views import Bar, LiveTable

WIDTH = 40


@pytest.fixture(autouse=True)
def _on_a_usual_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")


def terminal() -> tuple[Output, io.StringIO]:
    written = io.StringIO()
    output = Output(as_json=False)
    output.console = Console(file=written, width=WIDTH, height=10, force_terminal=True, markup=False, highlight=False)
    return output, written


def plain(text: str) -> str:
    return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", text)


def test_a_table_is_drawn_with_room_for_what_the_terminal_echoes_and_disappears() -> None:
    output, written = terminal()
    with LiveTable(output) as display:
        assert not display.refresh(lambda: Text("x" * 200), lambda: pytest.fail("a terminal shows the table"))
        output.say("said above")
    text = written.getvalue()
    assert "said above" in text
    assert max(len(line) for line in re.split(r"[\r\n]+", plain(text))) <= WIDTH - 4
    height = 200 // (WIDTH - 4) + 1
    assert text.rstrip().endswith("\x1b[1A\x1b[2K" * height), "every line of it is taken back"


def test_a_bar_leaves_that_room_too() -> None:
    output, written = terminal()
    with Bar(output) as bar:
        bar.show("film", done=1, total=2, tail="half")
    assert max(len(line) for line in re.split(r"[\r\n]+", plain(written.getvalue()))) <= WIDTH - 4
    assert "film" in written.getvalue()


def test_elsewhere_a_line_is_said_now_and_then_when_it_says_news(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 0.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    with LiveTable(Output(as_json=False)) as display:
        said = []
        for moment, line in ((1.0, "a"), (2.0, "a"), (3.9, "b"), (4.0, "b"), (6.0, "b"), (8.0, "c")):
            now = moment
            said.append(display.refresh(lambda: pytest.fail("no terminal"), lambda line=line: line))  # type: ignore[misc]
    assert said == [False, True, False, True, True, True]
    assert capsys.readouterr().out == "a\nb\nc\n"

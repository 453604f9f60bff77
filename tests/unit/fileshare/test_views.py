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


def terminal(width: int = WIDTH) -> tuple[Output, io.StringIO]:
    written = io.StringIO()
    output = Output(as_json=False)
    output.console = Console(file=written, width=width, height=10, force_terminal=True, markup=False, highlight=False)
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


@pytest.mark.parametrize(("width", "figures"), [(100, "1.0 MiB of 2.0 MiB, 9 peers"), (40, "9 peers")])
def test_a_narrow_terminal_has_short_figures_and_a_short_name(width: int, figures: str) -> None:
    output, written = terminal(width)
    with Bar(output) as bar:
        bar.show("a film of a name " * 9, done=1, total=2, tail="1.0 MiB of 2.0 MiB, 9 peers", short_tail="9 peers")
    drawn = [line for line in re.split(r"[\r\n]+", plain(written.getvalue())) if "film" in line]
    assert drawn
    assert all(f"50% {figures}" in line and "…" in line and len(line) <= width - 4 for line in drawn)


@pytest.mark.parametrize("term", ["dumb", "unknown", ""])
def test_on_a_dumb_terminal_nothing_is_drawn_over(term: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", term)
    output, written = terminal()
    assert not output.is_live
    with Bar(output) as bar:
        bar.show("film", done=1, total=2, tail="half")
    with LiveTable(output) as display:
        display.refresh(lambda: Text("x"), lambda: "all")
    assert written.getvalue() == "film:  50% half\n"


def test_a_pipe_is_no_terminal_whatever_the_environment_says(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.setenv(name, "1")
    assert not Output(as_json=False).is_live

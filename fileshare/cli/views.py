"""Long work made visible: a bar on a terminal, a line now and then elsewhere, events for programs."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Self

from rich.console import Console, RenderableType
from rich.constrain import Constrain
from rich.live import Live
from rich.progress import BarColumn, Progress, ProgressColumn, TaskID, TextColumn
from rich.segment import Segment, Segments
from rich.text import Text

from fileshare.cli.output import Output
from fileshare.cli.units import size_text


class Bar:
    """One bar with a text before and one behind it. Elsewhere than on a terminal it is lines, when they say news.

    Use it with `with`; on leaving the bar disappears, so that what is said next takes its place.
    """

    def __init__(self, output: Output) -> None:
        self._output = output
        self._progress: Progress | None = None
        self._task: TaskID | None = None
        self._last_line = ""
        self._next_line_at = 0.0

    def __enter__(self) -> Self:
        if self._output.is_live:
            self._progress = _Narrower(
                TextColumn("{task.description}", markup=False),
                BarColumn(bar_width=None),
                TextColumn("{task.fields[tail]}", markup=False),
                console=self._output.console,
            )
            self._task = self._progress.add_task("", total=None, tail="")
            self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._progress is not None:
            self._progress.stop()
            self._progress = None

    def show(
        self,
        what: str,
        *,
        done: float = 0,
        total: float | None = None,
        tail: str = "",
        short_tail: str | None = None,
        key: object = None,
    ) -> None:
        """Brings the bar up to date; costs next to nothing where no line is due.

        Args:
            done: the length of the bar; without `total` it only shows that something is going on.
            total: see `done`.
            tail: figures to the right of the bar.
            short_tail: instead of them on a narrow terminal.
            key: a line is printed only when this has changed; by default the whole text.
        """
        percent = f"{done / total:4.0%} " if total else ""
        if self._progress is not None and self._task is not None:
            room = usable_width(self._output.console) - MIN_BAR_WIDTH - 2
            if short_tail is not None and len(percent) + len(tail) > room - MIN_NAME_WIDTH:
                tail = short_tail
            tail = f"{percent}{tail}"
            name = Text(what)
            name.truncate(max(MIN_NAME_WIDTH, room - len(tail)), overflow="ellipsis")
            self._progress.update(self._task, description=name.plain, completed=done, total=total, tail=tail)
        elif not self._output.as_json and time.monotonic() >= self._next_line_at:
            line = f"{what}: {percent}{tail}".rstrip(" :")
            news = repr(key) if key is not None else line
            if news != self._last_line:
                self._output.say(line)
                self._last_line = news
                self._next_line_at = time.monotonic() + LINE_INTERVAL_S


class LiveTable:
    """A table that lives on a terminal. Elsewhere it is a line now and then, when that says news.

    Use it with `with`; on leaving the table disappears.
    """

    def __init__(self, output: Output) -> None:
        self._output = output
        self._live: Live | None = None
        self._last_line = ""
        self._next_line_at = time.monotonic() + LINE_INTERVAL_S

    def __enter__(self) -> Self:
        if self._output.is_live:
            self._live = Live(console=self._output.console, auto_refresh=False, transient=True)
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None

    def refresh(self, table: Callable[[], RenderableType], line: Callable[[], str]) -> bool:
        """Draws the table, or says the line if its time has come; returns whether it had."""
        if self._live is not None:
            self._live.update(_drawn(table(), self._output.console), refresh=True)
            return False
        if time.monotonic() < self._next_line_at:
            return False
        self._next_line_at = time.monotonic() + LINE_INTERVAL_S
        text = line()
        if text != self._last_line:
            self._output.say(text)
            self._last_line = text
        return True


def _drawn(shown: RenderableType, console: Console) -> RenderableType:
    """What is to be shown, laid out once: it is drawn again with each line that is said above it."""
    segments: list[Segment] = []
    for line in console.render_lines(narrower(shown, console), pad=False):
        segments += [*line, Segment.line()]
    return Segments(segments[:-1])


class _Narrower(Progress):
    def __init__(self, *columns: ProgressColumn, console: Console) -> None:
        self._own_console = console  # the one of Progress is not there yet when it renders for the first time
        super().__init__(*columns, console=console, transient=True, expand=True)

    def get_renderables(self) -> Iterable[RenderableType]:
        yield narrower(self.make_tasks_table(self.tasks), self._own_console)


def narrower(shown: RenderableType, console: Console) -> RenderableType:
    """Leaves room at the end of the last line for the `^C` that a terminal writes there.

    With a line more, what is drawn over would be the wrong lines.
    """
    return Constrain(shown, usable_width(console))


def usable_width(console: Console) -> int:
    """How wide a line that lives may be."""
    return max(20, console.width - len("^C^C"))


class ByteCount:
    """The progress of work that only counts bytes: hashing."""

    def __init__(self, output: Output, what: str) -> None:
        self._output = output
        self._what = what
        self._bar = Bar(output)
        self._next_at = time.monotonic() + EVENT_INTERVAL_S

    def __enter__(self) -> Self:
        self._bar.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.__exit__(kind, error, trace)

    def show(self, done_bytes: int, total_bytes: int) -> None:
        now = time.monotonic()
        if now >= self._next_at:
            self._next_at = now + EVENT_INTERVAL_S
            tail = f"{size_text(done_bytes)} of {size_text(total_bytes)}"
            self._bar.show(self._what, done=done_bytes, total=total_bytes, tail=tail)
            self._output.event("progress", done_bytes=done_bytes, total_bytes=total_bytes)


EVENT_INTERVAL_S = 0.5
LINE_INTERVAL_S = 2.0
MIN_BAR_WIDTH, MIN_NAME_WIDTH = 6, 12

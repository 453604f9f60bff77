"""Several torrents at a glance: a table on a terminal, one line for all of them elsewhere."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Self

from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from bittorrent import Explanation, SlowReason, TorrentState, TorrentStats
from fileshare.cli.output import Output
from fileshare.cli.units import count_text, duration_text, rate_text, size_text
from fileshare.cli.views import LiveTable, usable_width


class TransferTable:
    """A row for each torrent and one for all of them; use it with `with`."""

    def __init__(self, output: Output) -> None:
        self._display = LiveTable(output)
        self._console = output.console
        self._rows: dict[bytes, tuple[TorrentStats, Explanation | None]] = {}

    def __enter__(self) -> Self:
        self._display.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._display.__exit__(kind, error, trace)

    def show(self, stats: TorrentStats, explanation: Explanation | None) -> None:
        """The row of one torrent; it is drawn with the next `refresh`."""
        self._rows[stats.info_hash] = stats, explanation

    def forget(self, info_hash: bytes) -> None:
        """A row disappears."""
        self._rows.pop(info_hash, None)

    def refresh(self) -> None:
        """Draws all rows."""
        self._display.refresh(self.table, self.line)

    def table(self) -> Table:
        """What a terminal shows: as many torrents as it has lines for, those first that do something."""
        room = max(1, self._console.height - FRAME_LINES)
        rows = list(self._rows.values())
        if len(rows) > room:
            rows.sort(key=lambda row: _is_quiet(row[0]))  # stable: rows that matter keep their order
        shown = rows[:room]
        table = Table(box=None, pad_edge=False, expand=True, show_footer=True)
        total = self.line() if len(rows) == len(shown) else f"{self.line()}; {len(rows) - len(shown)} not shown"
        cells = [_cells(stats, explanation) for stats, explanation in shown]
        columns = _columns_that_fit(cells, usable_width(self._console) - NAME_WIDTH)
        table.add_column("", no_wrap=True, overflow="ellipsis", ratio=1, min_width=min(NAME_WIDTH, self._console.width))
        for heading in columns:
            if heading == BAR:
                table.add_column("", width=BAR_WIDTH)
            else:
                table.add_column(heading, justify="right", no_wrap=True)
        for (stats, _), row in zip(shown, cells, strict=True):
            done = stats.wanted_bytes - stats.needed_bytes
            bar = ProgressBar(total=max(1, stats.wanted_bytes), completed=done if stats.wanted_bytes else 0)
            table.add_row(Text(stats.name), *(bar if heading == BAR else row[heading] for heading in columns))
        framed = Table.grid(expand=True)
        framed.add_row(table)
        framed.add_row(Text(total))
        return framed

    def line(self) -> str:
        """All torrents in one line: `3 torrents, 2 seeding; 45% of 1.2 GiB, 5.0 MiB/s down, …`."""
        if not self._rows:
            return "no torrents at the moment"
        everything = [stats for stats, _ in self._rows.values()]
        groups = Counter(_GROUPS[stats.state] for stats in everything)
        wanted = sum(stats.wanted_bytes for stats in everything)
        needed = sum(stats.needed_bytes for stats in everything)
        down = sum(stats.download_rate_bytes_per_s for stats in everything)
        up = sum(stats.upload_rate_bytes_per_s for stats in everything)
        parts = [count_text(len(everything), "torrent"), *(f"{count} {name}" for name, count in groups.items())]
        text = ", ".join(parts)
        if needed:
            text += f"; {(wanted - needed) / wanted:.0%} of {size_text(wanted)}, {rate_text(down)} down"
        text += f"{', ' if needed else '; '}{rate_text(up)} up, {count_text(sum(s.peers for s in everything), 'peer')}"
        return text + (f", ETA {duration_text(needed / down)}" if needed and down >= 1 else "")


def percent_text(stats: TorrentStats) -> str:
    """How much of what is wanted is here, or of a check how much is done; nothing while the size is not known."""
    if stats.state is TorrentState.CHECKING and stats.piece_count:
        return f"{stats.checked_pieces / stats.piece_count:.0%}"
    if not stats.wanted_bytes:
        return ""
    return f"{(stats.wanted_bytes - stats.needed_bytes) / stats.wanted_bytes:.0%}"


def status_text(stats: TorrentStats, explanation: Explanation | None) -> str:
    """What a torrent is doing, in a word or two: the time left while it comes, else why it does not."""
    if stats.state is TorrentState.DOWNLOADING:
        reason = explanation.reason if explanation is not None else None
        if reason is SlowReason.RATE_LIMITED:
            return f"{duration_text(stats.eta_s)} at limit"
        if stats.eta_s is not None or reason is None:
            return duration_text(stats.eta_s)
        return str(reason.value)
    if stats.state is TorrentState.METADATA:
        if stats.wanted_layer_hashes:
            return f"hashes {stats.layer_hashes}/{stats.wanted_layer_hashes}"
        return "metadata" if stats.peers else "finding peers"
    return str(stats.state.value)


def _cells(stats: TorrentStats, explanation: Explanation | None) -> dict[str, str]:
    return {
        "done": percent_text(stats),
        "size": size_text(stats.wanted_bytes) if stats.wanted_bytes else "",
        "down": _rate(stats.download_rate_bytes_per_s),
        "up": _rate(stats.upload_rate_bytes_per_s),
        "peers": str(stats.peers),
        "left": status_text(stats, explanation),
    }


def _columns_that_fit(rows: Sequence[Mapping[str, str]], room: int) -> list[str]:
    """The columns that a terminal has room for beside the names, in the order in which they are shown.

    What is left out first is what matters least.
    """
    fitting: set[str] = set()
    for heading in BY_IMPORTANCE:
        width = max((len(row[heading]) for row in rows), default=0) if heading != BAR else BAR_WIDTH
        room -= COLUMN_GAP + max(width, len(heading))
        if room < 0:
            break
        fitting.add(heading)
    return [heading for heading in COLUMNS if heading in fitting]


def _rate(rate_bytes_per_s: float) -> str:
    return rate_text(rate_bytes_per_s) if rate_bytes_per_s >= 1 else "-"


def _is_quiet(stats: TorrentStats) -> bool:
    return stats.state in (TorrentState.SEEDING, TorrentState.FINISHED) and stats.upload_rate_bytes_per_s < 1


BAR = ""
COLUMNS = (BAR, "done", "size", "down", "up", "peers", "left")
BY_IMPORTANCE = ("done", "left", "down", "size", "peers", "up", BAR)
NAME_WIDTH, BAR_WIDTH, COLUMN_GAP = 12, 10, 2  # of a name at least
FRAME_LINES = 7  # the headings, the line below, and room for what is said above
_GROUPS = {
    TorrentState.METADATA: "without metadata yet",
    TorrentState.CHECKING: "checking",
    TorrentState.DOWNLOADING: "downloading",
    TorrentState.FINISHED: "complete",
    TorrentState.SEEDING: "complete",
    TorrentState.FAILED: "failed",
    TorrentState.STOPPED: "stopped",
}

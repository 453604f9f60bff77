"""What the demo shows: a table that lives while files move, and the one with the results."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from rich.box import SIMPLE_HEAD
from rich.table import Table

from fileshare.cli.demo_children import Child
from fileshare.cli.output import Output
from fileshare.cli.units import rate_text, size_text
from fileshare.cli.views import LiveTable


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """How one downloader did. `hops` and `queries` are None where a fellow came before the lookup named any peer."""

    name: str
    seconds: float
    rate_bytes_per_s: float
    hops: int | None
    queries: int | None
    pieces_from_seeder: int
    pieces_from_downloaders: int
    failed_pieces: int
    sha256: str
    is_identical: bool


class SwarmView:
    """The downloaders while they work; use it with `with`."""

    def __init__(self, output: Output, downloaders: Sequence[Child], seeder: str) -> None:
        self._output = output
        self._downloaders = downloaders
        self._seeder = seeder
        self._display = LiveTable(output)

    def __enter__(self) -> Self:
        self._display.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._display.__exit__(kind, error, trace)

    def refresh(self) -> None:
        if self._display.refresh(self._table, self._line):
            for child in self._downloaders:
                self._output.event("progress", downloader=child.name, **child.latest.get("progress", {}))

    def _line(self) -> str:
        rows = [_Row(child, self._seeder) for child in self._downloaders]
        return "  ".join(f"{row.name}: {row.percent}, {row.rate}" for row in rows)

    def _table(self) -> Table:
        headings = ("done", "rate", "peers", "pieces from\nthe seeder", "pieces from\ndownloaders")
        table = _table("a swarm on this machine", headings)
        for child in self._downloaders:
            row = _Row(child, self._seeder)
            table.add_row(row.name, row.percent, row.rate, row.peers, row.from_seeder, row.from_downloaders)
        return table


class _Row:
    """One downloader as text."""

    def __init__(self, child: Child, seeder: str) -> None:
        progress = child.latest.get("progress", {})
        total = progress.get("total_bytes", 0)
        from_seeder, from_downloaders = count_sources(progress, seeder)
        self.name = child.name
        self.percent = f"{progress['done_bytes'] / total:.0%}" if total else "finding peers"
        self.rate = rate_text(progress.get("rate_bytes_per_s", 0.0)) if "done" not in child.latest else "complete"
        self.peers = str(progress.get("peers", 0))
        self.from_seeder = str(from_seeder)
        self.from_downloaders = str(from_downloaders)


def count_sources(event: dict[str, Any], seeder: str) -> tuple[int, int]:
    """How many pieces came from the seeder, and how many from other peers."""
    sources = event.get("sources", [])
    from_seeder = sum(source["pieces"] for source in sources if source["address"] == seeder)
    return from_seeder, sum(source["pieces"] for source in sources) - from_seeder


def result_table(results: Sequence[Result], size_bytes: int) -> Table:
    """What every run of the demo ends with."""
    table = _table(
        f"{size_text(size_bytes)}, found through the DHT, verified, traded",
        ("time", "rate", "lookup\nhops", "pieces from\nthe seeder", "pieces from\ndownloaders", "SHA-256"),
    )
    for result in results:
        table.add_row(
            result.name,
            f"{result.seconds:.1f} s",
            rate_text(result.rate_bytes_per_s),
            "-" if result.hops is None else str(result.hops),
            str(result.pieces_from_seeder),
            str(result.pieces_from_downloaders),
            "identical" if result.is_identical else "DIFFERENT",
        )
    return table


def _table(title: str, headings: Sequence[str]) -> Table:
    """On one line each with 80 columns; with less, cells are broken into several."""
    table = Table(title=title, box=SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    table.add_column("", no_wrap=True)
    for heading in headings:
        table.add_column(heading, justify="right")
    return table

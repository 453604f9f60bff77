"""Several torrents at a glance."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from rich.console import Console

from bittorrent.stats import TorrentState
from bittorrent.swarm.explain import Explanation, SlowReason
from fileshare.cli.output import Output
from fileshare.cli.transfer_table import TransferTable, percent_text, status_text
from tests.unit.fileshare.test_transfers import stats

LOADING = replace(
    stats(),
    total_bytes=1 << 20,
    wanted_bytes=1 << 20,
    needed_bytes=1 << 19,
    download_rate_bytes_per_s=131072.0,
    eta_s=4.0,
)
SEEDING = replace(
    stats(TorrentState.SEEDING),
    info_hash=b"\1" * 20,
    name="album [1999]",
    wanted_bytes=1 << 20,
    needed_bytes=0,
    upload_rate_bytes_per_s=1024.0,
)
IDLE = replace(SEEDING, info_hash=b"\2" * 20, name="idle", upload_rate_bytes_per_s=0.0)


def why(reason: SlowReason) -> Explanation:
    return Explanation(reason=reason, text="", rate_bytes_per_s=0.0, peers={})


def drawn(table: TransferTable, *, width: int = 100) -> list[str]:
    console = Console(file=io.StringIO(), width=width, force_terminal=False)
    console.print(table.table())
    assert isinstance(console.file, io.StringIO)
    return [line.rstrip() for line in console.file.getvalue().splitlines()]


def table_of(*rows: object, height: int = 24, width: int = 100) -> TransferTable:
    output = Output(as_json=False)
    output.console.size = (width, height)
    table = TransferTable(output)
    for row in rows:
        table.show(row, None)  # type: ignore[arg-type]
    return table


def test_each_torrent_has_a_line_and_all_of_them_have_one() -> None:
    lines = drawn(table_of(LOADING, SEEDING))
    assert lines[0].split() == ["done", "size", "down", "up", "peers", "left"]
    assert lines[1].split()[0] == "film"
    assert lines[1].split()[-8:] == ["50%", "1.0", "MiB", "128.0", "KiB/s", "-", "1", "0:04"]
    assert "album [1999]" in lines[2]
    assert lines[2].endswith("seeding")
    assert " ".join(lines[-2:]).strip() == (
        "2 torrents, 1 downloading, 1 complete; 75% of 2.0 MiB, 128.0 KiB/s down, 1.0 KiB/s up, 2 peers, ETA 0:04"
    )


def test_it_fits_into_80_columns() -> None:
    long = replace(LOADING, name="a" * 200)
    assert max(map(len, drawn(table_of(long, SEEDING), width=80))) <= 80


def test_a_terminal_with_few_lines_shows_those_that_do_something() -> None:
    lines = drawn(table_of(IDLE, replace(IDLE, info_hash=b"\3" * 20), SEEDING, LOADING, height=9))
    assert [line.split()[0] for line in lines[1:3]] == ["album", "film"]
    assert "2 not shown" in " ".join(lines[3:])


def test_who_is_forgotten_is_not_shown() -> None:
    table = table_of(LOADING, SEEDING)
    table.forget(LOADING.info_hash)
    table.forget(LOADING.info_hash)
    assert table.line() == "1 torrent, 1 complete; 1.0 KiB/s up, 1 peer"
    table.forget(SEEDING.info_hash)
    assert table.line() == "no torrents at the moment"


@pytest.mark.parametrize(
    ("moment", "reason", "text"),
    [
        (LOADING, SlowReason.REMOTE_SLOW, "0:04"),
        (LOADING, SlowReason.RATE_LIMITED, "0:04 at limit"),
        (replace(LOADING, eta_s=None), SlowReason.CHOKED, "choked"),
        (replace(LOADING, eta_s=None), None, "-:--"),
        (SEEDING, SlowReason.FINISHED, "seeding"),
        (stats(TorrentState.METADATA), SlowReason.NO_METADATA, "metadata"),
        (replace(stats(TorrentState.METADATA), peers=0), SlowReason.NO_PEERS, "finding peers"),
        (stats(TorrentState.FAILED), None, "failed"),
    ],
)
def test_what_a_torrent_is_doing(moment: object, reason: SlowReason | None, text: str) -> None:
    assert status_text(moment, why(reason) if reason is not None else None) == text  # type: ignore[arg-type]


def test_magnet_links_whose_size_is_not_known_are_counted() -> None:
    unknown = replace(stats(TorrentState.METADATA), wanted_bytes=0, needed_bytes=0, peers=0)
    table = table_of(unknown, SEEDING)
    assert table.line() == "2 torrents, 1 without metadata yet, 1 complete; 1.0 KiB/s up, 1 peer"
    assert drawn(table)[1].endswith("finding peers")


def test_how_much_is_done() -> None:
    assert percent_text(LOADING) == "50%"
    assert percent_text(replace(LOADING, state=TorrentState.CHECKING, checked_pieces=3)) == "30%"
    assert percent_text(replace(stats(TorrentState.METADATA), wanted_bytes=0)) == ""


@pytest.mark.parametrize(
    ("width", "headings"),
    [
        (100, ["done", "size", "down", "up", "peers", "left"]),
        (60, ["done", "size", "down", "left"]),
        (40, ["done", "left"]),
        (20, ["done"]),
    ],
)
def test_a_narrow_terminal_shows_fewer_columns_and_cuts_none(width: int, headings: list[str]) -> None:
    large = replace(
        LOADING,
        name="a name that is longer than any terminal is wide, which is how it is with films",
        wanted_bytes=1010 << 30,
        needed_bytes=505 << 30,
        download_rate_bytes_per_s=900e6,
        upload_rate_bytes_per_s=1e6,
        peers=200,
        eta_s=35999.0,
    )
    lines = drawn(table_of(large, SEEDING, width=width), width=width)
    assert lines[0].split() == headings
    assert max(map(len, lines)) <= width
    cells = {"done": "50%", "size": "1010.0 GiB", "down": "858.3 MiB/s", "peers": "200", "left": "9:59:59"}
    assert all(cells[heading] in lines[1] for heading in headings if heading in cells)

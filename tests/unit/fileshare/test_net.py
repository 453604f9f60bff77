"""`kad net`, without a process of its own."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from typer.testing import CliRunner, Result

from fileshare.cli.app import app
from fileshare.cli.net_values import parse_buffer, parse_line_rate, parse_share, parse_time

runner = CliRunner(env={"COLUMNS": "80", "TERM": "dumb"})
NAMES = ("bbr", "bbr1", "cubic", "ledbat", "ledbat++", "reno")
SMALL = ("--rate", "4mbit", "--rtt", "40ms", "--duration", "3s")


def compare(*arguments: object) -> Result:
    return runner.invoke(app, ["net", "compare", *map(str, arguments)], prog_name="kad")


def events(result: Result) -> list[dict[str, Any]]:
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_a_line_for_each_controller_whole_on_80_columns() -> None:
    result = compare(*SMALL, "--loss", "0.5%")
    assert result.exit_code == 0, result.stderr
    assert "1 flow, 3 s: 4 Mbit/s, 40 ms round trip, 0.5% loss, 20,000 bytes buffer" in result.stdout
    rows = {line.split()[0]: line.split() for line in result.stdout.splitlines() if "%" in line}
    assert set(NAMES) <= rows.keys()
    assert "…" not in result.stdout
    for name in NAMES:
        _, mbit, possible, rtt_p50, rtt_p95, queue_p50, queue_p95, again, fair = rows[name]
        assert 0.4 < float(mbit) <= 4
        assert float(possible.rstrip("%")) == pytest.approx(100 * float(mbit) / (4 * 0.995), abs=0.2)
        assert 40 <= float(rtt_p50) <= float(rtt_p95) <= 84
        assert 0 <= float(queue_p50) <= float(queue_p95) <= 40
        assert again.endswith("%")
        assert fair == "-"


def test_equal_seeds_give_equal_tables() -> None:
    arguments = (*SMALL, "--loss", "2%", "--jitter", "5ms", "--controller", "bbr", "--json")
    first, again, other = (compare(*arguments, "--seed", seed) for seed in (5, 5, 6))
    assert events(first)[-2]["digest"] == events(again)[-2]["digest"] != events(other)[-2]["digest"]


def test_for_programs() -> None:
    result = compare(*SMALL, "--flows", 3, "--controller", "reno", "--controller", "RENO", "--json")
    assert result.exit_code == 0, result.stderr
    *progress, compared, done = events(result)
    assert {event["event"] for event in progress} == {"progress"}
    assert compared["event"] == "compared"
    assert compared["controller"] == "reno"
    assert len(compared["flows"]) == 3
    assert sum(compared["flows"]) == pytest.approx(compared["goodput"], rel=1e-3)
    assert 0.9 < compared["of_possible"] <= 1.001
    assert 1 / 3 <= compared["jain"] <= 1
    assert done["event"] == "done"
    assert done["controllers"] == ["reno"]
    page = (Path(__file__).parents[3] / "docs" / "reference" / "kad-events.md").read_text(encoding="utf-8")
    for event in (progress[0], compared, done):
        assert f"| `{event['event']}` |" in page
        assert [field for field in event if field != "event" and f"`{field}`" not in page] == []


def test_pictures(tmp_path: Path) -> None:
    target = tmp_path / "compare.svg"
    result = compare(*SMALL, "--controller", "reno", "--controller", "bbr", "--svg", target)
    assert result.exit_code == 0, result.stderr
    assert f"drawn: {target}" in result.stdout
    assert {path.name for path in tmp_path.iterdir()} == {"compare.svg", "compare-reno.svg", "compare-bbr.svg"}
    for path in tmp_path.iterdir():
        text = path.read_text(encoding="utf-8")
        ElementTree.fromstring(text)
        curves = re.findall(r'<path d="M[^"]*L', text)
        assert len(curves) == 2  # two controllers, or goodput and queue of one


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--rate", "100mb"), "--rate: '100mb' is no rate; try 100mbit"),
        (("--rate", "0mbit"), "--rate: '0mbit' is no rate; try 100mbit"),
        (("--rate", "-5mbit"), "--rate: '-5mbit' is no rate; try 100mbit"),
        (("--rate", "infmbit"), "--rate: 'infmbit' is no rate; try 100mbit"),
        (("--rate", "400gbit"), "for each controller, of at most 5,000,000; try --duration 0.15s"),
        (("--rate", "1mbit", "--rtt", "100"), "--rtt: '100' is no time; try 100ms"),
        (("--rtt", "1000s"), "--rtt: '1000s' is too long for the lab; try at most 10s"),
        (("--jitter", "x"), "--jitter: 'x' is no time; try 100ms"),
        (("--jitter", "99s"), "--jitter: '99s' is too long for the lab; try 5ms"),
        (("--loss", "0.01"), "--loss: '0.01' is no share; try 1%"),
        (("--loss", "100%"), "--loss: '100%' would let nothing through; try 1%"),
        (("--buffer", "1"), "--buffer: '1' is no buffer; try 1bdp, 64kB or 50ms"),
        (("--buffer", "999999999gb"), "--buffer: '999999999gb' is more than a day of this line; try 1bdp"),
        (("--duration", "0s"), "--duration: '0s' is out of range; try 20s"),
        (("--duration", "2000000s"), "--duration: '2000000s' is out of range; try 20s"),
        (("--controller", "vegas"), "--controller: 'vegas' is none; try one of reno"),
        (("--svg", "/nowhere/at/all.svg"), "--svg: '/nowhere/at/all.svg' is no place for a file; try compare.svg"),
        (("--flows", "0"), "--flows"),
        (("--flows", "201"), "--flows"),
    ],
)
def test_what_makes_no_sense_is_told_in_one_line(arguments: tuple[str, ...], message: str) -> None:
    result = compare(*arguments)
    assert result.exit_code == 2
    assert message in result.stderr.replace("\n", " ")
    assert result.stdout == ""


def test_a_picture_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "x-reno.svg").mkdir()
    result = compare(*SMALL, "--controller", "reno", "--svg", tmp_path / "x.svg")
    assert result.exit_code == 1
    assert f"kad: cannot write {tmp_path}/x-reno.svg: Is a directory" in result.stderr


def test_the_help_has_an_example() -> None:
    result = compare("--help")
    assert "Example: kad net compare --rate 100mbit" in " ".join(result.stdout.split())


@pytest.mark.parametrize(
    ("text", "bytes_per_s"),
    [("8bit", 1), ("100mbit", 12.5e6), ("1.5 Gbit/s", 187.5e6), ("800kbps", 1e5), ("8Mbits", 1e6), ("8bps", 1)],
)
def test_rates(text: str, bytes_per_s: float) -> None:
    assert parse_line_rate(text) == pytest.approx(bytes_per_s)


def test_times_shares_and_buffers() -> None:
    assert [parse_time(text) for text in ("250us", "1.5 ms", "2S")] == pytest.approx([0.00025, 0.0015, 2.0])
    assert [parse_share(text) for text in ("0%", "1 %", "0.05%")] == pytest.approx([0.0, 0.01, 0.0005])
    sizes = [
        parse_buffer(text, bytes_per_s=1e6, rtt_s=0.1)
        for text in ("1bdp", "0.5BDP", "50ms", "64kB", "64KiB", "1mb", "1500b", "0bdp")
    ]
    assert sizes == [100_000, 50_000, 50_000, 64_000, 65_536, 1_000_000, 1500, 0]

"""`kad net reach`, on networks of this machine."""

from __future__ import annotations

import asyncio
import json
from contextlib import AsyncExitStack
from random import Random
from typing import Any

import pytest
from typer.testing import CliRunner

from fileshare.cli.app import app
from fileshare.cli.mapping import mapping_text, report_mapping
from fileshare.cli.net_reach import _reach
from fileshare.cli.network_options import parse_network_options
from fileshare.cli.output import Output
from fileshare.service.events import PortMappingChanged
from kademlia_core import MainlineNode
from tests.unit.fileshare.service.test_reach import FAILED, mapped
from transfer import PortMapMethod

runner = CliRunner(env={"COLUMNS": "80", "TERM": "dumb"})


def events(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


async def test_a_stranger_that_gets_through_is_the_proof(capsys: pytest.CaptureFixture[str]) -> None:
    """A node that comes later hears of us from another, and calls."""
    async with (
        MainlineNode(host="127.0.0.1", bootstrap=(), rng=Random(1)) as entry,
        AsyncExitStack() as stack,
        asyncio.timeout(30),
    ):
        options = parse_network_options(
            listen="127.0.0.1:0", bootstrap=[str(entry.address)], no_dht=False, port_mapping=None
        )
        looking = asyncio.create_task(_reach(Output(as_json=True), options, 20))
        while not entry.statistics().good_nodes:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        late = MainlineNode(host="127.0.0.1", bootstrap=[entry.address], rng=Random(2))
        await (await stack.enter_async_context(late)).wait_joined()
        await looking
    listening, report = events(capsys.readouterr().out)
    assert listening["event"] == "listening"
    assert report["event"] == "reach"
    assert report["reachable"] == "local"
    assert report["dht_unsolicited"] >= 1
    assert report["mapping"] is None
    assert report["listen"] == listening["address"]


def test_without_a_dht_it_says_so_and_ends_at_once() -> None:
    result = runner.invoke(app, ["net", "reach", "--listen", "127.0.0.1:0", "--no-dht"], prog_name="kad")
    assert result.exit_code == 0, result.output
    assert "the DHT was not asked" in result.stdout
    assert "only programs on this machine can reach this node" in result.stdout


def test_an_entry_that_does_not_answer_is_named() -> None:
    arguments = ["net", "reach", "--listen", "127.0.0.1:0", "--bootstrap", "127.0.0.1:9", "--wait", "1", "--json"]
    result = runner.invoke(app, arguments, prog_name="kad")
    assert result.exit_code == 0, result.output
    report = events(result.stdout)[-1]
    assert report["dht_error"] is not None
    assert report["dht_nodes"] == 0


def test_help_has_an_example() -> None:
    result = runner.invoke(app, ["net", "reach", "--help"], prog_name="kad")
    assert "kad net reach --listen" in " ".join(result.stdout.split())


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({}, "the router lets others in: 9.8.7.6:6881 leads here over TCP and UDP (PCP)"),
        ({"external_host": None}, "port 6881 of its address outside leads here"),
        ({"udp_port": 7000}, "over TCP, and UDP port 7000 (PCP)"),
        ({"external_host": "10.0.0.9", "is_behind_another_nat": True}, "there is another NAT outside the router"),
        ({"method": None, "tcp_port": None, "failures": FAILED}, "does not let others in (PCP: it did not answer; NAT"),
        ({"is_settled": False, "method": None}, "has not answered yet"),
    ],
)
def test_a_mapping_in_words(values: dict[str, Any], text: str) -> None:
    assert text in mapping_text(mapped(**values))


def test_a_mapping_is_an_event_for_programs(capsys: pytest.CaptureFixture[str]) -> None:
    report_mapping(Output(as_json=True), PortMappingChanged(mapping=mapped(tcp_port=7000, udp_port=7001), port=7000))
    (event,) = events(capsys.readouterr().out)
    assert event["event"] == "port_mapping"
    assert (event["method"], event["external"], event["external_udp"]) == ("PCP", "9.8.7.6:7000", "9.8.7.6:7001")
    assert event["port"] == 7000
    failed = PortMappingChanged(mapping=mapped(method=None, tcp_port=None, failures=FAILED), port=6881)
    report_mapping(Output(as_json=True), failed)
    (event,) = events(capsys.readouterr().out)
    assert event["failures"] == {method.value: "it did not answer" for method in PortMapMethod}

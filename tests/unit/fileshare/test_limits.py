"""What a user is told of limits: options, lines, events."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
import typer

from bittorrent import SessionConfig
from fileshare.cli.limits import ADVICE, report_refusals
from fileshare.cli.network_options import parse_exempt
from fileshare.cli.output import Output
from fileshare.service import NetworkOptions, ServiceConfig
from fileshare.service.events import ConnectionsRefused
from fileshare.service.limit_watch import LimitWatch, watch_limits
from kademlia_core import NodeClosedError
from transfer import LimitsReport, Refusal, RefusalJournal, RefusalSummary
from transfer.simulation import Simulation, run


def summary(limit: str = "max_inbound", count: int = 25) -> RefusalSummary:
    journal = RefusalJournal(advice={limit: "SessionConfig allows more"})
    for number in range(count):
        refusal = Refusal(
            limit=limit, scope="system", what="inbound connections", in_use=9, most=9, subject=f"8.8.8.{number}"
        )
        journal.note(refusal, now=float(number))
    (found,) = journal.report(now=30.0).refusals
    return found


def test_people_read_a_line_and_programs_an_event(capsys: pytest.CaptureFixture[str]) -> None:
    report_refusals(Output(as_json=False), summary())
    assert capsys.readouterr().out == (
        "limit max_inbound: system had 9 of 9 inbound connections and refused 25 in the last 30 s, 8.8.8.22, 8.8.8.23,"
        " 8.8.8.24 for example; --max-connections allows more\n"
    )
    report_refusals(Output(as_json=True), summary())
    event = json.loads(capsys.readouterr().out)
    assert (event["event"], event["limit"], event["scope"], event["count"]) == ("refused", "max_inbound", "system", 25)
    assert (event["in_use"], event["most"], event["advice"]) == (9, 9, "--max-connections allows more")
    assert len(event["hosts"]) == 8


def test_what_is_usual_is_told_to_programs_only(capsys: pytest.CaptureFixture[str]) -> None:
    report_refusals(Output(as_json=False), summary("max_connections_per_torrent"))
    assert capsys.readouterr().out == ""
    assert all("\n" not in advice for advice in ADVICE.values())


def test_each_limit_is_news_once_and_again_when_it_goes_on() -> None:
    watch = LimitWatch(ServiceConfig(refusals_worth_telling=3, refusals_repeat_s=100.0))
    journal = RefusalJournal()

    def note(limit: str, count: int, *, now: float) -> list[str]:
        for _ in range(count):
            journal.note(Refusal(limit=limit, scope="system", what="things", in_use=1, most=1), now=now)
        return [event.summary.latest.limit for event in watch.news(journal.report(now=now), now=now)]

    assert note("a", 2, now=0.0) == []
    assert note("a", 1, now=1.0) == ["a"]
    assert note("b", 3, now=2.0) == ["b"]
    assert note("a", 50, now=100.0) == []
    assert note("a", 1, now=101.0) == ["a"]


def test_the_limits_of_a_node_are_watched_until_it_is_closed() -> None:
    journal = RefusalJournal(advice={"rate_limit.per_host_per_s": "be patient"})
    config = ServiceConfig(refusals_worth_telling=2, refusals_look_s=5.0)
    told: list[ConnectionsRefused] = []

    async def scenario(simulation: Simulation) -> float:
        loop = asyncio.get_running_loop()

        def explain() -> LimitsReport:
            if loop.time() > 60.0:
                raise NodeClosedError("the node is not open")
            return journal.report(now=loop.time())

        watching = asyncio.create_task(watch_limits(explain, told.append, config))
        for _ in range(3):
            await asyncio.sleep(7.0)
            refusal = Refusal(limit="rate_limit.per_host_per_s", scope="one host", what="queries", in_use=1, most=1)
            journal.note(refusal, now=loop.time())
        await watching
        return loop.time()

    ended_at = run(scenario, seed=1).result
    assert 60.0 < ended_at <= 66.0
    assert [event.summary.count for event in told] == [2]


@pytest.mark.parametrize(
    ("typed", "exempt"),
    [(None, None), (["none"], ()), (["10.0.0.0/8"], ("127.0.0.0/8", "::1/128", "10.0.0.0/8"))],
)
def test_exempt_networks_are_those_typed_and_this_machine(typed: Any, exempt: Any) -> None:
    assert parse_exempt(typed) == exempt


@pytest.mark.parametrize(("typed", "text"), [(["house"], "no IP address"), (["none", "10.0.0.1"], "stands alone")])
def test_what_is_no_network_is_refused(typed: list[str], text: str) -> None:
    with pytest.raises(typer.BadParameter, match=text):
        parse_exempt(typed)


def test_the_options_reach_the_session() -> None:
    config = NetworkOptions(max_connections=3000, exempt=("10.0.0.0/8",))._applied_to(SessionConfig())
    assert (config.max_connections, config.max_inbound, config.max_outbound) == (3000, 3000, 3000)
    assert config.exempt_networks == ("10.0.0.0/8",)
    config = NetworkOptions(max_connections=10)._applied_to(SessionConfig())
    assert (config.max_connections, config.max_inbound, config.max_outbound) == (10, 1024, 512)
    assert config.exempt_networks == SessionConfig().exempt_networks

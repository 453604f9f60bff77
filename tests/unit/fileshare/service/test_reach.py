"""What is made of what was seen: can others reach us?"""

from __future__ import annotations

from typing import Any

import pytest

from bittorrent import ReachabilityStats
from fileshare.service.reach import Verdict, judge
from transfer import Address, PortMapMethod, PortMapStatus

US = "192.168.1.2"
FAILED = tuple((method, "it did not answer") for method in PortMapMethod)


def mapped(**values: Any) -> PortMapStatus:
    fields: dict[str, Any] = {
        "is_settled": True,
        "method": PortMapMethod.PCP,
        "local_host": US,
        "gateway": "192.168.1.1",
        "external_host": "9.8.7.6",
        "tcp_port": 6881,
        "udp_port": 6881,
        "is_behind_another_nat": False,
        "failures": (),
        "renewals": 0,
        "gateway_restarts": 0,
    }
    return PortMapStatus(**{**fields, **values})


NONE = mapped(method=None, external_host=None, tcp_port=None, udp_port=None, failures=FAILED)


def stats(**values: Any) -> ReachabilityStats:
    fields: dict[str, Any] = {
        "listen": Address("0.0.0.0", 6881),
        "local_host": US,
        "port": 6881,
        "mapping": mapped(),
        "seen_as": (),
        "dht_seen_as": (("9.8.7.6", 12),),
        "external_host": "9.8.7.6",
        "callers": 0,
        "local_callers": 0,
        "last_caller": None,
        "dht_unsolicited": 0,
    }
    return ReachabilityStats(**{**fields, **values})


@pytest.mark.parametrize(
    ("seen", "verdict", "says"),
    [
        (stats(dht_unsolicited=1), Verdict.YES, "1 query came over UDP"),
        (stats(callers=2, last_caller=Address("5.5.5.5", 1)), Verdict.YES, "2 peers of the internet called"),
        (stats(mapping=NONE, dht_unsolicited=3), Verdict.YES, "3 queries came over UDP"),
        (stats(), Verdict.LIKELY, "nobody has called by themselves"),
        (stats(local_host="9.8.7.6", mapping=NONE), Verdict.LIKELY, "9.8.7.6 is a public address"),
        (stats(mapping=NONE), Verdict.NO, "192.168.1.2 is a private address"),
        (
            stats(mapping=mapped(external_host="100.64.1.1", is_behind_another_nat=True)),
            Verdict.NO,
            "100.64.1.1, is no public one",
        ),
        (stats(dht_seen_as=(("4.4.4.4", 9),), external_host="4.4.4.4"), Verdict.NO, "others see 4.4.4.4"),
        (stats(local_host=None, mapping=None), Verdict.UNKNOWN, "nobody has called"),
        (stats(mapping=NONE, dht_seen_as=(), external_host=None), Verdict.NO, "is a private address"),
    ],
)
def test_a_verdict_has_a_reason(seen: ReachabilityStats, verdict: Verdict, says: str) -> None:
    report = judge(seen, dht_nodes=8)
    assert report.verdict is verdict
    assert any(says in reason for reason in report.reasons), report
    assert not any("\n" in text for text in (report.text, *report.reasons, *report.advice))


def test_where_only_this_machine_can_call_that_is_said() -> None:
    report = judge(stats(local_host="127.0.0.1", mapping=None, dht_unsolicited=2), dht_nodes=2)
    assert report.verdict is Verdict.LOCAL
    assert "2 queries came over UDP" in report.reasons[0]


def test_without_a_network_nothing_is_known() -> None:
    alone = stats(mapping=NONE, dht_seen_as=(), external_host=None, dht_unsolicited=0)
    report = judge(alone, dht_nodes=0, dht_error="no bootstrap node answered")
    assert report.verdict is Verdict.UNKNOWN
    assert "no bootstrap node answered" in report.reasons


def test_what_to_do_next_names_the_port_and_the_host() -> None:
    assert f"forward its port 6881 to {US}" in judge(stats(mapping=NONE), dht_nodes=8).advice[0]
    assert judge(stats(dht_unsolicited=1), dht_nodes=8).advice == ()
    assert "for TCP, forward port 6881" in judge(stats(mapping=NONE, dht_unsolicited=1), dht_nodes=8).advice[0]

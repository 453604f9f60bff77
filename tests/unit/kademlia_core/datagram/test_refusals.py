"""Whoever is refused by a node, the node can say by which limit, and how to change it."""

from __future__ import annotations

from random import Random

import pytest

from kademlia_core import Key
from kademlia_core.datagram.amplification import AmplificationConfig
from kademlia_core.engine.requests import Ping
from kademlia_core.mainline import krpc
from kademlia_core.mainline.config import MainlineConfig
from kademlia_core.mainline.core import MainlineCore
from kademlia_core.mainline.messages import AnnouncePeer, GetPeers, Query, Response
from transfer.address import Address
from transfer.limits.journal import LimitsReport
from transfer.limits.refusal import LimitReachedError
from transfer.limits.source_limiter import RateLimitConfig

INFO_HASH = Key.from_bytes(b"i" * 20)
QUERY = krpc.encode(Query(b"tt", Key(9, 160), Ping()))


def node(**options: object) -> MainlineCore:
    return MainlineCore(rng=Random(1), now=0.0, config=MainlineConfig(**options))  # type: ignore[arg-type]


def summaries(core: MainlineCore, *, now: float = 0.0) -> dict[str, tuple[int, tuple[str, ...]]]:
    report = core.explain_limits(now=now)
    assert all(summary.advice for summary in report.refusals)
    return {summary.latest.limit: (summary.count, summary.subjects) for summary in report.refusals}


def test_a_node_that_refused_nothing_says_so() -> None:
    core = node()
    core.receive_datagram(QUERY, Address("31.1.1.1", 6881), now=0.0)
    report = core.explain_limits(now=0.0)
    assert str(report) == "no limit has refused anything in the last 10 min"
    assert report.usage == {"max_pending_queries": (1, 8192), "max_lookups": (0, core.config.max_lookups)}


def test_a_host_that_asks_too_fast_is_named_and_forgotten_after_a_while() -> None:
    core = node(rate_limit=RateLimitConfig(per_host_per_s=1, per_host_burst=3))
    for _ in range(10):
        core.receive_datagram(QUERY, Address("31.1.1.1", 6881), now=0.0)
    assert summaries(core) == {"rate_limit.per_host_per_s": (7, ("31.1.1.1",))}
    assert core.stats(now=0.0).dropped_limit == 7
    assert summaries(core, now=700.0) == {}


def test_a_crowd_is_another_limit_than_a_host() -> None:
    core = node(rate_limit=RateLimitConfig(total_per_s=1, total_burst=3))
    for number in range(10):
        core.receive_datagram(QUERY, Address(f"31.1.1.{number}", 6881), now=0.0)
    ((limit, (count, subjects)),) = summaries(core).items()
    assert (limit, count) == ("rate_limit.total_per_s", 7)
    assert subjects[-1] == "31.1.1.9"


def test_large_answers_that_were_not_sent_are_told() -> None:
    core = node(
        amplification=AmplificationConfig(stranger_burst_bytes=2000.0, stranger_bytes_per_s=10.0),
        rate_limit=RateLimitConfig(per_host_burst=100_000, total_burst=100_000),
    )

    def ask(request: GetPeers | AnnouncePeer, source: Address) -> Response:
        core.receive_datagram(krpc.encode(Query(b"tt", Key(9, 160), request, is_read_only=True)), source, now=0.0)
        replies = [krpc.decode(data) for data, _ in core.datagrams_to_send()]
        (response,) = [reply for reply in replies if isinstance(reply, Response)]
        return response

    for number in range(200):
        peer = Address(f"32.{number}.1.1", 6881)
        token = ask(GetPeers(INFO_HASH), peer).token
        assert token is not None
        ask(AnnouncePeer(INFO_HASH, 7000, token), peer)
    before = summaries(core).get("amplification.stranger_bytes_per_s", (0, ()))[0]
    for _ in range(50):
        ask(GetPeers(INFO_HASH), Address("33.1.1.1", 6881))
    count, subjects = summaries(core)["amplification.stranger_bytes_per_s"]
    assert before + 40 < count < before + 50
    assert subjects[-1] == "33.1.1.1"


def test_lookups_and_queries_that_are_too_many_say_which_limit_it_was() -> None:
    core = node(max_lookups=2, max_pending_queries=1)
    for number in range(3):
        core.engine.query(Address(f"31.1.1.{number}", 6881), Ping(), now=0.0)
    core.engine.add_node(Address("31.2.1.1", 6881), now=0.0)
    lookups = [core.engine.find_node(INFO_HASH, now=0.0)]
    while len(lookups) < 2 and core.engine.has_room:
        lookups.append(core.engine.find_node(INFO_HASH, now=0.0))
    assert summaries(core)["max_pending_queries"][0] >= 2
    assert summaries(core)["max_pending_queries"][1][0] == "31.1.1.1:6881"


def test_a_lookup_too_many_is_an_error_that_names_the_limit() -> None:
    core = node(max_lookups=1)
    core.engine.offer((), now=0.0)
    core.engine.query(Address("31.1.1.1", 6881), Ping(), now=0.0)
    (data, _), *_ = core.datagrams_to_send()
    asked = krpc.decode(data)
    answer = Response(asked.transaction_id, Key(77, 160))
    core.receive_datagram(krpc.encode(answer), Address("31.1.1.1", 6881), now=0.1)
    core.engine.find_node(INFO_HASH, now=0.2)
    with pytest.raises(LimitReachedError, match=r"1 of 1 lookups; wait for one to end \(max_lookups\)"):
        core.engine.find_node(INFO_HASH, now=0.3)
    assert summaries(core, now=0.3)["max_lookups"] == (1, ())


def test_reports_of_two_families_are_one() -> None:
    first, second = (node(rate_limit=RateLimitConfig(per_host_per_s=1, per_host_burst=1)) for _ in range(2))
    for core, count in ((first, 3), (second, 6)):
        for _ in range(count):
            core.receive_datagram(QUERY, Address("31.1.1.1", 6881), now=0.0)
    report = LimitsReport.merged(core.explain_limits(now=0.0) for core in (first, second))
    assert [summary.count for summary in report.refusals] == [5, 2]
    assert report.total == 7
    assert report.usage["max_pending_queries"] == (2, 2 * 8192)
    assert LimitsReport.merged(()).refusals == ()

"""Fetching metadata from several peers, of whom some are slow, some refuse and some lie."""

from __future__ import annotations

from hashlib import sha1

import pytest

from bittorrent.errors import WireError
from bittorrent.metadata_exchange import MetadataExchange
from bittorrent.wire.metadata import MetadataData, MetadataReject, MetadataRequest, answer_request

INFO = bytes(range(251)) * 1000  # 16 pieces, so that eight at a time take two rounds
HASH = sha1(INFO).digest()


def exchange(**config: float) -> MetadataExchange:
    return MetadataExchange(info_hash=HASH, **config)  # type: ignore[arg-type]


def data(index: int) -> MetadataData:
    answer = answer_request(INFO, index)
    assert isinstance(answer, MetadataData)
    return answer


def asked(machine: MetadataExchange, *, now: float) -> dict[int, list[int]]:
    return {peer: [request.index for request in requests] for peer, requests in machine.requests_to_send(now=now)}


def test_nobody_offers_nobody_is_asked() -> None:
    assert exchange().requests_to_send(now=0.0) == []


def test_one_source_delivers() -> None:
    machine = exchange()
    machine.offer(7, len(INFO))
    waiting = asked(machine, now=0.0)[7]
    assert waiting == list(range(8))
    result, now = None, 0.0
    while result is None:
        now += 1.0
        result = machine.receive(7, data(waiting.pop(0)), now=now)
        waiting += asked(machine, now=now).get(7, [])
    assert result == INFO
    assert waiting == []


def test_a_few_sources_side_by_side_and_no_more() -> None:
    machine = exchange(max_sources=2)
    for peer in (1, 2, 3):
        machine.offer(peer, 100)
    assert list(asked(machine, now=0.0)) == [1, 2]
    machine.forget(1)
    assert list(asked(machine, now=0.0)) == [3]


def test_sizes_are_each_peers_own() -> None:
    machine = exchange()
    machine.offer(1, 40_000)
    machine.offer(2, 10)
    assert asked(machine, now=0.0) == {1: [0, 1, 2], 2: [0]}


def test_an_offer_made_again_before_it_is_taken_counts_anew() -> None:
    machine = exchange()
    machine.offer(1, 10)
    machine.offer(1, 20_000)
    assert asked(machine, now=0.0) == {1: [0, 1]}
    machine.offer(1, 10)
    assert asked(machine, now=0.0) == {}


def test_who_refuses_is_not_asked_again_while_it_is_there() -> None:
    machine = exchange()
    machine.offer(1, len(INFO))
    asked(machine, now=0.0)
    assert machine.receive(1, MetadataReject(0), now=1.0) is None
    machine.offer(1, len(INFO))
    assert asked(machine, now=1.0) == {}
    assert machine.receive(1, data(1), now=1.0) is None  # crossed the reject on the wire
    machine.forget(1)
    machine.offer(1, len(INFO))
    assert asked(machine, now=2.0) == {1: list(range(8))}


def test_a_silent_source_makes_room_for_the_next() -> None:
    machine = exchange(max_sources=1, timeout_s=15.0)
    machine.offer(1, len(INFO))
    asked(machine, now=0.0)
    machine.offer(2, len(INFO))
    machine.receive(1, data(0), now=10.0)
    machine.handle_timer(now=24.9)
    assert list(asked(machine, now=24.9)) == [1]
    machine.handle_timer(now=25.0)
    assert asked(machine, now=25.0) == {2: list(range(8))}
    machine.handle_timer(now=40.0)
    assert asked(machine, now=40.0) == {1: list(range(8))}  # nobody else: again from the start


def test_late_answers_to_an_earlier_try_do_no_harm() -> None:
    """The only source is slower than the time-out; each request is answered, some late, so some twice."""
    machine = exchange(timeout_s=15.0)
    machine.offer(1, len(INFO))
    asked(machine, now=0.0)
    for index in range(4):
        machine.receive(1, data(index), now=1.0)
    assert asked(machine, now=1.0) == {1: [8, 9, 10, 11]}
    machine.handle_timer(now=16.0)
    assert asked(machine, now=16.0) == {1: list(range(8))}
    late, second = [4, 5, 6, 7, 8, 9, 10, 11], list(range(8))
    on_the_way = late + second
    result = None
    while on_the_way:
        result = machine.receive(1, data(on_the_way.pop(0)), now=17.0) or result
        on_the_way += asked(machine, now=17.0).get(1, [])
    assert result == INFO


def test_answers_that_nobody_waits_for_are_no_progress() -> None:
    machine = exchange(max_sources=1, timeout_s=15.0)
    machine.offer(1, len(INFO))
    asked(machine, now=0.0)
    machine.offer(2, len(INFO))
    machine.receive(1, data(0), now=1.0)
    for second in range(2, 20):
        machine.receive(1, data(0), now=float(second))
    machine.handle_timer(now=20.0)
    assert list(asked(machine, now=20.0)) == [2]


def test_who_lies_is_named_and_others_go_on() -> None:
    machine = exchange(max_sources=2)
    machine.offer(1, 10)
    machine.offer(2, len(INFO))
    asked(machine, now=0.0)
    with pytest.raises(WireError, match="info-hash"):
        machine.receive(1, MetadataData(0, bytes(10), 10), now=1.0)
    machine.offer(1, 10)
    assert asked(machine, now=1.0) == {}
    for index in range(8):
        assert machine.receive(2, data(index), now=1.0) is None
    results = [machine.receive(2, data(index), now=1.0) for index in asked(machine, now=1.0)[2]]
    assert results[-1] == INFO


def test_a_stranger_is_not_listened_to() -> None:
    machine = exchange()
    assert machine.receive(9, data(0), now=0.0) is None
    assert machine.receive(9, MetadataReject(0), now=0.0) is None
    machine.forget(9)
    machine.offer(9, 5)
    assert machine.requests_to_send(now=0.0) == [(9, [MetadataRequest(0)])]


def test_who_drips_does_not_keep_out_who_would_deliver() -> None:
    machine = exchange(max_sources=1, timeout_s=15, turn_s=30)
    machine.offer(1, len(INFO))
    waiting = asked(machine, now=0.0)[1]
    machine.offer(2, len(INFO))
    now = 0.0
    while now < 28:  # never silent for long, and never done
        now += 14.0
        machine.receive(1, data(waiting.pop(0)), now=now)
        machine.handle_timer(now=now)
        waiting += asked(machine, now=now).get(1, [])
    machine.handle_timer(now=30.0)
    asked_now = asked(machine, now=30.0)
    assert list(asked_now) == [2]
    assert machine.receive(1, data(waiting.pop(0)), now=31.0) is None  # it counts all the same
    result = None
    while result is None:
        (index, *_), now = asked_now[2], now + 0.1
        asked_now[2].pop(0)
        result = machine.receive(2, data(index), now=now)
        asked_now[2] += asked(machine, now=now).get(2, [])
    assert result == INFO


def test_who_had_its_turn_goes_on_where_it_was() -> None:
    machine = exchange(max_sources=1, timeout_s=100, turn_s=30)
    machine.offer(1, len(INFO))
    waiting = asked(machine, now=0.0)[1]
    for index in waiting[:3]:
        machine.receive(1, data(index), now=1.0)
    machine.offer(2, len(INFO))
    machine.handle_timer(now=31.0)
    assert list(asked(machine, now=31.0)) == [2]
    for index in waiting[3:]:
        machine.receive(1, data(index), now=32.0)
    machine.handle_timer(now=62.0)
    assert asked(machine, now=62.0) == {1: list(range(8, 16))}
    results = [machine.receive(1, data(index), now=63.0) for index in range(8, 16)]
    assert results == [None] * 7 + [INFO]


def test_a_lone_source_may_take_its_time() -> None:
    machine = exchange(timeout_s=100, turn_s=30)
    machine.offer(1, len(INFO))
    asked(machine, now=0.0)
    machine.receive(1, data(0), now=40.0)
    machine.handle_timer(now=50.0)
    assert asked(machine, now=50.0) == {1: [8]}


def test_what_waits_for_its_turn_is_bounded() -> None:
    machine = exchange(max_sources=2, timeout_s=1000, turn_s=30)
    for peer in range(10):
        machine.offer(peer, len(INFO))
    now = 0.0
    for _ in range(12):
        for peer, indices in asked(machine, now=now).items():
            for index in indices[:3]:
                machine.receive(peer, data(index), now=now)
        now += 30.0
        machine.handle_timer(now=now)
        assert sum(download.is_begun for download in machine._offers.values()) <= 4

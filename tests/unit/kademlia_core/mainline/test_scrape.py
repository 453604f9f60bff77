from __future__ import annotations

import pytest

from kademlia_core import Contact, Key, LookupStats
from kademlia_core.mainline.bloom import BloomFilter
from kademlia_core.mainline.messages import Response
from kademlia_core.mainline.peer_store import SwarmFilters
from kademlia_core.mainline.scrape import ScrapeHarvest, ScrapeReport
from transfer.address import Address

CONTACT = Contact(Key(1, 160), Address("11.0.0.1", 6881))


def hosts(first: int, count: int) -> list[str]:
    return [f"11.{number >> 8}.{number & 255}.1" for number in range(first, first + count)]


def filters(seeds: list[str], downloaders: list[str]) -> SwarmFilters:
    return SwarmFilters(BloomFilter(seeds), BloomFilter(downloaders))


def counted(*answers: Response) -> ScrapeReport:
    harvest = ScrapeHarvest(max_peers=1000)
    for answer in answers:
        assert harvest.on_response(CONTACT, answer) == ()
    return harvest.report(LookupStats())


def with_filters(given: SwarmFilters, peers: tuple[Address, ...] = ()) -> Response:
    return Response(b"t", CONTACT.key, filters=given, peers=peers)


def with_peers(given: list[str]) -> Response:
    return Response(b"t", CONTACT.key, peers=tuple(Address(host, 6881) for host in given))


def test_whom_several_nodes_know_counts_once() -> None:
    report = counted(
        with_filters(filters(hosts(0, 60), hosts(100, 100))), with_filters(filters(hosts(40, 60), hosts(150, 100)))
    )
    assert report.seeds == pytest.approx(100, rel=0.05)
    assert report.downloaders == pytest.approx(150, rel=0.05)
    assert report.counted_by == 2


def test_nodes_without_filters_are_counted_by_their_peers() -> None:
    report = counted(
        with_peers([*hosts(0, 10), *hosts(100, 10), "0.0.0.0"]),
        with_filters(filters(hosts(0, 10), hosts(100, 5)), peers=(Address("11.200.0.1", 1),)),
    )
    assert report.seeds == pytest.approx(10, abs=0.5), "known as seeds by whoever knows"
    assert report.downloaders == pytest.approx(10, abs=0.5)
    assert report.counted_by == 2


def test_filters_that_say_everything_say_nothing() -> None:
    full = BloomFilter.from_bytes(b"\xff" * 256)
    honest = filters(hosts(0, 3), [])
    report = counted(with_filters(SwarmFilters(full, BloomFilter())), with_filters(honest))
    assert report.seeds == pytest.approx(3, abs=0.1)
    assert report.counted_by == 1


def test_nobody_knows_anything() -> None:
    assert counted(Response(b"t", CONTACT.key)) == ScrapeReport(0.0, 0.0, 0, LookupStats())


def test_what_liars_can_make_us_remember_is_bounded() -> None:
    harvest = ScrapeHarvest(max_peers=5)
    for start in range(0, 100, 10):
        harvest.on_response(CONTACT, with_peers(hosts(start, 10)))
    assert harvest.report(LookupStats()).downloaders == pytest.approx(5, abs=0.1)

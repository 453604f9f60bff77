from __future__ import annotations

import math

import pytest

from kademlia_core.mainline.bloom import MAX_COUNT, BloomFilter, BloomFilterError
from transfer.address import AddressError

FULL = BloomFilter.from_bytes(b"\xff" * 256)


def hosts(start: int, stop: int) -> list[str]:
    return [f"198.{number >> 16}.{number >> 8 & 255}.{number & 255}" for number in range(start, stop)]


@pytest.mark.parametrize("count", [1, 10, 100, 500, 1000])
def test_the_estimate_is_near_the_truth(count: int) -> None:
    assert BloomFilter(hosts(0, count)).estimate() == pytest.approx(count, rel=0.06, abs=0.6)


def test_an_address_counts_once_in_either_of_its_forms() -> None:
    bloom = BloomFilter(["2001:db8::1"])
    once = bytes(bloom)
    bloom.insert("2001:0db8:0:0:0:0:0:1")
    assert bytes(bloom) == once
    assert bloom.estimate() == pytest.approx(1, abs=0.01)


def test_the_union_is_that_of_the_sets() -> None:
    merged = BloomFilter(hosts(0, 300)) | BloomFilter(hosts(200, 500))
    assert merged == BloomFilter(hosts(0, 500))
    assert all(host in merged for host in hosts(0, 500))
    assert sum(host in merged for host in hosts(10_000, 11_000)) < 250
    assert BloomFilter(hosts(0, 3)) | BloomFilter() == BloomFilter(hosts(0, 3))


def test_a_union_leaves_its_parts_alone() -> None:
    part = BloomFilter(hosts(0, 3))
    before = bytes(part)
    (part | BloomFilter(hosts(3, 6))).insert("203.0.113.7")
    assert bytes(part) == before


def test_empty_and_full_filters() -> None:
    assert BloomFilter().estimate() == 0.0
    assert BloomFilter().is_plausible
    assert "192.0.2.1" not in BloomFilter()
    assert FULL.estimate() == math.inf
    assert not FULL.is_plausible


def test_what_honest_nodes_may_hold_is_plausible() -> None:
    assert BloomFilter(hosts(0, MAX_COUNT)).is_plausible
    assert not BloomFilter(hosts(0, 20_000)).is_plausible


def test_only_ip_addresses_are_inserted() -> None:
    with pytest.raises(AddressError):
        BloomFilter(["example.com"])


@pytest.mark.parametrize("size", [0, 255, 257])
def test_filters_of_another_size_are_refused(size: int) -> None:
    with pytest.raises(BloomFilterError, match="256 bytes"):
        BloomFilter.from_bytes(bytes(size))

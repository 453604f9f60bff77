"""The pieces that both sides can compute."""

from __future__ import annotations

import pytest

from bittorrent.swarm.uploading.allowed_fast import allowed_fast_set

INFO_HASH = b"\xaa" * 20


def test_neighbours_share_one_set() -> None:
    sets = {allowed_fast_set(INFO_HASH, f"80.4.4.{last}", piece_count=1313, count=9) for last in (0, 1, 200, 255)}
    assert len(sets) == 1
    assert allowed_fast_set(INFO_HASH, "80.4.5.200", piece_count=1313, count=9) not in sets


@pytest.mark.parametrize(("piece_count", "count", "expected"), [(1, 10, 1), (3, 10, 3), (10, 10, 10), (100, 0, 0)])
def test_no_more_than_there_are_and_each_once(piece_count: int, count: int, expected: int) -> None:
    pieces = allowed_fast_set(INFO_HASH, "80.4.4.200", piece_count=piece_count, count=count)
    assert len(set(pieces)) == len(pieces) == expected
    assert all(0 <= index < piece_count for index in pieces)


def test_more_begins_with_fewer() -> None:
    many = allowed_fast_set(INFO_HASH, "80.4.4.200", piece_count=1313, count=30)
    assert [many[:count] for count in (1, 7, 30)] == [
        allowed_fast_set(INFO_HASH, "80.4.4.200", piece_count=1313, count=count) for count in (1, 7, 30)
    ]


def test_the_extension_speaks_of_ipv4_only() -> None:
    assert allowed_fast_set(INFO_HASH, "2001:db8::1", piece_count=1313, count=9) == ()

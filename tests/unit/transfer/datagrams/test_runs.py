"""Cutting runs: what goes into each call, and what comes out of one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transfer.datagrams.runs import MAX_BUFFERS, MAX_RUN_BYTES, Buffer, calls_for_run, gathered_datagrams, split_run


@pytest.mark.parametrize(
    ("data", "size", "expected"),
    [
        (b"", 0, [b""]),
        (b"", 5, [b""]),
        (b"abc", 3, [b"abc"]),
        (b"abc", 9, [b"abc"]),
        (b"abcdefg", 3, [b"abc", b"def", b"g"]),
    ],
)
def test_a_run_that_came_is_cut(data: bytes, size: int, expected: list[bytes]) -> None:
    assert split_run(data, size) == expected


def test_headers_and_payloads_stay_what_they_are() -> None:
    """The usual case: one call, and the very buffers that were given."""
    payload = memoryview(bytes(100))
    buffers: list[Buffer] = [b"h1", payload[:8], b"h2", payload[8:12]]
    ((call, count),) = calls_for_run(buffers, 10)
    assert call is buffers
    assert count == 2
    assert [[bytes(part) for part in parts] for parts in gathered_datagrams(buffers, 10)] == [
        [b"h1", bytes(8)],
        [b"h2", bytes(4)],
    ]


def test_a_datagram_in_too_many_pieces_is_joined() -> None:
    buffers = [b"x"] * (MAX_BUFFERS + 5)
    ((call, count),) = calls_for_run(buffers, MAX_BUFFERS + 2)
    assert [len(part) for part in call] == [MAX_BUFFERS + 2, 1, 1, 1]
    assert count == 2


def test_nothing_makes_no_call() -> None:
    assert list(calls_for_run([], 100)) == []
    assert list(calls_for_run([b"", b""], 100)) == []


@given(
    st.lists(st.one_of(st.integers(0, 40), st.integers(0, 3000)), max_size=60),
    st.integers(1, 50) | st.sampled_from([1472, 40_000, 65_507]),
    st.sampled_from([bytes, bytearray, memoryview]),
    st.integers(1, 200),
)
def test_every_call_fits_and_all_bytes_leave_in_order(
    sizes: list[int], segment_bytes: int, kind: type[Buffer], repeat: int
) -> None:
    sizes = (sizes * repeat)[:3000]
    whole = bytes(index % 251 for index in range(sum(sizes)))
    buffers: list[Buffer] = []
    at = 0
    for size in sizes:
        buffers.append(kind(whole[at : at + size]))
        at += size
    expected = split_run(whole, segment_bytes) if whole else []
    datagrams = [b"".join(parts) for parts in gathered_datagrams(buffers, segment_bytes)]
    assert datagrams == expected
    left: list[bytes] = []
    for call, count in calls_for_run(buffers, segment_bytes):
        joined = b"".join(call)
        assert 1 <= count <= 64
        assert len(joined) <= MAX_RUN_BYTES
        assert len(call) <= MAX_BUFFERS
        cut = split_run(joined, segment_bytes)
        assert len(cut) == count
        left += cut
    assert left == expected

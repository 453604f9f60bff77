"""What is read out of the kernel's `struct tcp_info`, whatever kernel made it."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transfer.path_stats import PathStats
from transfer.tcp.info import TcpInfo

# Linux 6.18, the sending end of a loopback connection after 100,000 bytes, all of them acknowledged.
LINUX_6_18 = bytes.fromhex(
    "010000000007aa00802c03000000000000ba00001802000000000000000000000000000000000000000000005c00000000000000640000003800"
    "0000ffff0000cbff00008c150000f92a0000ffffff7f0e000000cbff00000300000000000000cbff0000010000007324c2790b000000ffffffff"
    "ffffffffa086010000000000000000000000000004000000040000000000000013000000000000000400000020ca310000000000e0ab00000000"
    "0000000000000000000000000000000000000500000000000000400d020000000000a08600000000000001000000000000000000000000700000"
    "000001000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000"
)


def made(size: int = 280, **fields: tuple[int, str, int]) -> bytes:
    """A structure of zeros with some fields set: (offset, format, value)."""
    data = bytearray(280)
    for offset, form, value in fields.values():
        struct.pack_into("=" + form, data, offset, value)
    return bytes(data[:size])


def test_what_a_kernel_told() -> None:
    info = TcpInfo.from_bytes(LINUX_6_18)
    assert info == TcpInfo(
        segment_bytes=47616,
        window_bytes=14 * 47616,
        in_flight_bytes=0,
        rtt_s=5516e-6,
        rtt_deviation_s=11001e-6,
        min_rtt_s=19e-6,
        pacing_rate_bytes_per_s=49287406707.0,
        delivery_rate_bytes_per_s=3263008.0,
        is_app_limited=False,
        retransmitted_bytes=34464,
        retransmitted_segments=1,
    )


def test_segments_under_way_are_those_neither_acknowledged_nor_taken_for_lost() -> None:
    mss, unacked, sacked, lost = (16, "I", 1000), (24, "I", 20), (28, "I", 5), (32, "I", 3)
    info = TcpInfo.from_bytes(made(mss=mss, unacked=unacked, sacked=sacked, lost=lost, again=(36, "I", 2)))
    assert info is not None
    assert info.in_flight_bytes == 14_000


@pytest.mark.parametrize(
    ("size", "known"),
    [
        (104, set()),  # Linux 2.6
        (112, {"pacing"}),
        (152, {"pacing", "min_rtt"}),
        (167, {"pacing", "min_rtt"}),
        (168, {"pacing", "min_rtt", "delivery"}),
        (216, {"pacing", "min_rtt", "delivery", "again"}),
        (280, {"pacing", "min_rtt", "delivery", "again"}),
    ],
)
def test_what_an_older_kernel_does_not_tell_is_unknown(size: int, known: set[str]) -> None:
    data = made(
        size,
        mss=(16, "I", 1448),
        segments=(100, "I", 3),
        pacing=(104, "Q", 5_000),
        min_rtt=(148, "I", 20_000),
        delivery=(160, "Q", 4_000),
        again=(208, "Q", 777),
    )
    info = TcpInfo.from_bytes(data)
    assert info is not None
    assert info.pacing_rate_bytes_per_s == (5_000 if "pacing" in known else None)
    assert info.min_rtt_s == (0.02 if "min_rtt" in known else None)
    assert info.delivery_rate_bytes_per_s == (4_000 if "delivery" in known else None)
    assert info.is_app_limited is (False if "delivery" in known else None)
    assert info.retransmitted_bytes == (777 if "again" in known else 3 * 1448)


def test_numbers_that_stand_for_nothing_are_nothing() -> None:
    data = made(min_rtt=(148, "I", 0xFFFFFFFF), pacing=(104, "Q", 0xFFFFFFFFFFFFFFFF), app_limited=(7, "B", 1))
    info = TcpInfo.from_bytes(data)
    assert info is not None
    assert (info.min_rtt_s, info.pacing_rate_bytes_per_s) == (None, None)
    assert (info.rtt_s, info.delivery_rate_bytes_per_s, info.is_app_limited) == (None, None, True)


def test_the_numbers_that_every_medium_has() -> None:
    data = made(
        mss=(16, "I", 1000),
        unacked=(24, "I", 4),
        rtt=(68, "I", 50_000),
        window=(80, "I", 10),
        min_rtt=(148, "I", 40_000),
        delivery=(160, "Q", 9_000),
        again=(208, "Q", 2_000),
    )
    info = TcpInfo.from_bytes(data)
    assert info is not None
    assert info.path_stats("bbr") == PathStats(
        transport="tcp",
        controller="bbr",
        window_bytes=10_000,
        in_flight_bytes=4_000,
        rtt_s=0.05,
        min_rtt_s=0.04,
        delivery_rate_bytes_per_s=9_000.0,
        retransmitted_bytes=2_000,
    )


@given(st.binary(max_size=600))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    info = TcpInfo.from_bytes(data)
    assert (info is None) is (len(data) < 104)
    if info is not None:
        assert min(info.window_bytes, info.in_flight_bytes, info.retransmitted_bytes) >= 0
        assert info.rtt_s is None or info.rtt_s > 0
        assert info.min_rtt_s is None or info.min_rtt_s > 0
        assert info.delivery_rate_bytes_per_s is None or info.delivery_rate_bytes_per_s > 0

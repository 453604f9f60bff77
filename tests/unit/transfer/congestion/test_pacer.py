"""What a pacer lets leave, against its rate."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transfer.congestion.pacer import UNPACED_BYTES, Pacer, PacerConfig

PACKET = 1000


def sent_until(pacer: Pacer, end_s: float, *, late_s: float = 0.0) -> list[tuple[float, int]]:
    """Sends all that it may, with timers that fire so late."""
    now, sent = 0.0, []
    while now < end_s:
        budget, size = pacer.budget(now=now), 0
        while size < budget:
            size += PACKET
        if size:
            pacer.on_sent(size, now=now)
            sent.append((now, size))
        now = max(pacer.next_at, now) + late_s
    return sent


@pytest.mark.parametrize("rate", [1e3, 1e4, 1e5, 1e6, 1e7, 1e8])
def test_the_rate_is_kept(rate: float) -> None:
    pacer = Pacer(packet_bytes=PACKET)
    pacer.set_rate(rate, now=0.0)
    seconds = max(1.0, 50_000 / rate)
    total = sum(size for _, size in sent_until(pacer, seconds))
    assert total == pytest.approx(rate * seconds, abs=rate * 0.003 + 2 * pacer.run_bytes)


@pytest.mark.parametrize(
    ("rate", "run"), [(1e4, PACKET), (2e5, 2 * PACKET), (12.5e6, 12_500), (125e6, 65_536), (1e10, 65_536)]
)
def test_runs_grow_with_the_rate_up_to_what_one_call_sends(rate: float, run: int) -> None:
    pacer = Pacer(packet_bytes=PACKET)
    pacer.set_rate(rate, now=0.0)
    assert pacer.run_bytes == run


def test_timers_that_are_a_little_late_cost_nothing_and_long_pauses_save_nothing() -> None:
    pacer = Pacer(packet_bytes=PACKET)
    pacer.set_rate(1e6, now=0.0)
    assert sum(size for _, size in sent_until(pacer, 1.0, late_s=0.001)) == pytest.approx(1e6, rel=0.01)
    assert pacer.budget(now=1000.0) == 2 * PACKET + 2000
    assert pacer.budget(now=pacer.next_at + 0.0005) == pytest.approx(2 * PACKET + 500, abs=1)


def test_without_a_rate_nothing_is_held_back() -> None:
    pacer = Pacer(packet_bytes=PACKET)
    assert pacer.budget(now=0.0) == UNPACED_BYTES
    pacer.on_sent(10**9, now=0.0)
    assert pacer.budget(now=0.0) == UNPACED_BYTES


def test_a_wait_follows_the_rate() -> None:
    pacer = Pacer(packet_bytes=PACKET)
    pacer.set_rate(1e3, now=0.0)
    pacer.on_sent(PACKET, now=0.0)
    assert pacer.next_at == pytest.approx(1.0, abs=0.003)
    pacer.set_rate(1e4, now=0.0)
    assert pacer.next_at == pytest.approx(0.1, abs=0.003)
    pacer.set_rate(None, now=0.0)
    assert pacer.budget(now=0.0) == UNPACED_BYTES


def test_larger_packets_make_larger_runs() -> None:
    pacer = Pacer(packet_bytes=PACKET)
    pacer.set_rate(2e5, now=0.0)
    pacer.set_packet_size(1400, now=0.0)
    assert pacer.run_bytes == 2800


def test_settings_without_sense_are_refused() -> None:
    with pytest.raises(ValueError, match="negative"):
        PacerConfig(run_s=-1.0)
    Pacer(packet_bytes=PACKET).set_rate(0.5, now=0.0)
    with pytest.raises(ValueError, match="positive"):
        Pacer(packet_bytes=PACKET).set_rate(0.0, now=0.0)


@given(st.floats(1e3, 1e9), st.lists(st.floats(0.0, 0.05), min_size=1, max_size=100))
def test_bursts_are_bounded_whenever_the_sender_asks(rate: float, gaps: list[float]) -> None:
    """In any time no more than the rate gives in it and in the lateness that is made up for, and one run."""
    pacer = Pacer(packet_bytes=PACKET)
    pacer.set_rate(rate, now=0.0)
    now, sent = 0.0, []
    for gap in gaps:
        now += gap
        budget, size = pacer.budget(now=now), 0
        while size < budget:
            size += PACKET
        if size:
            pacer.on_sent(size, now=now)
            sent.append((now, size))
    for first, (begin, _) in enumerate(sent):
        total = 0
        for at, size in sent[first:]:
            total += size
            assert total <= rate * (at - begin + 0.002) * 1.0001 + pacer.run_bytes + PACKET + 1

"""CUBIC against the formulas of RFC 9438."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest

from transfer.congestion.controller import Acknowledgement, Loss
from transfer.congestion.cubic import ALPHA, Cubic

PACKET = 1000
C, BETA = 0.4, 0.7


class Driver:
    """Acknowledges whole windows, round trip after round trip, in batches."""

    def __init__(self, cubic: Cubic, *, rtt_s: float, batch: int = 2, now: float = 0.0) -> None:
        self.cubic, self.rtt_s, self.batch, self.now = cubic, rtt_s, batch, now

    def acknowledge(self, packets: float, *, sent_at: float, limited: bool = True, ce: int = 0) -> None:
        told = Acknowledgement(
            acked_bytes=int(packets * PACKET),
            in_flight=self.cubic.window,
            prior_in_flight=self.cubic.window + int(packets * PACKET),
            sent_at=sent_at,
            rtt_s=self.rtt_s,
            smoothed_rtt_s=self.rtt_s,
            min_rtt_s=self.rtt_s,
            is_window_limited=limited,
            ce_bytes=ce,
        )
        self.cubic.on_ack(told, now=self.now)

    def round(self, *, limited: bool = True) -> float:
        """One window is delivered, evenly over the round trip; the window afterwards, in packets."""
        sent_at, window = self.now, self.cubic.window / PACKET
        left = window
        while left > 0.001:
            size = min(self.batch, left)
            self.now += self.rtt_s * size / window
            self.acknowledge(size, sent_at=sent_at, limited=limited)
            left -= size
        return self.cubic.window / PACKET

    def rounds_until(self, end_s: float) -> float:
        """The window at that time, in packets."""
        while self.now < end_s:
            self.round()
        return self.cubic.window / PACKET

    def lose(self) -> None:
        """A packet of a full window is lost."""
        packets = self.cubic.window / PACKET
        self.now += 1e-6
        self.cubic.on_loss(
            Loss(lost_bytes=PACKET, in_flight=int((packets - 1) * PACKET), sent_at=self.now - 1e-7), now=self.now
        )
        self.now += 1e-6


def after_a_loss_at(packets: int, *, rtt_s: float, batch: int = 2) -> Driver:
    driver = Driver(Cubic(packet_bytes=PACKET), rtt_s=rtt_s, batch=batch)
    while driver.cubic.window < packets * PACKET:
        driver.acknowledge(min(10, packets - driver.cubic.window // PACKET), sent_at=driver.now)
        driver.now += 1e-4
    assert driver.cubic.window == packets * PACKET
    driver.lose()
    return driver


@pytest.mark.parametrize(
    ("packets", "rtt_s", "batch"), [(1000, 0.1, 2), (1000, 0.1, 64), (3000, 0.2, 2), (500, 0.05, 8)]
)
def test_after_a_loss_the_window_follows_the_cubic(packets: int, rtt_s: float, batch: int) -> None:
    driver = after_a_loss_at(packets, rtt_s=rtt_s, batch=batch)
    assert driver.cubic.window == pytest.approx(BETA * packets * PACKET, abs=2)
    assert driver.cubic.state == "recovery"
    k = (packets * (1 - BETA) / C) ** (1 / 3)
    begin = driver.now
    while driver.now - begin < 1.7 * k:
        window = driver.round()
        t = driver.now - begin
        expected = C * (t - k) ** 3 + packets
        # Growth towards W_cubic(t + RTT) takes a round trip, and the first acknowledgement begins the epoch.
        slack = 2 * C * abs((t + rtt_s - k) ** 3 - (t - k) ** 3) + 3
        assert abs(window - expected) <= slack, (t, k)
    assert driver.cubic.state == "avoidance"


def test_the_plateau_is_where_the_loss_was() -> None:
    driver = after_a_loss_at(1000, rtt_s=0.1)
    k = (1000 * 0.3 / C) ** (1 / 3)
    begin = driver.now
    windows = []
    while driver.now - begin < k:
        windows.append(driver.round())
    steps = [b - a for a, b in pairwise(windows)]
    assert windows[-1] == pytest.approx(1000, abs=2)
    assert steps[2] > 20 * steps[-1]


def test_the_round_trip_hardly_matters_for_growth() -> None:
    windows = []
    for rtt_s in (0.05, 0.2):
        driver = after_a_loss_at(2000, rtt_s=rtt_s)
        windows.append(driver.rounds_until(driver.now + 8.0))
    assert windows[0] == pytest.approx(windows[1], rel=0.02)


def test_on_short_paths_it_grows_as_reno_would_with_its_decrease() -> None:
    """W_est of section 4.3: so much more in each round trip."""
    driver = after_a_loss_at(20, rtt_s=0.005)
    windows = [driver.round() for _ in range(8)]
    steps = [b - a for a, b in pairwise(windows[1:])]
    assert steps == pytest.approx([ALPHA] * len(steps), rel=0.1)
    while driver.cubic.window < 22 * PACKET:
        driver.round()
    before = driver.cubic.window / PACKET
    assert driver.round() - before == pytest.approx(1.0, abs=0.1)  # above the window of the loss: alpha = 1


def test_fast_convergence_leaves_room() -> None:
    windows = []
    for fast in (True, False):
        cubic = Cubic(packet_bytes=PACKET, fast_convergence=fast)
        driver = Driver(cubic, rtt_s=0.1)
        while cubic.window < 1000 * PACKET:
            driver.acknowledge(10, sent_at=driver.now)
        driver.lose()
        driver.now += 1.0
        driver.lose()  # at 700, below the 1,000 of last time
        assert cubic.window == pytest.approx(490 * PACKET, abs=2)
        begin, w_max = driver.now, 700 * (1 + BETA) / 2 if fast else 700.0
        k = ((w_max - 490) / C) ** (1 / 3)
        windows.append(driver.rounds_until(begin + k))
        assert windows[-1] == pytest.approx(w_max, rel=0.01)
    assert windows[0] < windows[1]


def test_a_time_out_begins_anew_from_where_slow_start_ends() -> None:
    driver = after_a_loss_at(100, rtt_s=0.1)
    driver.cubic.on_sent(PACKET, in_flight=70 * PACKET, now=driver.now)
    driver.cubic.on_timeout(now=driver.now)
    assert (driver.cubic.window, driver.cubic.state) == (PACKET, "slow start")
    assert driver.cubic.threshold == pytest.approx(49 * PACKET)
    driver.cubic.on_timeout(now=driver.now + 1)
    assert driver.cubic.threshold == pytest.approx(49 * PACKET)
    driver.now += 2
    windows = [driver.round() for _ in range(6)]
    assert windows[:5] == pytest.approx([2, 4, 8, 16, 32])
    assert windows[5] == pytest.approx(49, abs=0.5)
    begin = driver.now
    window = driver.rounds_until(begin + 3.0)
    reno = 49 + ALPHA * 30
    assert window == pytest.approx(max(49 + C * (driver.now - begin) ** 3, reno), rel=0.06)


def test_what_is_sent_again_at_the_moment_of_the_loss_belongs_to_it() -> None:
    driver = after_a_loss_at(100, rtt_s=0.1)
    window, lost_at = driver.cubic.window, driver.now - 1e-6
    driver.acknowledge(50, sent_at=lost_at)
    assert (driver.cubic.window, driver.cubic.state) == (window, "recovery")
    driver.acknowledge(50, sent_at=lost_at + 0.001)
    assert driver.cubic.state == "avoidance"


def test_a_time_out_before_anything_was_acknowledged_sets_the_threshold() -> None:
    cubic = Cubic(packet_bytes=PACKET)
    cubic.on_sent(10 * PACKET, in_flight=10 * PACKET, now=0.0)
    cubic.on_timeout(now=1.0)
    assert cubic.window == PACKET
    assert cubic.threshold == pytest.approx(7 * PACKET)


def test_one_window_of_losses_is_answered_once() -> None:
    driver = after_a_loss_at(100, rtt_s=0.1)
    window = driver.cubic.window
    for _ in range(3):
        driver.cubic.on_loss(Loss(lost_bytes=PACKET, in_flight=60 * PACKET, sent_at=driver.now - 0.01), now=driver.now)
        driver.acknowledge(3, sent_at=driver.now - 0.01)
    assert driver.cubic.window == window


def test_time_without_need_of_the_window_does_not_count() -> None:
    driver = after_a_loss_at(1000, rtt_s=0.1)
    for _ in range(10):
        driver.round()
    window = driver.cubic.window
    for _ in range(100):
        driver.round(limited=False)
    assert driver.cubic.window == window
    assert driver.round() * PACKET < window * 1.1


def test_slow_start_ends_when_round_trips_grow() -> None:
    driver = Driver(Cubic(packet_bytes=PACKET), rtt_s=0.1)
    assert driver.cubic.state == "slow start"
    assert [driver.round() for _ in range(4)] == pytest.approx([20, 40, 80, 160])
    driver.rtt_s = 0.14
    driver.round()
    assert driver.cubic.state == "conservative slow start"
    assert driver.cubic.threshold == math.inf
    for _ in range(6):
        driver.round()
    assert driver.cubic.state == "avoidance"
    assert driver.cubic.threshold <= driver.cubic.window


def test_a_mark_is_answered_like_a_loss_and_once() -> None:
    driver = Driver(Cubic(packet_bytes=PACKET), rtt_s=0.1)
    for _ in range(3):
        driver.round()
    driver.acknowledge(2, sent_at=driver.now, ce=PACKET)
    window = driver.cubic.window
    assert window == pytest.approx(0.7 * 80 * PACKET, abs=PACKET)
    driver.acknowledge(2, sent_at=driver.now - 0.01, ce=PACKET)
    assert driver.cubic.window == window


def test_an_answer_to_what_was_no_loss_is_taken_back() -> None:
    driver = after_a_loss_at(500, rtt_s=0.1)
    driver.round()
    driver.cubic.on_spurious_loss(now=driver.now)
    assert driver.cubic.window == 500 * PACKET
    assert driver.cubic.threshold == math.inf


def test_packets_of_another_size_keep_the_bytes() -> None:
    driver = after_a_loss_at(500, rtt_s=0.1)
    window = driver.cubic.window
    driver.cubic.on_packet_size(2000, now=driver.now)
    assert driver.cubic.window == pytest.approx(window, abs=2)


def test_after_a_long_silence_the_window_is_the_initial_one_again() -> None:
    driver = after_a_loss_at(500, rtt_s=0.1)
    driver.cubic.on_sent(PACKET, in_flight=300 * PACKET, now=driver.now)
    driver.cubic.on_sent(PACKET, in_flight=PACKET, now=driver.now + 5)
    assert driver.cubic.window == 10 * PACKET
    assert driver.cubic.state == "slow start"

"""LEDBAT++ against its draft: gain, increase and decrease, and the calendar of slowdowns."""

from __future__ import annotations

import pytest

from tests.unit.transfer.congestion.dumbbell import Dumbbell, Path
from transfer.congestion.controller import Acknowledgement, Loss
from transfer.congestion.ledbat import Ledbat
from transfer.congestion.ledbat_plus_plus import LedbatPlusPlus

PACKET = 1000


class Driver:
    """Tells a controller of round trips of a base and a queue, and writes down when its state changes."""

    def __init__(self, controller: LedbatPlusPlus, *, base_s: float = 0.05) -> None:
        self.controller, self.base_s, self.now = controller, base_s, 0.0
        self.states: list[tuple[str, float, int]] = []

    def acknowledge(self, size: int, queue_s: float, *, limited: bool = True) -> None:
        rtt_s = self.base_s + queue_s
        told = Acknowledgement(
            acked_bytes=size,
            in_flight=0,
            prior_in_flight=size,
            sent_at=self.now - rtt_s,
            rtt_s=rtt_s,
            smoothed_rtt_s=rtt_s,
            min_rtt_s=self.base_s,
            is_window_limited=limited,
        )
        self.controller.on_ack(told, now=self.now)
        if not self.states or self.states[-1][0] != self.controller.state:
            self.states.append((self.controller.state, self.now, self.controller.window))

    def round(self, queue_s: float, *, limited: bool = True) -> float:
        left = window = self.controller.window
        while left > 0:
            self.now += (self.base_s + queue_s) * min(PACKET, left) / window
            self.acknowledge(min(PACKET, left), queue_s, limited=limited)
            left -= PACKET
        return self.controller.window / PACKET


def settled(packets: int, *, base_s: float = 0.05) -> Driver:
    """In avoidance, no slowdown near."""
    driver = Driver(LedbatPlusPlus(packet_bytes=PACKET), base_s=base_s)
    while driver.controller.window < packets * PACKET:
        driver.round(0.0)
    for _ in range(5):
        driver.acknowledge(10, 0.046)
    assert driver.controller.state == "avoidance"
    driver.controller._next_slowdown_at = 1e9
    return driver


@pytest.mark.parametrize(
    ("base_s", "divisor"),
    [(0.001, 16), (0.0075, 16), (0.008, 15), (0.02, 6), (0.04, 3), (0.06, 2), (0.119, 2), (0.12, 1), (0.5, 1)],
)
def test_the_gain_grows_with_the_path(base_s: float, divisor: int) -> None:
    driver = Driver(LedbatPlusPlus(packet_bytes=PACKET), base_s=base_s)
    assert driver.controller.gain == 1 / 16
    driver.acknowledge(PACKET, 0.0)
    assert driver.controller.gain == 1 / divisor


def test_below_the_target_growth_is_the_gain_however_near_it_is() -> None:
    for queue_s in (0.0, 0.03, 0.059):
        driver = settled(40, base_s=0.06)
        before = driver.controller.window / PACKET
        assert driver.round(queue_s) - before == pytest.approx(0.5, rel=0.1)


@pytest.mark.parametrize(("queue_s", "share"), [(0.066, 0.1), (0.075, 0.25), (0.2, 0.5), (3.0, 0.5)])
def test_above_the_target_a_part_of_the_window_goes_and_never_more_than_half(queue_s: float, share: float) -> None:
    driver = settled(100)
    for _ in range(4):
        driver.acknowledge(1, queue_s)
    before = driver.controller.window / PACKET
    lost = 1 - driver.round(queue_s) / before
    assert 0.75 * share < lost <= share


def test_slow_start_grows_by_the_gain_and_ends_at_three_quarters_of_the_target() -> None:
    driver = Driver(LedbatPlusPlus(packet_bytes=PACKET), base_s=0.12)
    assert [driver.round(0.0) for _ in range(4)] == pytest.approx([4, 8, 16, 32])
    driver.round(0.044)
    assert driver.controller.state == "slow start"
    driver.round(0.046)
    assert driver.controller.state != "slow start"
    slower = Driver(LedbatPlusPlus(packet_bytes=PACKET), base_s=0.04)
    assert [slower.round(0.0) for _ in range(3)] == pytest.approx([2.67, 3.5, 4.7], rel=0.03)


def test_the_calendar_of_slowdowns() -> None:
    """Two round trips after slow start, two round trips of two packets, a ramp, and then nine times that time."""
    driver = Driver(LedbatPlusPlus(packet_bytes=PACKET), base_s=0.12)
    for _ in range(5):
        driver.round(0.0)
    while len(driver.states) < 8:
        driver.round(0.046 if len(driver.states) == 1 else 0.0)
    names = [name for name, _, _ in driver.states]
    assert names == ["slow start", *["avoidance", "slowdown", "slowdown ramp"] * 2, "avoidance"]
    at = [at for _, at, _ in driver.states]
    windows = [window for _, _, window in driver.states]
    assert at[2] - at[1] == pytest.approx(2 * 0.166, abs=0.05)
    assert windows[2] == 2 * PACKET
    assert at[3] - at[2] == pytest.approx(2 * 0.12, abs=0.13)
    assert windows[4] == pytest.approx(windows[1], rel=0.1)
    assert at[5] - at[4] == pytest.approx(9 * (at[4] - at[2]), rel=0.05)
    assert windows[7] > windows[4]  # it grew between them


def test_a_loss_halves_once_and_ends_slow_start() -> None:
    driver = Driver(LedbatPlusPlus(packet_bytes=PACKET), base_s=0.12)
    for _ in range(4):
        driver.round(0.0)
    for _ in range(3):
        driver.controller.on_loss(Loss(lost_bytes=PACKET, in_flight=0, sent_at=driver.now - 0.01), now=driver.now)
    assert driver.controller.window == 16 * PACKET
    assert driver.controller.state == "avoidance"


def test_losses_of_the_queue_that_a_slowdown_leaves_behind_are_no_news() -> None:
    driver = settled(60)
    driver.controller._next_slowdown_at = driver.now
    driver.round(0.0)
    assert driver.controller.state == "slowdown"
    threshold = driver.controller._threshold
    driver.controller.on_loss(Loss(lost_bytes=PACKET, in_flight=0, sent_at=driver.now - 0.1), now=driver.now)
    assert driver.controller._threshold == threshold


def test_a_time_out_leaves_two_packets_and_a_ramp_to_half() -> None:
    driver = settled(60)
    before = driver.controller.window
    driver.now += 1.0
    driver.controller.on_timeout(now=driver.now)
    assert driver.controller.window == 2 * PACKET
    driver.now += 0.2
    while driver.controller.state == "slowdown ramp":
        driver.round(0.0)
    assert driver.controller.window == pytest.approx(before / 2, rel=0.05)


def test_a_time_out_in_the_first_slow_start_counts_as_a_slowdown() -> None:
    driver = Driver(LedbatPlusPlus(packet_bytes=PACKET), base_s=0.12)
    driver.now = 500.0
    for _ in range(4):
        driver.round(0.0)
    begin = driver.now
    driver.controller.on_timeout(now=driver.now)
    driver.now += 0.2
    while driver.controller.state == "slowdown ramp":
        driver.round(0.0)
    took_s = driver.now - begin
    while driver.controller.state == "avoidance":
        driver.round(0.0)
    assert driver.now - begin == pytest.approx(10 * took_s, rel=0.05)


def test_after_a_long_silence_a_ramp_leads_back_to_where_it_was() -> None:
    driver = settled(40, base_s=0.12)
    before = driver.controller.window
    driver.controller.on_sent(PACKET, in_flight=2 * PACKET, now=driver.now)
    driver.now += 3.0
    driver.controller.on_sent(PACKET, in_flight=PACKET, now=driver.now)
    assert (driver.controller.window, driver.controller.state) == (2 * PACKET, "slowdown ramp")
    assert [driver.round(0.0) for _ in range(4)] == pytest.approx([4, 8, 16, 32])
    while driver.controller.state == "slowdown ramp":
        driver.round(0.0)
    assert driver.controller.state == "avoidance"
    assert driver.controller.window == pytest.approx(before, rel=0.03)


def test_only_a_window_that_is_used_grows() -> None:
    driver = settled(40)
    before = driver.controller.window
    for _ in range(5):
        driver.round(0.0, limited=False)
    assert driver.controller.window == before


def test_a_flow_of_its_own_stays_below_its_target_and_uses_most_of_the_path() -> None:
    net = Dumbbell(Path(rate=1.25e6, delay_s=0.02, queue_bytes=400_000))
    flow = net.add(LedbatPlusPlus(packet_bytes=1448))
    net.run(30.0)
    queue = [wait_s for at, wait_s in net.queue_s if at > 10.0]
    assert sum(queue) / len(queue) < 0.065
    assert flow.receiver.received * 1500 > 0.8 * 1.25e6 * 30
    assert net.dropped == 0


def test_flows_that_come_late_get_their_share_unlike_those_of_ledbat() -> None:
    shares = {}
    for kind in (Ledbat, LedbatPlusPlus):
        net = Dumbbell(Path(rate=6e5, delay_s=0.02, queue_bytes=500_000))
        flows = [net.add(kind(packet_bytes=1448), starts_at=8.0 * i) for i in range(2)]
        net.run(30.0)
        before = [flow.receiver.received for flow in flows]
        net.run(60.0)
        late, early = (
            flow.receiver.received - count for flow, count in zip(reversed(flows), reversed(before), strict=True)
        )
        shares[kind.name] = late / (late + early)
    assert shares["ledbat"] > 0.8  # the one that came late takes nearly everything
    assert shares["ledbat++"] == pytest.approx(0.5, abs=0.1)

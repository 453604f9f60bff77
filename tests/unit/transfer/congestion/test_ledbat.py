"""LEDBAT against RFC 6817 and what deployed uTP does."""

from __future__ import annotations

import pytest

from tests.unit.transfer.congestion.dumbbell import Dumbbell, Path
from transfer.congestion.controller import Acknowledgement, Loss
from transfer.congestion.ledbat import Ledbat, LedbatConfig
from transfer.congestion.reno import Reno

PACKET = 1000


class Driver:
    """Tells a controller of windows that come back after a base round trip of 50 ms and a queue."""

    def __init__(self, ledbat: Ledbat, *, offset_s: float = 0.0) -> None:
        self.ledbat, self.offset_s, self.now = ledbat, offset_s, 0.0

    def acknowledge(self, size: int, *, queue_s: float, sent_at: float | None = None, limited: bool = True) -> None:
        told = Acknowledgement(
            acked_bytes=size,
            in_flight=0,
            prior_in_flight=size,
            sent_at=self.now - 0.05 - queue_s if sent_at is None else sent_at,
            rtt_s=0.05 + queue_s,
            smoothed_rtt_s=0.05 + queue_s,
            min_rtt_s=0.05,
            delay_s=0.025 + queue_s + self.offset_s,
            is_window_limited=limited,
        )
        self.ledbat.on_ack(told, now=self.now)

    def round(self, queue_s: float, *, limited: bool = True, batch: int = 2 * PACKET) -> int:
        left = window = self.ledbat.window
        while left > 0:
            self.now += (0.05 + queue_s) * min(batch, left) / window
            self.acknowledge(min(batch, left), queue_s=queue_s, limited=limited)
            left -= batch
        return self.ledbat.window


def settled(packets: int, config: LedbatConfig | None = None) -> Driver:
    """In avoidance with that window, and the base known."""
    driver = Driver(Ledbat(packet_bytes=PACKET, config=config))
    while driver.ledbat.window < packets * PACKET:
        driver.acknowledge(min(2 * PACKET, packets * PACKET - driver.ledbat.window), queue_s=0.0)
        driver.now += 0.001
    driver.ledbat._is_starting = False
    assert driver.ledbat.state == "avoidance"
    assert driver.ledbat.window == packets * PACKET
    return driver


@pytest.mark.parametrize("queue_s", [0.0, 0.05, 0.1, 0.15, 0.3])
@pytest.mark.parametrize(("config", "gain"), [(LedbatConfig(), 3000), (LedbatConfig.of_rfc6817(), PACKET)])
def test_the_window_changes_with_the_distance_from_the_target(config: LedbatConfig, gain: int, queue_s: float) -> None:
    driver = settled(200, config)
    for _ in range(4):  # as many as are filtered
        driver.acknowledge(1, queue_s=queue_s)
    before = driver.ledbat.window
    after = driver.round(queue_s)
    assert after - before == pytest.approx(gain * (1 - queue_s / 0.1), rel=0.02, abs=2)


def test_the_size_of_acknowledgements_hardly_matters() -> None:
    windows = []
    for batch in (1, 2, 20, 100):
        driver = settled(100)
        windows.append([driver.round(0.02, batch=batch * PACKET) for _ in range(5)][-1])
    assert max(windows) - min(windows) < 0.02 * windows[0]


def test_slow_start_doubles_until_the_queue_is_nine_tenths_of_the_target() -> None:
    driver = Driver(Ledbat(packet_bytes=PACKET))
    assert driver.ledbat.window == 2 * PACKET
    assert [driver.round(0.0) // PACKET for _ in range(4)] == [4, 8, 16, 32]
    assert driver.round(0.089) == 64 * PACKET
    assert driver.ledbat.state == "slow start"
    for _ in range(3):
        driver.acknowledge(1, queue_s=0.091)
    assert driver.ledbat.state == "avoidance"
    assert driver.ledbat.window == pytest.approx(32 * PACKET, abs=5)  # this sent what waits: the other half came since
    driver.round(0.05)
    assert driver.ledbat.window < 34 * PACKET


def test_without_slow_start_growth_is_a_packet_a_round_from_the_first_one_on() -> None:
    driver = Driver(Ledbat(packet_bytes=PACKET, config=LedbatConfig(slow_start_until=0.0, gain_bytes=None)))
    assert driver.ledbat.state == "avoidance"
    assert driver.round(0.0) == pytest.approx(3 * PACKET, rel=0.1)


def test_only_a_window_that_is_used_grows_but_any_shrinks() -> None:
    driver = settled(50)
    before = driver.ledbat.window
    for _ in range(5):
        driver.round(0.0, limited=False)
    assert driver.ledbat.window == before
    driver.round(0.3, limited=False)
    driver.round(0.3, limited=False)
    assert driver.ledbat.window < before
    assert driver.ledbat.state == "yielding"


def test_a_loss_halves_once_in_a_round_trip_and_in_a_tenth_of_a_second() -> None:
    driver = settled(64)
    driver.now = 10.0
    for sent_at, now, packets in [(9.9, 10.0, 32), (9.95, 10.01, 32), (10.02, 10.07, 32), (10.06, 10.11, 16)]:
        driver.ledbat.on_loss(Loss(lost_bytes=PACKET, in_flight=0, sent_at=sent_at), now=now)
        assert driver.ledbat.window == pytest.approx(packets * PACKET, rel=0.02)


def test_it_grows_from_the_loss_on_by_its_gain_in_a_round_trip() -> None:
    """RFC 6817, libutp and libtorrent know no recovery in which the window stands still, as TCP's does."""
    driver = settled(64)
    driver.now = 10.0
    driver.ledbat.on_loss(Loss(lost_bytes=PACKET, in_flight=63 * PACKET, sent_at=9.95), now=10.0)
    assert driver.ledbat.state == "recovery"
    for _ in range(63):  # what was on its way when the window was halved: it is twice the window
        driver.now += 0.05 / 63
        told = Acknowledgement(
            acked_bytes=PACKET,
            in_flight=62 * PACKET,
            prior_in_flight=63 * PACKET,
            sent_at=9.99,
            rtt_s=0.05,
            smoothed_rtt_s=0.05,
            min_rtt_s=0.05,
            delay_s=0.025,
            is_window_limited=True,
        )
        driver.ledbat.on_ack(told, now=driver.now)
    assert driver.ledbat.window == pytest.approx(32 * PACKET + 3000, abs=10)


@pytest.mark.parametrize(("config", "packets"), [(LedbatConfig(), 1), (LedbatConfig.of_rfc6817(), 2)])
def test_the_window_has_a_floor(config: LedbatConfig, packets: int) -> None:
    driver = settled(10, config)
    for i in range(10):
        driver.now = 20.0 + i
        driver.ledbat.on_loss(Loss(lost_bytes=PACKET, in_flight=0, sent_at=driver.now - 0.1), now=driver.now)
    assert driver.ledbat.window == packets * PACKET
    for _ in range(6):
        driver.round(5.0)
    assert driver.ledbat.window == packets * PACKET


def test_a_time_out_leaves_the_floor_and_slow_start_to_half() -> None:
    driver = settled(40)
    driver.now += 1.0
    driver.ledbat.on_timeout(now=driver.now)
    assert driver.ledbat.window == PACKET
    driver.now += 0.2
    windows = [driver.round(0.0, batch=PACKET) / PACKET for _ in range(7)]
    assert windows[:5] == [2, 4, 8, 16, pytest.approx(20, abs=2.5)]
    assert windows[6] - windows[5] == pytest.approx(3, abs=0.2)


def test_a_mark_is_answered_like_a_loss() -> None:
    driver = settled(40)
    marked = Acknowledgement(
        acked_bytes=PACKET,
        in_flight=0,
        prior_in_flight=0,
        sent_at=driver.now,
        rtt_s=0.05,
        delay_s=0.025,
        ce_bytes=PACKET,
    )
    driver.now += 1.0
    driver.ledbat.on_ack(marked, now=driver.now)
    driver.ledbat.on_ack(marked, now=driver.now)
    assert driver.ledbat.window == pytest.approx(20 * PACKET, rel=0.02)


def test_an_answer_to_what_was_no_loss_is_taken_back() -> None:
    driver = settled(40)
    before = driver.ledbat.window
    driver.ledbat.on_loss(Loss(lost_bytes=PACKET, in_flight=0, sent_at=driver.now), now=driver.now + 0.1)
    driver.ledbat.on_spurious_loss(now=driver.now + 0.2)
    assert driver.ledbat.window == before


def test_without_one_way_delays_round_trips_tell() -> None:
    ledbat = Ledbat(packet_bytes=PACKET)
    for i in range(20):
        told = Acknowledgement(
            acked_bytes=PACKET, in_flight=0, prior_in_flight=0, sent_at=float(i), rtt_s=0.2 + 0.01 * i
        )
        ledbat.on_ack(told, now=i + 0.5)
    assert ledbat.queue_s == pytest.approx(0.17)  # the least of the last three
    assert ledbat.state == "yielding"


@pytest.mark.parametrize("step_s", [-30.0, 30.0, 4294.967296])
def test_a_clock_that_is_set_costs_a_moment_at_most(step_s: float) -> None:
    driver = settled(50)
    before = driver.ledbat.window
    driver.offset_s = step_s
    for _ in range(3):
        driver.round(0.02)
    assert driver.ledbat.queue_s == pytest.approx(0.0 if step_s < 0 else 0.02, abs=1e-6)
    assert driver.ledbat.window > 0.9 * before


def test_no_queue_is_longer_than_the_round_trip() -> None:
    driver = settled(50)
    driver.offset_s = 0.08  # the clock drifts: 80 ms in some minutes
    for _ in range(5):
        driver.round(0.0)
    assert driver.ledbat.queue_s == pytest.approx(0.05)


def test_larger_packets_fit_into_the_window() -> None:
    ledbat = Ledbat(packet_bytes=500)
    ledbat.on_timeout(now=1.0)
    ledbat.on_packet_size(1400, now=2.0)
    assert ledbat.window == 1400


@pytest.mark.parametrize(
    "settings",
    [
        {"target_s": 0.0},
        {"target_s": 0.2},
        {"gain_bytes": 0},
        {"least_packets": 0},
        {"least_packets": 3},
        {"base_minutes": 0},
    ],
)
def test_settings_without_sense_are_refused(settings: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=r"target|gain|window|minutes"):
        LedbatConfig(**settings)


def test_a_flow_of_its_own_keeps_the_queue_at_its_target() -> None:
    net = Dumbbell(Path(rate=1.25e6, delay_s=0.02, queue_bytes=400_000))
    flow = net.add(Ledbat(packet_bytes=1448), clock_offset_s=-1234.5)
    net.run(20.0)
    queue = [wait_s for at, wait_s in net.queue_s if at > 8.0]
    assert sum(queue) / len(queue) == pytest.approx(0.1, rel=0.1)
    assert flow.receiver.received * 1500 > 0.95 * 1.25e6 * 20
    assert net.dropped == 0


def test_it_makes_room_for_reno_and_comes_back() -> None:
    """A queue of 200 ms: Reno fills it, and LEDBAT, which sees more than its target, is nearly gone."""
    net = Dumbbell(Path(rate=1.25e6, delay_s=0.02, queue_bytes=250_000))
    ledbat = net.add(Ledbat(packet_bytes=1448))
    reno = net.add(Reno(packet_bytes=1448), packets=9000, starts_at=5.0)
    counts = {}

    def count() -> None:
        counts[net.now] = (ledbat.receiver.received, reno.receiver.received)

    for at in (12.0, 16.0, 20.0, 25.0):
        net.at(at, count)
    net.run(25.0)
    during = [b - a for a, b in zip(counts[12.0], counts[16.0], strict=True)]
    assert reno.done_at is not None
    assert reno.done_at < 19.0
    assert during[0] < 0.12 * sum(during)
    assert counts[25.0][0] - counts[20.0][0] > 0.9 * 5 * 1.25e6 / 1500


def test_the_constants_of_the_rfc() -> None:
    """BASE_HISTORY, CURRENT_FILTER, INIT_CWND, MIN_CWND, GAIN, TARGET of RFC 6817; the smallest gain there can be."""
    config = LedbatConfig.of_rfc6817()
    assert (config.base_minutes, config.latest_samples) == (10, 4)
    assert (config.initial_packets, config.least_packets) == (2, 2)
    assert (config.gain_bytes, config.target_s) == (None, 0.1)
    assert LedbatConfig(gain_bytes=1).gain_bytes == 1


@pytest.mark.parametrize(("config", "gain"), [(LedbatConfig(), 3000), (LedbatConfig.of_rfc6817(), 1400)])
def test_the_gain_after_packets_have_grown(config: LedbatConfig, gain: int) -> None:
    driver = settled(200, config)
    driver.ledbat.on_packet_size(1400, now=driver.now)
    before = driver.ledbat.window
    assert driver.round(0.0) - before == pytest.approx(gain, rel=0.02)


def test_after_a_long_silence_slow_start_leads_back_to_where_it_was() -> None:
    driver = settled(40)
    driver.ledbat.on_sent(PACKET, in_flight=2 * PACKET, now=driver.now)
    driver.ledbat.on_sent(PACKET, in_flight=PACKET, now=driver.now + 0.9)
    assert driver.ledbat.window == 40 * PACKET
    driver.now += 3.0
    driver.ledbat.on_sent(PACKET, in_flight=PACKET, now=driver.now)
    assert (driver.ledbat.window, driver.ledbat.state) == (2 * PACKET, "slow start")
    assert [driver.round(0.0) // PACKET for _ in range(4)] == [4, 8, 16, 32]
    assert driver.round(0.0) == pytest.approx(40 * PACKET, abs=2 * PACKET)  # the rest of the round is avoidance
    assert driver.ledbat.state == "avoidance"

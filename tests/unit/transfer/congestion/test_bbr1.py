"""BBR version 1 against draft-cardwell-iccrg-bbr-congestion-control-00 and the figures of Cardwell et al. 2016."""

from __future__ import annotations

import itertools
import math
import random

import pytest

from tests.one_bottleneck import PACKET, Flow, Path, World, mbit
from transfer.congestion.bbr1 import Bbr1Config, BbrV1
from transfer.congestion.controller import Acknowledgement, Loss, RateSample


def a_flow(path: Path, *, seed: int = 1, world: World | None = None) -> tuple[World, Flow, BbrV1]:
    world = world or World()
    controller = BbrV1(packet_bytes=PACKET, rng=random.Random(seed))
    return world, Flow(world, path, controller), controller


def bdp(path: Path) -> float:
    return path.rate * path.rtt_s


def a_path(rate: float = 10.0, rtt_s: float = 0.04, *, buffer_bdp: float = 2.0, loss: float = 0.0) -> Path:
    path = Path(mbit(rate), rtt_s, loss=loss)
    path.buffer_bytes = buffer_bdp * bdp(path)
    return path


def test_constants_are_those_of_the_draft() -> None:
    config = Bbr1Config()
    assert config.high_gain == pytest.approx(2.885, abs=1e-3)
    assert config.cycle == (1.25, 0.75, *[1.0] * 6)
    assert (config.cwnd_gain, config.bandwidth_rounds, config.min_rtt_filter_s) == (2.0, 10, 10.0)
    assert (config.probe_rtt_s, config.min_packets) == (0.2, 4)


@pytest.mark.parametrize(
    "wrong", [{"high_gain": 1.0}, {"cycle": (1.0, 1.0)}, {"cycle": (1.25,)}, {"min_packets": 0}, {"cwnd_gain": 1.0}]
)
def test_constants_that_cannot_work_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r".+"):
        Bbr1Config(**wrong)  # type: ignore[arg-type]


def test_before_anything_is_known_the_first_window_leaves_in_a_millisecond() -> None:
    controller = BbrV1(packet_bytes=PACKET, rng=random.Random(1))
    assert controller.window == 10 * PACKET
    assert controller.pacing_rate == pytest.approx(2 / math.log(2) * 10 * PACKET / 0.001)
    assert (controller.state, controller.bandwidth, controller.min_rtt) == ("startup", 0.0, math.inf)


def test_states_come_in_order_and_the_estimates_are_right() -> None:
    path = a_path()
    world, flow, bbr = a_flow(path)
    states: list[str] = []

    def watch(flow: Flow, now: float) -> None:
        if not states or states[-1] != bbr.state:
            states.append(bbr.state)

    flow.watch = watch
    flow.start()
    world.run(4.0)
    assert states == ["startup", "drain", "probe bw"]
    assert bbr.bandwidth == pytest.approx(path.rate, rel=0.02)
    assert bbr.min_rtt == pytest.approx(path.rtt_s + PACKET / path.rate, rel=0.01)


def test_the_cycle_of_gains_one_round_trip_each() -> None:
    path = a_path()
    world, flow, bbr = a_flow(path)
    changes: list[tuple[float, float]] = []

    def watch(flow: Flow, now: float) -> None:
        if bbr.state == "probe bw" and (not changes or changes[-1][1] != bbr.pacing_gain):
            changes.append((now, bbr.pacing_gain))

    flow.watch = watch
    flow.start()
    world.run(5.0)
    gains = [gain for _, gain in changes]
    assert gains[0] != 0.75  # the cycle begins anywhere but there
    begin = gains.index(1.25)
    assert gains[begin : begin + 9] == [1.25, 0.75, 1.0] * 3
    up = [at for at, gain in changes if gain == 1.25]
    for earlier, later in itertools.pairwise(up):
        assert 7 * bbr.min_rtt < later - earlier < 10 * bbr.min_rtt  # 0.75 may end early: the queue is gone


def test_different_seeds_begin_the_cycle_in_different_places() -> None:
    first: set[float] = set()
    for seed in range(20):
        path = a_path(2.0)
        world, flow, bbr = a_flow(path, seed=seed)
        flow.start()
        assert world.run(3.0, lambda bbr=bbr: bbr.state == "probe bw")  # type: ignore[misc]
        first.add(bbr._phase)
    assert len(first) > 3
    assert 1 not in first


def test_probe_rtt_every_ten_seconds_for_200_ms_at_four_packets() -> None:
    path = a_path(4.0)
    world, flow, bbr = a_flow(path)
    spans: list[list[float]] = []
    most = 0

    def watch(flow: Flow, now: float) -> None:
        nonlocal most
        if bbr.state == "probe rtt":
            if not spans or len(spans[-1]) == 2:
                spans.append([now])
            most = max(most, bbr.window)
        elif spans and len(spans[-1]) == 1:
            spans[-1].append(now)

    flow.watch = watch
    flow.start()
    world.run(22.0)
    assert len(spans) == 2
    begins = [begin for begin, _ in spans]
    assert all(10.0 <= later - earlier < 10.6 for earlier, later in itertools.pairwise(begins))
    assert all(0.2 < end - begin < 0.35 for begin, end in spans)
    assert most == 4 * PACKET


def test_figure_3_bandwidth_doubles_and_halves() -> None:
    """Up it converges by 1.25 a cycle, down as soon as the ten rounds of the filter have passed."""
    path = a_path(buffer_bdp=8)
    world, flow, bbr = a_flow(path)
    flow.start()
    world.run(5.0)
    assert bbr.bandwidth == pytest.approx(mbit(10), rel=0.02)
    path.rate = mbit(20)
    began = world.now
    assert world.run(15.0, lambda: bbr.bandwidth > 0.98 * mbit(20))
    assert world.now - began < 4.5 * 8 * 0.045  # 1.25 ** 4 > 2: four cycles, and the rest of the one that was going on
    world.run(12.0)
    path.rate = mbit(10)
    began = world.now
    assert world.run(20.0, lambda: bbr.bandwidth < 1.02 * mbit(10))
    assert world.now - began < 12 * 0.17  # rounds of two BDP of the old rate at the new one
    world.run(18.0)
    assert path.queue_s(world.now) < 0.02


@pytest.mark.parametrize(("loss", "part"), [(0.0, 0.95), (0.01, 0.95), (0.05, 0.95), (0.15, 0.80)])
def test_figure_8_random_loss_is_not_congestion(loss: float, part: float) -> None:
    path = a_path(loss=loss, buffer_bdp=4)
    world, flow, _ = a_flow(path)
    flow.start()
    world.run(8.0)
    assert flow.delivered >= part * (1 - loss) * path.rate * 8.0


def test_a_shallow_buffer_overflows_and_it_does_not_care() -> None:
    """Known weakness (Cao et al., IMC 2019): goodput is kept, and a part of a hundred of what is sent is lost."""
    path = a_path(buffer_bdp=0.1)
    world, flow, _ = a_flow(path)
    flow.start()
    world.run(8.0)
    assert flow.delivered > 0.9 * path.rate * 8.0
    assert flow.lost > 0.01 * flow.delivered


def test_flows_share() -> None:
    count = 3
    path = a_path(5.0, buffer_bdp=2)
    world = World()
    flows = [a_flow(path, seed=seed, world=world)[1] for seed in range(count)]
    for number, flow in enumerate(flows):
        flow.start(at=0.5 * number)
    world.run(12.0)
    before = [flow.delivered for flow in flows]
    world.run(22.0)
    shares = [(flow.delivered - had) / (path.rate * 10.0) for flow, had in zip(flows, before, strict=True)]
    assert sum(shares) > 0.9
    assert sum(shares) ** 2 / (count * sum(share**2 for share in shares)) > 0.85  # Jain's index


def test_a_restart_after_idling_is_paced_at_the_bandwidth() -> None:
    path = a_path()
    world, flow, bbr = a_flow(path)
    flow.start()
    world.run(3.0)
    flow.is_paused = True
    world.run(4.0)
    assert flow.in_flight == 0
    dropped = path.dropped
    flow.resume(world.now)
    assert bbr.pacing_rate == pytest.approx(bbr.bandwidth)
    world.run(4.2)
    assert flow.in_flight >= 0.9 * bdp(path)
    assert path.dropped == dropped
    assert path.queue_s(world.now) < 0.03


def test_idling_is_as_good_as_probe_rtt() -> None:
    path = a_path()
    world, flow, bbr = a_flow(path)
    flow.start()
    world.run(3.0)
    flow.is_paused = True
    world.run(14.0)
    states: set[str] = set()
    flow.watch = lambda flow, now: states.add(bbr.state)
    flow.resume(world.now)
    world.run(15.0)
    assert states == {"probe bw"}


def test_a_slow_application_does_not_make_the_path_slow() -> None:
    path = a_path()
    world, flow, bbr = a_flow(path)
    flow.start()
    world.run(3.0)
    flow.supply = mbit(1)
    world.run(9.0)
    assert bbr.bandwidth == pytest.approx(mbit(10), rel=0.02)


def an_ack(acked: int, in_flight: int, *, sent_at: float, prior: int, total: int) -> Acknowledgement:
    rate = RateSample(
        delivered_bytes=total - prior,
        interval_s=0.1,
        lost_bytes=0,
        sent_in_flight=in_flight,
        prior_delivered=prior,
        delivered_total=total,
        is_app_limited=False,
    )
    return Acknowledgement(
        acked_bytes=acked,
        in_flight=in_flight,
        prior_in_flight=in_flight + acked,
        sent_at=sent_at,
        rtt_s=0.1,
        rate=rate,
    )


def test_a_repair_conserves_packets_for_a_round_and_gives_the_window_back() -> None:
    bbr = BbrV1(packet_bytes=PACKET, rng=random.Random(1))
    bbr.on_ack(an_ack(PACKET, 9 * PACKET, sent_at=0.0, prior=0, total=PACKET), now=0.1)
    window = bbr.window
    bbr.on_loss(Loss(lost_bytes=3 * PACKET, in_flight=6 * PACKET, sent_at=0.0), now=0.15)
    assert bbr.window == 7 * PACKET
    bbr.on_ack(an_ack(PACKET, 5 * PACKET, sent_at=0.0, prior=0, total=2 * PACKET), now=0.15)
    assert bbr.window == 6 * PACKET  # as much may leave as has arrived
    bbr.on_ack(an_ack(PACKET, 5 * PACKET, sent_at=0.16, prior=2 * PACKET, total=3 * PACKET), now=0.26)
    assert bbr.window >= window


def test_a_timeout_leaves_one_packet_until_what_was_on_its_way_is_delivered() -> None:
    bbr = BbrV1(packet_bytes=PACKET, rng=random.Random(1))
    bbr.on_ack(an_ack(PACKET, 20 * PACKET, sent_at=0.0, prior=0, total=PACKET), now=0.1)
    for number in range(2, 11):
        bbr.on_ack(an_ack(PACKET, 20 * PACKET, sent_at=0.0, prior=0, total=number * PACKET), now=0.1)
    window = bbr.window
    bbr.on_timeout(now=1.1)
    assert bbr.window == PACKET
    bbr.on_ack(an_ack(PACKET, 0, sent_at=1.2, prior=10 * PACKET, total=11 * PACKET), now=1.3)
    assert bbr.window == 4 * PACKET
    bbr.on_ack(an_ack(19 * PACKET, 0, sent_at=1.3, prior=11 * PACKET, total=30 * PACKET), now=1.4)
    assert bbr.window >= window


def test_a_time_out_for_nothing_is_taken_back() -> None:
    bbr = BbrV1(packet_bytes=PACKET, rng=random.Random(1))
    window = bbr.window
    bbr.on_timeout(now=1.1)
    bbr.on_spurious_loss(now=1.2)
    assert bbr.window == window

"""The example test cases of draft-ietf-ccwg-bbr (editor's copy of 2026-08-03), each a test named by its section."""

from __future__ import annotations

import random

import pytest

from tests.one_bottleneck import PACKET, Flow, Path, World, mbit
from transfer.congestion.bbr import Bbr
from transfer.congestion.bbr.machine import Machine
from transfer.congestion.bbr.table import CONTROL, State
from transfer.congestion.controller import Loss


class Bench:
    """One flow over one path, run until something is so."""

    def __init__(self, rate: float = 10.0, rtt_s: float = 0.04, *, buffer_bdp: float = 2.0, seed: int = 1) -> None:
        self.path = Path(mbit(rate), rtt_s)
        self.path.buffer_bytes = buffer_bdp * self.bdp
        self.world = World()
        self.bbr = Bbr(packet_bytes=PACKET, rng=random.Random(seed))
        self.flow = Flow(self.world, self.path, self.bbr)
        self.states: list[State] = []
        self.flow.watch = self._watch
        self.flow.start()

    def _watch(self, flow: Flow, now: float) -> None:
        if not self.states or self.states[-1] is not self.machine.state:
            self.states.append(self.machine.state)

    @property
    def machine(self) -> Machine:
        return self.bbr.machine

    @property
    def bdp(self) -> float:
        return self.path.rate * self.path.rtt_s

    def is_in(self, *states: State) -> bool:
        return self.machine.state in states

    def until(self, *states: State, within_s: float = 12.0) -> None:
        assert self.world.run(self.world.now + within_s, lambda: self.machine.state in states), self.states

    def run(self, seconds: float) -> None:
        self.world.run(self.world.now + seconds)

    def lose(self, part: float = 0.1, *, ranges: int = 1, is_app_limited: bool = False) -> None:
        """So much of a flight is found lost, now. (It arrives all the same.)"""
        flight = self.flow.in_flight
        size = max(int(part * flight), PACKET)
        loss = Loss(
            lost_bytes=size,
            in_flight=flight - size,
            sent_at=self.world.now - self.path.rtt_s,
            sent_in_flight=flight,
            lost_since_sent=size,
            ranges=ranges,
            is_app_limited=is_app_limited,
        )
        self.flow.sampler.on_lost(size)
        self.bbr.on_loss(loss, now=self.world.now)


def test_exiting_startup_on_bandwidth_plateau() -> None:
    bench = Bench()
    rounds: list[tuple[int, float]] = []

    def watch(flow: Flow, now: float) -> None:
        bench._watch(flow, now)
        if bench.machine.rounds.is_start and bench.machine.state is State.STARTUP:
            rounds.append((bench.machine.pipe._rounds, bench.machine.model.max_bw))

    bench.flow.watch = watch
    bench.until(State.DRAIN)
    assert bench.machine.model.max_bw == pytest.approx(bench.path.rate, rel=0.02)
    assert bench.machine.pipe.was_full
    assert bench.machine.pipe.is_full
    assert [count for count, _ in rounds[-2:]] == [1, 2]  # the third ended it
    assert all(count == 0 for count, _ in rounds[:-2])
    assert bench.flow.lost == 0


def test_exiting_startup_on_loss_when_application_limited() -> None:
    bench = Bench()
    bench.flow.supply = mbit(4)
    bench.path.loss = 0.2
    bench.until(State.DRAIN)
    assert bench.machine.pipe.was_full
    assert bench.machine.pipe.is_full
    assert bench.machine.long.inflight < float("inf")
    assert bench.states == [State.STARTUP, State.DRAIN]


@pytest.mark.parametrize(("runs", "ends"), [(4, False), (5, True)])
def test_exiting_startup_takes_a_round_of_repair_and_six_runs_of_losses(runs: int, ends: bool) -> None:
    """Of the draft's text, not of its cases: one bad moment is no full pipe."""
    bench = Bench(rtt_s=0.1)
    bench.flow.supply = mbit(4)
    bench.run(0.5)
    bench.lose(ranges=1)  # a round begins with the first loss
    bench.run(0.06)
    bench.lose(ranges=runs)
    bench.run(0.2)
    assert bench.is_in(State.STARTUP) is not ends  # DRAIN may be over at once: there is no queue


def test_exiting_drain_based_on_inflight() -> None:
    bench = Bench()
    bench.until(State.DRAIN)
    assert CONTROL[State.DRAIN].pacing_gain == 0.5
    assert bench.bbr.pacing_rate == pytest.approx(0.5 * 0.99 * bench.machine.model.bw)
    before = 0

    def watch(flow: Flow, now: float) -> None:
        nonlocal before
        if bench.machine.state is State.DRAIN:
            before = flow.in_flight
            assert before > bench.machine.inflight(1.0)

    bench.flow.watch = watch
    bench.until(State.DOWN, State.CRUISE)  # and on at once: the queue is gone
    assert bench.flow.in_flight - 2 * PACKET <= bench.machine.inflight(1.0)
    assert bench.machine.rounds.count - bench.machine._drain_began_in <= 2


def test_exiting_drain_based_on_time() -> None:
    bench = Bench(buffer_bdp=50)
    bench.until(State.DRAIN)
    bench.path.rate *= 0.4  # as others that join: by a tenth, as the draft says, half the rate still drains the queue
    began = bench.machine.rounds.count
    above: list[bool] = []
    bench.flow.watch = lambda flow, now: above.append(flow.in_flight > bench.machine.inflight(1.0))
    bench.until(State.DOWN)
    assert all(above[:-1])
    assert bench.flow.in_flight > bench.machine.inflight(1.0)
    assert bench.machine.rounds.count == began + 4


def test_exiting_probe_up_on_bandwidth_plateau() -> None:
    bench = Bench(buffer_bdp=5)
    bench.until(State.UP)
    rounds = bench.machine.rounds.count
    bench.until(State.DOWN)
    assert bench.machine.pipe.is_full
    assert bench.machine.rounds.count - rounds >= 3
    assert not bench.machine.cycle.was_too_high
    assert bench.flow.lost == 0


def test_exiting_probe_up_on_loss_when_application_limited() -> None:
    bench = Bench(buffer_bdp=5)
    bench.until(State.UP)
    bench.flow.supply = mbit(3)
    bench.run(0.06)
    assert bench.is_in(State.UP)
    before: float = bench.machine.long.inflight
    bench.lose(is_app_limited=True)
    assert bench.is_in(State.DOWN)
    assert bench.machine.cycle.was_too_high
    assert bench.machine.long.inflight == before  # what an application sends says nothing of how much is too much


def test_never_exiting_probe_up_or_startup_when_application_limited_with_no_loss() -> None:
    bench = Bench()
    bench.flow.supply = mbit(1)
    bench.run(4.0)
    assert set(bench.states) == {State.STARTUP}
    bench = Bench(buffer_bdp=5)
    bench.until(State.UP)
    bench.flow.supply = mbit(3)
    bench.states.clear()
    bench.run(2.0)
    assert set(bench.states) == {State.UP}


def test_exiting_probe_down_on_inflight() -> None:
    bench = Bench(buffer_bdp=5)
    bench.until(State.UP)
    bench.until(State.DOWN)
    assert CONTROL[State.DOWN].pacing_gain == 0.90
    assert bench.bbr.pacing_rate == pytest.approx(0.9 * 0.99 * bench.machine.model.bw, rel=0.01)
    bench.machine.long.inflight = int(1.1 * bench.bdp)
    has_room: list[bool] = []
    bench.flow.watch = lambda flow, now: has_room.append(
        flow.in_flight <= bench.machine.long.with_headroom(PACKET) and flow.in_flight <= bench.machine.inflight(1.0)
    )
    bench.until(State.CRUISE)
    assert has_room[-1]
    assert not any(has_room[:-1])


def test_exiting_probe_down_after_max_time() -> None:
    bench = Bench(rtt_s=0.1, buffer_bdp=50)  # a BDP of 100 packets: time, and not 63 rounds, ends the wait
    bench.until(State.UP)
    bench.until(State.DOWN)
    began, wait = bench.world.now, bench.machine.cycle.wait_s
    bench.path.rate *= 0.9
    bench.machine.long.inflight = bench.flow.in_flight // 4  # there is never headroom for that
    bench.path.busy_until += 0.1
    bench.until(State.REFILL, State.CRUISE)
    assert bench.is_in(State.REFILL)
    assert wait < bench.world.now - began < wait + 0.1
    assert 2.0 <= wait <= 3.0


def test_entering_and_exiting_probe_rtt() -> None:
    bench = Bench(buffer_bdp=5)
    bench.path.busy_until = 0.01
    bench.until(State.CRUISE)
    bench.path.rtt_s += 0.01  # so that no round trip is as short as the shortest
    bench.until(State.PROBE_RTT)
    began, saved = bench.world.now, bench.machine.recovery.saved
    assert CONTROL[State.PROBE_RTT].cwnd_gain == 0.5
    bench.run(0.15)
    assert bench.is_in(State.PROBE_RTT)
    assert bench.bbr.window == pytest.approx(0.5 * bench.machine.model.bw * bench.machine.model.min_rtt, abs=PACKET)
    assert bench.flow.in_flight <= bench.bbr.window
    bench.until(*[state for state in State if state is not State.PROBE_RTT])
    assert bench.is_in(State.CRUISE)
    assert 0.2 < bench.world.now - began < 0.4
    assert bench.bbr.window >= 0.8 * saved
    had = bench.flow.delivered
    bench.run(1.0)
    assert bench.flow.delivered - had > 0.9 * bench.path.rate


def test_skipping_probe_rtt_due_to_application_limited_sending() -> None:
    bench = Bench()
    bench.until(State.CRUISE)
    bench.flow.is_paused = True
    bench.run(6.0)
    assert bench.flow.in_flight == 0
    bench.states.clear()
    bench.flow.resume(bench.world.now)
    assert bench.machine.is_idle_restart
    assert bench.bbr.pacing_rate == pytest.approx(0.99 * bench.machine.model.bw)  # the bandwidth, less the margin
    bench.run(1.0)
    assert State.PROBE_RTT not in bench.states
    assert not bench.machine.is_idle_restart


def test_achieving_expected_startup_bandwidth_on_a_link_with_aggregation() -> None:
    bench = Bench(buffer_bdp=5)
    bench.path.burst_s = 0.05
    bench.run(2.0)
    assert bench.machine.pipe.was_full
    assert bench.machine.model.max_bw == pytest.approx(bench.path.rate, rel=0.1)
    assert bench.machine.model.extra_acked > 0.3 * bench.path.rate * bench.path.burst_s
    assert bench.bbr.window > 2 * bench.bdp


def test_achieving_expected_cruise_bandwidth_on_a_link_with_aggregation() -> None:
    bench = Bench(buffer_bdp=5)
    bench.until(State.CRUISE)
    calm = bench.machine.model.extra_acked
    bench.path.burst_s = 0.05
    bench.run(1.5)
    had, began = bench.flow.delivered, bench.world.now
    bench.until(State.REFILL)
    assert bench.machine.model.extra_acked > calm + 0.3 * bench.path.rate * bench.path.burst_s
    assert bench.machine.model._aggregation.length == 10
    assert bench.bbr.window > 2 * bench.machine.model.bw * bench.machine.model.min_rtt
    assert bench.flow.delivered - had > 0.9 * bench.path.rate * (bench.world.now - began)


def test_correctly_managing_sub_packet_bdps() -> None:
    bench = Bench(rate=0.5, rtt_s=0.002, buffer_bdp=500)  # a tenth of a packet
    bench.until(State.CRUISE, within_s=20)
    bench.run(3.0)
    assert bench.bbr.window >= 4 * PACKET
    had = bench.flow.delivered
    bench.run(4.0)
    assert bench.flow.delivered - had > 0.9 * bench.path.rate * 4.0
    assert bench.machine.model.max_bw == pytest.approx(bench.path.rate, rel=0.05)


def test_increasing_bandwidth_10x_and_ensuring_full_bandwidth_is_reached() -> None:
    bench = Bench(rate=2.0, buffer_bdp=1.0)
    bench.until(State.CRUISE)
    bench.machine.long.inflight = int(1.5 * bench.bdp)
    bench.path.rate *= 10
    bench.path.buffer_bytes *= 10
    bench.until(State.UP)
    grown: list[int] = []
    before: float = bench.machine.long.inflight

    def watch(flow: Flow, now: float) -> None:
        nonlocal before
        if bench.machine.state is State.UP and bench.machine.rounds.is_start:
            grown.append(round((bench.machine.long.inflight - before) / PACKET))
            before = bench.machine.long.inflight

    bench.flow.watch = watch
    began = bench.machine.rounds.count
    assert bench.world.run(10.0, lambda: bench.machine.model.max_bw > 0.95 * bench.path.rate), grown
    assert bench.machine.rounds.count - began < 40
    assert max(grown) >= 8 * max(1, next(step for step in grown if step))


def test_decreasing_bandwidth_10x_and_ensuring_max_bandwidth_adapts_down() -> None:
    bench = Bench(rate=20.0, buffer_bdp=1.0)
    bench.until(State.CRUISE)
    bench.path.rate /= 10
    bench.path.buffer_bytes /= 10
    least = float("inf")

    def watch(flow: Flow, now: float) -> None:
        nonlocal least
        least = min(least, bench.machine.short.bw)

    bench.flow.watch = watch
    bench.run(0.6)
    assert least < 0.5 * mbit(20)
    bench.run(6.0)  # two cycles
    assert bench.machine.model.max_bw == pytest.approx(mbit(2), rel=0.1)
    bench.run(1.0)
    assert bench.path.queue_s(bench.world.now) < 0.1


def test_handling_token_bucket_policers() -> None:
    bench = Bench(rate=10.0, rtt_s=0.04)
    bench.path.bucket_bytes = 4 * bench.bdp
    bench.run(1.0)
    limited = False

    def watch(flow: Flow, now: float) -> None:
        nonlocal limited
        limited = limited or bench.machine.short.bw < float("inf") > bench.machine.short.inflight

    bench.flow.watch = watch
    bench.run(9.0)
    assert limited
    had, lost = bench.flow.delivered, bench.flow.lost
    bench.run(6.0)
    delivered, lost = bench.flow.delivered - had, bench.flow.lost - lost
    assert delivered > 0.8 * bench.path.rate * 6.0
    assert lost < 0.03 * delivered


def test_handling_spurious_fast_recovery() -> None:
    bench = Bench(buffer_bdp=5)
    bench.until(State.UP)
    window, longterm = bench.bbr.window, bench.machine.long.inflight
    bench.lose()
    assert bench.is_in(State.DOWN)
    assert bench.machine.long.inflight < longterm
    assert bench.machine.undo.state is State.UP
    bench.run(0.1)
    bench.bbr.on_spurious_loss(now=bench.world.now)
    assert bench.is_in(State.REFILL)
    assert bench.machine.long.inflight == longterm
    assert bench.machine.short.bw == bench.machine.short.inflight == float("inf")
    assert bench.bbr.window >= window
    bench.until(State.UP, within_s=0.2)


def test_handling_spurious_fast_recovery_that_ended_startup() -> None:
    bench = Bench(rtt_s=0.1)
    bench.run(0.5)
    assert bench.is_in(State.STARTUP)
    for _ in range(3):
        bench.lose(0.5, ranges=6)
        bench.world.run(bench.world.now + 0.2, lambda: bench.machine.state is State.DRAIN)
    assert bench.is_in(State.DRAIN)
    bench.bbr.on_spurious_loss(now=bench.world.now)
    assert bench.is_in(State.STARTUP)
    assert not bench.machine.pipe.was_full
    bench.until(State.CRUISE)
    assert bench.machine.model.max_bw == pytest.approx(bench.path.rate, rel=0.02)


def test_handling_spurious_rto_recovery() -> None:
    bench = Bench(buffer_bdp=5)
    bench.until(State.UP)
    window, longterm = bench.bbr.window, bench.machine.long.inflight
    bench.bbr.on_timeout(now=bench.world.now)
    assert bench.bbr.window == PACKET
    assert bench.is_in(State.DOWN)
    bench.bbr.on_spurious_loss(now=bench.world.now + 0.02)
    assert bench.is_in(State.REFILL)
    assert bench.machine.long.inflight == longterm
    assert bench.bbr.window == window


def test_entering_and_exiting_probe_rtt_during_startup() -> None:
    bench = Bench()
    bench.flow.supply = mbit(1)
    bench.run(1.0)
    bench.path.rtt_s += 0.01
    bench.until(State.PROBE_RTT)
    assert not bench.machine.pipe.was_full
    bench.until(*[state for state in State if state is not State.PROBE_RTT])
    assert bench.is_in(State.STARTUP)
    bench.flow.supply = None
    bench.until(State.CRUISE)
    assert bench.machine.model.max_bw == pytest.approx(bench.path.rate, rel=0.02)


def test_handling_loss_during_probe_up_after_inflight_longterm_is_set() -> None:
    bench = Bench(buffer_bdp=5)
    bench.until(State.REFILL)
    bench.machine.long.inflight = int(3 * bench.bdp)
    bench.until(State.UP)
    target, flight = bench.machine.target(), bench.flow.in_flight
    bench.lose(0.5)
    assert bench.is_in(State.DOWN)
    # half of the flight was lost: losses passed the threshold when 2 of 98 of what was not lost were on their way
    assert bench.machine.long.inflight == max(int(0.7 * target), int((flight - int(0.5 * flight)) / 0.98))
    assert bench.machine.cycle.was_too_high
    limit = bench.machine.long.inflight
    bench.lose(0.5)  # the answer to a look is given once
    assert bench.machine.long.inflight == limit


def test_handling_application_limited_sending_during_probe_refill() -> None:
    bench = Bench(buffer_bdp=5)
    bench.until(State.REFILL)
    bandwidth = bench.machine.model.max_bw
    bench.flow.supply = mbit(1)
    bench.until(State.UP)
    assert bench.machine.model.max_bw == bandwidth
    bench.run(0.5)
    assert bench.machine.model.max_bw == bandwidth
    bench.flow.supply = None
    bench.until(State.DOWN)
    assert bench.machine.model.max_bw == pytest.approx(bandwidth, rel=0.02)

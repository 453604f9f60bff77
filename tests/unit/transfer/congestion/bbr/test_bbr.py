"""BBR version 3: its constants, its parts, and what it does on whole paths."""

from __future__ import annotations

import random
from dataclasses import replace
from math import inf, log

import pytest

from tests.one_bottleneck import PACKET, Flow, Path, World, mbit
from transfer.congestion.bbr import Bbr, BbrConfig
from transfer.congestion.bbr.cycle import ProbeCycle
from transfer.congestion.bbr.full_pipe import FullPipe
from transfer.congestion.bbr.long_term import LongTerm
from transfer.congestion.bbr.min_rtt import MinRtt
from transfer.congestion.bbr.model import PathModel
from transfer.congestion.bbr.recovery import Recovery
from transfer.congestion.bbr.short_term import ShortTerm
from transfer.congestion.bbr.table import CONTROL, CYCLE, PROBING, TABLE, Event, State
from transfer.congestion.controller import Acknowledgement, Loss, RateSample

CONFIG = BbrConfig()


def a_flow(path: Path, *, seed: int = 1, world: World | None = None) -> tuple[World, Flow, Bbr]:
    world = world or World()
    controller = Bbr(packet_bytes=PACKET, rng=random.Random(seed))
    return world, Flow(world, path, controller), controller


def a_path(rate: float = 10.0, rtt_s: float = 0.04, *, buffer_bdp: float = 2.0, loss: float = 0.0) -> Path:
    path = Path(mbit(rate), rtt_s, loss=loss)
    path.buffer_bytes = buffer_bdp * path.rate * rtt_s
    return path


def a_sample(
    *, delivered: int = PACKET, interval_s: float = 0.1, prior: int = 0, total: int = PACKET, flight: int = 10 * PACKET
) -> RateSample:
    return RateSample(
        delivered_bytes=delivered,
        interval_s=interval_s,
        lost_bytes=0,
        sent_in_flight=flight,
        prior_delivered=prior,
        delivered_total=total,
        is_app_limited=False,
    )


class TestConstants:
    def test_those_of_the_draft(self) -> None:
        assert (CONFIG.loss_threshold, CONFIG.beta, CONFIG.headroom) == (0.02, 0.7, 0.15)
        assert (CONFIG.min_pipe_packets, CONFIG.max_bw_cycles, CONFIG.extra_acked_rounds) == (4, 2, 10)
        assert (CONFIG.min_rtt_filter_s, CONFIG.probe_rtt_interval_s, CONFIG.probe_rtt_duration_s) == (10.0, 5.0, 0.2)
        assert (CONFIG.startup_full_loss_ranges, CONFIG.reno_rounds, CONFIG.pacing_margin) == (6, 63, 0.01)

    def test_the_control_of_each_state(self) -> None:
        pacing = {state: control.pacing_gain for state, control in CONTROL.items()}
        assert pacing[State.STARTUP] == pytest.approx(4 * log(2), abs=0.01)
        assert [pacing[state] for state in (State.DRAIN, *CYCLE, State.PROBE_RTT)] == [0.5, 0.9, 1.0, 1.0, 1.25, 1.0]
        window = {state: control.cwnd_gain for state, control in CONTROL.items()}
        assert {state for state, gain in window.items() if gain == 2.0} == set(State) - {State.UP, State.PROBE_RTT}
        assert (window[State.UP], window[State.PROBE_RTT]) == (2.25, 0.5)

    def test_every_state_is_left_and_reached(self) -> None:
        assert set(TABLE) == set(CONTROL) == set(State)
        assert {to for row in TABLE.values() for to in row.values()} == set(State)
        assert {event for row in TABLE.values() for event in row} == set(Event)
        assert all(State.PROBE_RTT in row.values() for state, row in TABLE.items() if state is not State.PROBE_RTT)

    @pytest.mark.parametrize(
        "wrong",
        [
            {"min_pipe_packets": 0},
            {"headroom": 1.0},
            {"pacing_margin": -0.1},
            {"loss_threshold": 0.0},
            {"beta": 1.0},
            {"min_rtt_filter_s": 4.0},
            {"full_growth": 1.0},
            {"min_packets_per_s": 0.0},
        ],
    )
    def test_constants_that_cannot_work_are_refused(self, wrong: dict[str, float]) -> None:
        with pytest.raises(ValueError, match=r".+"):
            replace(CONFIG, **wrong)  # type: ignore[arg-type]

    def test_a_packet_has_a_size(self) -> None:
        with pytest.raises(ValueError, match="at least one byte"):
            Bbr(packet_bytes=0, rng=random.Random(1))


class TestModel:
    def test_bandwidth_is_the_largest_of_this_cycle_and_the_last(self) -> None:
        model = PathModel(CONFIG)
        for size in (30, 20, 10):
            model.update_bandwidth(a_sample(delivered=size * PACKET), is_app_limited=False)
            model.end_cycle()
        assert model.max_bw == pytest.approx(20 * PACKET / 0.1)

    def test_a_sample_that_says_too_little_counts_only_when_it_is_faster(self) -> None:
        model = PathModel(CONFIG)
        model.update_bandwidth(a_sample(delivered=20 * PACKET), is_app_limited=False)
        model.end_cycle()
        model.end_cycle()
        model.update_bandwidth(a_sample(delivered=10 * PACKET), is_app_limited=True)
        assert model.max_bw == pytest.approx(20 * PACKET / 0.1)
        model.update_bandwidth(a_sample(delivered=30 * PACKET), is_app_limited=True)
        assert model.max_bw == pytest.approx(30 * PACKET / 0.1)

    def test_aggregation_is_what_comes_beyond_the_bandwidth_within_ten_rounds(self) -> None:
        model = PathModel(CONFIG)
        model.bw = 10_000.0
        model.update_aggregation(1000, 10**6, rounds=1, is_full=True, now=1.0)
        model.update_aggregation(5000, 10**6, rounds=1, is_full=True, now=1.1)
        assert model.extra_acked == 5000  # 6000 came in 0.1 s, in which 1000 were expected
        model.update_aggregation(10, 10**6, rounds=5, is_full=True, now=9.0)
        assert model.extra_acked == 5000
        model.update_aggregation(10, 10**6, rounds=12, is_full=True, now=99.0)
        assert model.extra_acked == 10

    def test_aggregation_is_no_more_than_the_window(self) -> None:
        model = PathModel(CONFIG)
        model.update_aggregation(10**6, 4000, rounds=1, is_full=False, now=1.0)
        assert model.extra_acked == 4000


class TestMinRtt:
    def test_the_shortest_of_ten_seconds_is_looked_for_after_five(self) -> None:
        rtt = MinRtt(CONFIG)
        rtt.update(0.1, now=1.0)
        rtt.update(0.2, now=5.9)
        assert (rtt.value, rtt.is_due) == (0.1, False)
        rtt.update(0.2, now=6.1)
        assert (rtt.value, rtt.is_due) == (0.1, True)
        rtt.update(0.2, now=11.2)
        assert rtt.value == 0.2

    def test_what_is_as_short_again_is_not_shorter(self) -> None:
        rtt = MinRtt(CONFIG)
        for now in range(1, 8):
            rtt.update(0.1, now=float(now))
        assert rtt.is_due


class TestFullPipe:
    def test_growth_in_the_middle_of_a_round_is_growth(self) -> None:
        """Of a path whose acknowledgements come in bursts: those samples that end rounds are all alike."""
        pipe, best = FullPipe(CONFIG), 1000.0
        for _ in range(8):
            pipe.on_ack(500.0, is_round_start=True)
            pipe.on_ack(best, is_round_start=False)
            best *= 1.3
        assert not pipe.is_full
        for full in (False, False, True):
            pipe.on_ack(best, is_round_start=False)
            pipe.on_ack(500.0, is_round_start=True)
            assert pipe.is_full is full
        pipe.restart()
        assert not pipe.is_full
        assert pipe.was_full


class TestShortTerm:
    def lossy_round(self, short: ShortTerm, number: int, *, delivered: int, ce: int = 0) -> None:
        total = number * 10 * PACKET
        if not ce:
            short.note_loss(1)
        short.on_ack(a_sample(prior=total - 5 * PACKET, total=total, delivered=delivered), acked=10, marked=ce)
        short.on_ack(a_sample(prior=total, total=total + PACKET, delivered=delivered), acked=10, marked=ce)
        assert short.is_round_end
        short.adapt(max_bw=1e6, window=100 * PACKET, is_probing=False)
        short.end_ack(a_sample(prior=total, total=total + PACKET, delivered=delivered))

    def test_a_round_with_losses_cuts_to_what_was_delivered_or_by_three_tenths(self) -> None:
        short = ShortTerm(CONFIG)
        self.lossy_round(short, 1, delivered=90 * PACKET)
        assert short.bw == pytest.approx(90 * PACKET / 0.1)
        assert short.inflight == 90 * PACKET
        self.lossy_round(short, 2, delivered=10 * PACKET)
        assert short.inflight == 90 * PACKET  # the latest delivery is a maximum over the round that the loss was in
        self.lossy_round(short, 3, delivered=10 * PACKET)
        assert short.inflight == pytest.approx(63 * PACKET)
        short.forget_limits()
        assert short.bw == short.inflight == inf

    def test_marks_cut_by_a_third_at_first_and_by_less_when_they_are_few(self) -> None:
        short = ShortTerm(CONFIG)
        self.lossy_round(short, 1, delivered=PACKET, ce=10)
        assert short.inflight == pytest.approx(100 * PACKET * 2 / 3)
        assert short.bw == inf
        assert short.marked_rounds > 0
        few = ShortTerm(CONFIG)
        for number in range(1, 60):
            few.on_ack(a_sample(prior=number, total=number), acked=100, marked=0)
        self.lossy_round(few, 100, delivered=PACKET, ce=1)
        assert few.inflight > 95 * PACKET
        assert few.marked_rounds == 0

    def test_nothing_is_cut_while_probing(self) -> None:
        short = ShortTerm(CONFIG)
        short.note_loss(1)
        short.adapt(max_bw=1e6, window=100 * PACKET, is_probing=True)
        assert short.bw == short.inflight == inf
        assert State.STARTUP in PROBING


class TestLongTerm:
    def test_the_limit_rises_by_one_two_four_packets_a_round(self) -> None:
        long = LongTerm(CONFIG)
        long.inflight = window = 32 * PACKET
        long.steepen(window, PACKET)
        steps: list[float] = []
        for _ in range(4):
            before = long.inflight
            for number in range(32):
                long.raise_by(PACKET, window, is_round_start=number == 31, packet_bytes=PACKET)
            steps.append((long.inflight - before) / PACKET)
        assert steps == [1, 2, 4, 8]

    def test_headroom_is_a_part_but_a_packet_at_least_and_leaves_four(self) -> None:
        long = LongTerm(CONFIG)
        assert long.with_headroom(PACKET) == inf
        expected = {100: 85.0, 6: 5.0, 4: 4.0, 1: 4.0}
        for packets, left in expected.items():
            long.inflight = packets * PACKET
            assert long.with_headroom(PACKET) == left * PACKET

    def test_where_losses_passed_the_threshold(self) -> None:
        """3 of 100 packets are lost, the last two of them now: 2 % were passed between them."""
        long = LongTerm(CONFIG)
        loss = Loss(lost_bytes=2000, in_flight=97_000, sent_at=0.0, sent_in_flight=100_000, lost_since_sent=3000)
        at = long.in_flight_at(loss)
        assert at == int(98_000 + 960 / 0.98)
        lost = 1000 + (at - 98_000)
        assert lost / at == pytest.approx(0.02, abs=1e-4)


class TestCycle:
    def test_the_wait_is_two_to_three_seconds_or_the_rounds_of_reno(self) -> None:
        cycle = ProbeCycle(CONFIG, random.Random(1))
        waits: set[float] = set()
        for _ in range(50):
            cycle.restart(now=10.0)
            waits.add(cycle.wait_s)
            assert cycle.rounds in (0, 1)
            assert not cycle.is_due(30.0, now=11.9)
            assert cycle.is_due(30.0, now=13.1)
        assert 2.0 <= min(waits) < 2.2 < 2.8 < max(waits) < 3.0
        cycle.rounds = 30
        assert cycle.is_due(30.0, now=10.0)
        assert not cycle.is_due(200.0, now=10.0)
        cycle.rounds = 63
        assert cycle.is_due(200.0, now=10.0)
        cycle.rounds = 3
        assert not cycle.is_due(0.1, now=10.0)


class TestRecovery:
    def test_it_lasts_until_a_round_without_losses(self) -> None:
        recovery = Recovery()
        recovery.save(100)
        recovery.on_loss(now=1.0)
        assert not recovery.on_ack(0.9, delivered=0)
        recovery.on_loss(now=1.5)
        assert not recovery.on_ack(1.2, delivered=0)
        recovery.save(50)  # of a window that is cut
        assert recovery.on_ack(1.6, delivered=0)
        assert (recovery.saved, recovery.is_active) == (100, False)
        recovery.save(50)
        assert recovery.saved == 50

    def test_after_a_timeout_all_that_was_on_its_way_must_arrive(self) -> None:
        recovery = Recovery()
        recovery.on_timeout(delivered=1000, in_flight=300, now=1.0)
        recovery.on_timeout(delivered=1000, in_flight=0, now=2.0)
        assert not recovery.on_ack(2.5, delivered=1299)
        assert recovery.on_ack(2.5, delivered=1300)


class TestOnPaths:
    def test_before_anything_is_known_the_first_window_leaves_in_a_millisecond(self) -> None:
        bbr = Bbr(packet_bytes=PACKET, rng=random.Random(1))
        assert (bbr.window, bbr.state) == (10 * PACKET, "startup")
        assert bbr.pacing_rate == pytest.approx(2.77 * 10 * PACKET / 0.001)

    def test_the_queue_of_the_start_is_drained_and_none_is_built(self) -> None:
        path = a_path(buffer_bdp=8)
        world, flow, bbr = a_flow(path)
        flow.start()
        world.run(1.0)
        flow.rtts.clear()
        world.run(7.0)
        rtts = sorted(rtt for _, rtt in flow.rtts)
        assert rtts[len(rtts) // 2] < 1.1 * path.rtt_s
        assert rtts[-1] < 2.3 * path.rtt_s
        assert flow.lost == 0
        assert bbr.machine.min_rtt.value == pytest.approx(path.rtt_s + PACKET / path.rate)

    def test_figure_3_bandwidth_doubles_and_halves(self) -> None:
        """As version 1 in the paper, in its own time: up with the next look, down after two of them."""
        path = a_path(buffer_bdp=8)
        world, flow, bbr = a_flow(path)
        flow.start()
        world.run(3.0)
        path.rate = mbit(20)
        assert world.run(7.0, lambda: bbr.machine.model.max_bw > 0.98 * path.rate)
        path.rate = mbit(10)
        assert world.run(world.now + 8.0, lambda: bbr.machine.model.max_bw < 1.02 * path.rate)
        world.run(world.now + 1.0)
        assert path.queue_s(world.now) < 0.5 * path.rtt_s

    @pytest.mark.parametrize(("loss", "least", "most"), [(0.001, 0.9, 1.0), (0.01, 0.8, 1.0), (0.05, 0.0, 0.7)])
    def test_figure_8_random_loss_above_the_threshold_is_congestion(
        self, loss: float, least: float, most: float
    ) -> None:
        path = a_path(loss=loss, buffer_bdp=4)
        world, flow, _ = a_flow(path)
        flow.start()
        world.run(6.0)
        assert least <= flow.delivered / ((1 - loss) * path.rate * 6.0) <= most

    def test_a_shallow_buffer_is_not_kept_full(self) -> None:
        path = a_path(buffer_bdp=0.1)
        world, flow, _ = a_flow(path)
        flow.start()
        world.run(2.0)
        had, lost = flow.delivered, flow.lost
        world.run(8.0)
        assert flow.delivered - had > 0.85 * path.rate * 6.0
        assert flow.lost - lost < 0.01 * (flow.delivered - had)

    def test_marks_keep_the_queue_low(self) -> None:
        path = a_path(buffer_bdp=8)
        path.mark_above_s = 0.005
        world, flow, bbr = a_flow(path)
        flow.start()
        world.run(10.0)
        assert flow.lost == 0
        assert bbr.machine.long.inflight < inf
        assert flow.delivered > 0.85 * path.rate * 10.0
        late = sorted(rtt for at, rtt in flow.rtts if at > 2.0)
        assert late[int(0.99 * len(late))] < path.rtt_s + 0.025

    def test_half_of_two_rounds_marked_ends_startup(self) -> None:
        path = a_path(buffer_bdp=8)
        path.mark_above_s = 0.0005
        world, flow, bbr = a_flow(path)
        flow.start()
        assert world.run(3.0, lambda: bbr.machine.state is not State.STARTUP)
        assert bbr.machine.long.inflight < inf
        assert not bbr.machine.pipe._rounds

    def test_flows_share(self) -> None:
        count, path, world = 3, a_path(5.0, buffer_bdp=2), World()
        flows = [a_flow(path, seed=seed, world=world)[1] for seed in range(count)]
        for number, flow in enumerate(flows):
            flow.start(at=0.5 * number)
        world.run(12.0)
        before = [flow.delivered for flow in flows]
        world.run(24.0)
        shares = [(flow.delivered - had) / (path.rate * 12.0) for flow, had in zip(flows, before, strict=True)]
        assert sum(shares) > 0.9
        assert sum(shares) ** 2 / (count * sum(share**2 for share in shares)) > 0.85  # Jain's index

    def test_a_blackout_ends(self) -> None:
        """Nothing arrives for three seconds; after that the window and the rate come back within a few."""
        path = a_path()
        world, flow, bbr = a_flow(path)
        flow.start()
        world.run(3.0)
        path.loss = 1.0
        world.run(6.0)
        assert bbr.window == PACKET
        assert flow.timeouts >= 2
        path.loss = 0.0
        world.run(9.0)
        had = flow.delivered
        world.run(12.0)
        assert flow.delivered - had > 0.85 * path.rate * 3.0

    def test_an_acknowledgement_without_a_sample_changes_no_estimate(self) -> None:
        path = a_path()
        world, flow, bbr = a_flow(path)
        flow.start()
        world.run(1.0)
        machine = bbr.machine
        machine.long.inflight = 30 * PACKET
        before = (machine.model.max_bw, machine.rounds.count, machine.state)
        ack = Acknowledgement(
            acked_bytes=PACKET, in_flight=40 * PACKET, prior_in_flight=41 * PACKET, sent_at=world.now - 0.05
        )
        bbr.on_ack(ack, now=world.now)
        assert (machine.model.max_bw, machine.rounds.count, machine.state) == before
        assert machine.long.inflight == 30 * PACKET

    def test_packets_may_change_their_size(self) -> None:
        path = a_path()
        world, flow, bbr = a_flow(path)
        flow.start()
        world.run(1.0)
        bbr.on_packet_size(9000, now=world.now)
        world.run(1.5)
        assert bbr.window >= 4 * 9000
        assert bbr.machine.sending.quantum >= 2 * 9000

"""Bulk flows over a path whose faults are listed: what is repaired, how, and what the controller is told."""

from __future__ import annotations

from typing import ClassVar

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.unit.transfer.congestion.dumbbell import Dumbbell, Flow, Path
from transfer.congestion.bulk.packets import BulkAck, BulkConfig, BulkPacket
from transfer.congestion.bulk.receiver import BulkReceiver
from transfer.congestion.bulk.sender import BulkSender
from transfer.congestion.controller import Acknowledgement, Loss
from transfer.congestion.reno import Reno

PAYLOAD = BulkConfig().payload_bytes
PACED = BulkConfig(window_pacing_gain=1.25)


class Told:
    """A controller with a fixed window that writes down what it is told."""

    name: ClassVar[str] = "told"
    needs_rate: ClassVar[bool] = True
    state = "fixed"

    def __init__(self, packets: int = 20, pacing_rate: float | None = None) -> None:
        self.window = packets * PAYLOAD
        self.pacing_rate = pacing_rate
        self.events: list[str] = []
        self.losses: list[Loss] = []
        self.rates: list[tuple[float, bool]] = []
        self.limits: list[bool] = []
        self.sent = self.acked = self.marked = 0

    def on_sent(self, size: int, *, in_flight: int, now: float) -> None:
        assert in_flight >= size > 0
        self.sent += size

    def on_ack(self, ack: Acknowledgement, *, now: float) -> None:
        assert ack.rate is not None
        # what was counted lost, by a loss or by a time-out, is no longer in flight when it arrives after all
        assert ack.acked_bytes <= ack.prior_in_flight or self.events
        self.acked += ack.acked_bytes
        self.marked += ack.ce_bytes
        self.rates.append((ack.rate.rate, ack.rate.is_app_limited))
        self.limits.append(ack.is_window_limited)

    def on_loss(self, loss: Loss, *, now: float) -> None:
        self.events.append("loss")
        self.losses.append(loss)

    def on_timeout(self, *, now: float) -> None:
        self.events.append("timeout")

    def on_spurious_loss(self, *, now: float) -> None:
        self.events.append("spurious")

    def on_app_limited(self, *, in_flight: int, now: float) -> None: ...

    def on_packet_size(self, packet_bytes: int, *, now: float) -> None: ...


def transfer(
    path: Path, *, packets: int = 100, told: Told | None = None, config: BulkConfig | None = None
) -> tuple[Flow, Told]:
    told = told or Told()
    net = Dumbbell(path, check=True)
    flow = net.add(told, packets=packets, config=config)
    net.run(600.0)
    assert flow.done_at is not None
    assert flow.receiver.next_number == flow.receiver.received == flow.sender.stats.delivered == packets
    assert told.acked == packets * PAYLOAD
    assert told.sent == flow.sender.stats.sent * PAYLOAD
    assert flow.sender.in_flight == 0
    assert flow.sender.next_timer() is None
    return flow, told


def test_a_flow_takes_as_many_round_trips_as_its_windows() -> None:
    flow, told = transfer(Path(rate=1e9), packets=100)
    assert flow.done_at == pytest.approx(5 * 0.1, rel=0.01)
    assert told.events == []
    assert (flow.sender.stats.sent, flow.sender.stats.probes) == (100, 0)


def test_one_lost_packet_is_sent_once_more_and_told_once() -> None:
    flow, told = transfer(Path(faults={30: None}))
    assert told.events == ["loss"]
    loss = told.losses[0]
    assert (loss.lost_bytes, loss.ranges, loss.lost_since_sent) == (PAYLOAD, 1, PAYLOAD)
    assert loss.sent_in_flight <= 20 * PAYLOAD
    assert (flow.sender.stats.sent, flow.sender.stats.lost, flow.sender.stats.timeouts) == (101, 1, 0)


def test_losses_beside_each_other_are_one_run() -> None:
    _, told = transfer(Path(faults={30: None, 31: None, 32: None, 35: None}))
    assert sum(loss.lost_bytes for loss in told.losses) == 4 * PAYLOAD
    assert sum(loss.ranges for loss in told.losses) == 2


def test_a_retransmission_that_is_lost_too_needs_no_time_out() -> None:
    flow, told = transfer(Path(faults={30: None, **dict.fromkeys(range(48, 52))}), packets=200)
    assert flow.sender.stats.timeouts == 0
    assert "timeout" not in told.events


def test_the_loss_of_a_tail_is_found_by_a_probe() -> None:
    flow, told = transfer(Path(faults={98: None, 99: None}))
    assert (flow.sender.stats.probes, flow.sender.stats.timeouts) == (1, 0)
    assert told.events == ["loss"]
    assert flow.sender.stats.sent == 102


def test_a_probe_that_repairs_a_loss_itself_is_told_as_one() -> None:
    flow, told = transfer(Path(faults={99: None}))
    assert flow.sender.stats.probes == 1
    assert [loss.lost_bytes for loss in told.losses] == [PAYLOAD]


def test_a_probe_for_what_was_only_late_is_no_loss() -> None:
    flow, told = transfer(Path(faults={99: 0.3}))
    assert flow.sender.stats.probes == 1
    assert told.events == []


def test_silence_ends_in_a_time_out_and_time_outs_double() -> None:
    flow, told = transfer(Path(faults=dict.fromkeys(range(5, 10))), packets=10, told=Told(1))
    assert told.events == ["timeout"] * 4  # a probe was lost before
    assert (flow.sender.stats.probes, flow.sender.stats.timeouts) == (1, 4)
    assert flow.done_at is not None
    assert flow.done_at > 0.3 * (1 + 2 + 4 + 8)


def test_a_packet_that_is_overtaken_by_little_is_not_lost() -> None:
    flow, told = transfer(Path(rate=1e7, faults={30: 0.004, 50: 0.004, 70: 0.004}), packets=200)
    assert told.events in ([], ["loss", "spurious"])  # the first one looks like a loss
    assert flow.sender.stats.needless <= 1


def test_a_loss_that_was_none_is_taken_back() -> None:
    flow, told = transfer(Path(rate=1e6, faults={30: 0.03}), packets=200)
    assert told.events == ["loss", "spurious"]
    assert flow.sender.stats.needless == 1


def test_a_path_that_stands_still_for_a_second_is_no_loss_either() -> None:
    flow, told = transfer(Path(stands_still=(0.3, 1.3)), packets=200)
    assert told.events == ["timeout", "spurious"]
    assert flow.sender.stats.needless == flow.sender.stats.sent_again == 21  # twenty and a probe


def test_the_delivery_rate_is_that_of_the_path() -> None:
    _, told = transfer(Path(rate=1.5e6, delay_s=0.02), packets=3000, told=Told(100))
    rates = [rate for rate, _ in told.rates[len(told.rates) // 2 : -80]]
    assert max(rates) == pytest.approx(1.5e6 * 1448 / 1500, rel=0.01)
    assert min(rates) == pytest.approx(1.5e6 * 1448 / 1500, rel=0.05)


def test_a_sender_with_too_little_to_send_says_so() -> None:
    told = Told(50)
    net = Dumbbell(Path(), check=True)
    flow = net.add(told, packets=5)

    def offer() -> None:
        flow.sender.offer(5)
        net.serve(flow)

    for i in range(1, 10):
        net.at(i * 1.0, offer)
    net.run(20.0)
    assert flow.receiver.received == 50
    assert [limited for _, limited in told.rates] == [False] * 3 + [True] * 27
    assert not any(told.limits)


def test_a_pacing_rate_is_kept_and_its_timers_are_told() -> None:
    flow, _ = transfer(Path(rate=1e9, delay_s=0.01), packets=1000, told=Told(1000, pacing_rate=1448 * 500.0))
    assert flow.done_at == pytest.approx(2.0, rel=0.03)


def test_a_window_that_has_no_rate_is_spread_over_a_round_trip_if_asked() -> None:
    """The path holds 100 packets; a stand-still hands over the acknowledgements of all of them at once."""
    dropped = {}
    for gain in (None, 1.25):
        net = Dumbbell(Path(rate=1.5e6, delay_s=0.05, queue_bytes=30_000, stands_still=(0.5, 0.7)))
        told = Told(100)
        flow = net.add(told, packets=2000, config=BulkConfig(window_pacing_gain=gain))
        net.run(10.0)
        assert flow.done_at is not None
        dropped[gain] = net.dropped
    assert dropped[None] > 30
    assert dropped[1.25] < dropped[None] / 2


def test_a_window_that_only_the_pacer_holds_back_is_in_use() -> None:
    net = Dumbbell(Path(rate=1e9, delay_s=0.05))
    told = Told(50)
    net.add(told, config=PACED)
    net.run(1.0)
    assert all(told.limits)


def test_as_much_as_an_initial_window_leaves_at_once() -> None:
    flow, _ = transfer(Path(rate=1e9, delay_s=0.05), packets=100, told=Told(10), config=PACED)
    assert flow.done_at == pytest.approx(1.0, rel=0.01)


def test_a_gain_that_would_stop_the_flow_is_refused() -> None:
    with pytest.raises(ValueError, match="window_pacing_gain"):
        BulkConfig(window_pacing_gain=0.0)


def test_marks_reach_the_controller() -> None:
    flow, told = transfer(Path(rate=1e6, delay_s=0.001, mark_above_s=0.01), packets=500)
    assert told.marked > 0
    assert told.marked == flow.receiver.marked * PAYLOAD


def test_what_was_never_sent_cannot_be_acknowledged() -> None:
    sender = BulkSender(Told(), packets=10)
    (first, *_) = sender.packets_to_send(now=0.0)
    with pytest.raises(ValueError, match="never sent"):
        sender.receive_acknowledgement(BulkAck(11, (), first, 0.1, 0, 0), now=0.1)


def test_the_receive_window_holds() -> None:
    sender = BulkSender(Told(100), packets=500, config=BulkConfig(max_ahead_packets=30))
    sent: list[BulkPacket] = sender.packets_to_send(now=0.0)
    assert [packet.number for packet in sent] == list(range(30))
    sender.receive_acknowledgement(BulkAck(0, ((5, 30),), sent[-1], 0.1, 0, 0), now=0.1)
    more = sender.packets_to_send(now=0.1)
    assert {packet.number for packet in more} == {0, 1, 2, 3, 4}
    assert all(packet.is_again for packet in more)


def test_equal_seeds_give_equal_flows() -> None:
    runs = []
    for _ in range(2):
        net = Dumbbell(Path(loss=0.03, jitter_s=0.004, ack_loss=0.05), seed=7)
        flow = net.add(Told(30), packets=400)
        net.run(600.0)
        runs.append((flow.done_at, flow.sender.stats))
    assert runs[0] == runs[1]


@settings(max_examples=60)
@given(
    faults=st.dictionaries(st.integers(0, 120), st.one_of(st.none(), st.floats(0.0, 0.5)), max_size=60),
    ack_loss=st.sampled_from([0.0, 0.1, 0.5]),
    loss=st.sampled_from([0.0, 0.05, 0.3]),
    jitter_s=st.sampled_from([0.0, 0.01, 0.2]),
    window=st.integers(1, 40),
    rate=st.sampled_from([None, 20_000.0, 5e6]),
    seed=st.integers(0, 1000),
)
@example(
    faults={}, ack_loss=0.5, loss=0.3, jitter_s=0.0, window=7, rate=20_000.0, seed=124
)  # a time-out, then its acks
def test_whatever_is_lost_late_or_overtaken_everything_arrives(
    faults: dict[int, float | None],
    ack_loss: float,
    loss: float,
    jitter_s: float,
    window: int,
    rate: float | None,
    seed: int,
) -> None:
    told = Told(window, pacing_rate=rate)
    net = Dumbbell(Path(faults=faults, ack_loss=ack_loss, loss=loss, jitter_s=jitter_s), seed=seed, check=True)
    flow = net.add(told, packets=60)
    net.run(3600.0)
    assert flow.done_at is not None
    assert flow.receiver.received == flow.sender.stats.delivered == 60
    assert told.acked == 60 * PAYLOAD


def test_half_of_the_flight_counts_what_was_delivered_beyond_the_hole() -> None:
    """RFC 5681: the flight is what has not been acknowledged in sequence; each SACK lets one more packet leave."""
    sender, receiver = BulkSender(Reno(packet_bytes=1448)), BulkReceiver()
    _, *others = sender.packets_to_send(now=0.0)
    assert len(others) == 9
    for place, packet in enumerate(others[:3]):
        ack = receiver.receive_packet(packet, now=0.1 + place / 1000)
        assert ack is not None
        sender.receive_acknowledgement(ack, now=0.2 + place / 1000)
        sender.packets_to_send(now=0.2 + place / 1000)
    assert sender.stats.lost == 1
    assert sender.controller.window == 12 * 1448 // 2  # ten packets, and two more for those beyond the hole


def test_losses_that_time_gives_away_are_part_of_the_flight_as_well() -> None:
    sender, receiver = BulkSender(Reno(packet_bytes=1448), packets=10), BulkReceiver()
    _, second, *_ = sender.packets_to_send(now=0.0)
    ack = receiver.receive_packet(second, now=0.1)
    assert ack is not None
    sender.receive_acknowledgement(ack, now=0.2)
    due = sender.next_timer()
    assert due is not None
    sender.handle_timer(now=due)
    assert sender.stats.lost == 1
    assert sender.controller.window == 9 * 1448 // 2


def test_a_loss_at_the_end_is_measured_by_what_was_on_its_way_with_it() -> None:
    """What is left to be acknowledged when it is found says little of what was too much (RFC 9438, section 4.6)."""
    sender, receiver = BulkSender(Reno(packet_bytes=1448), packets=10), BulkReceiver()
    sent = sender.packets_to_send(now=0.0)
    for place, packet in enumerate(sent):
        if place != 7:
            ack = receiver.receive_packet(packet, now=0.1 + place / 1000)
            if ack is not None:
                sender.receive_acknowledgement(ack, now=0.2 + place / 1000)
    due = sender.next_timer()
    assert due is not None
    assert sender.in_flight == 1448
    sender.handle_timer(now=due)
    assert sender.stats.lost == 1
    assert sender.controller.window == 10 * 1448 // 2, "not half of the one that was left"

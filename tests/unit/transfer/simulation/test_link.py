"""Links and pipes, without a loop."""

from __future__ import annotations

import random
from typing import Any

import pytest

from transfer.simulation.link import DROPPED, LOST, Link, LinkModel, Pipe


def model(**options: Any) -> LinkModel:
    return LinkModel(Link(**options), random.Random(1))


def test_a_pipe_sends_at_its_rate_and_drops_what_does_not_fit() -> None:
    pipe = Pipe(1000, 3000)
    assert pipe.send(1000, 0) == 1_000_000
    assert pipe.send(2000, 0) == 3_000_000
    assert pipe.send(1, 0) == DROPPED
    assert pipe.send(1000, 1_000_000) == 4_000_000
    assert pipe.send(1000, 60_000_000) == 61_000_000


def test_a_packet_larger_than_the_queue_passes_an_idle_pipe() -> None:
    pipe = Pipe(1000, 500)
    assert pipe.send(1000, 0) == 1_000_000
    assert pipe.send(1000, 0) == DROPPED
    assert pipe.room_at_us(1000, 0) == 1_000_000
    assert pipe.send(1000, 1_000_000) == 2_000_000


def test_room_is_where_a_packet_fits() -> None:
    pipe = Pipe(1000, 3000)
    pipe.send(3000, 0)
    at_us = pipe.room_at_us(1000, 0)
    assert pipe.send(1000, at_us - 2) == DROPPED
    assert pipe.send(1000, at_us) == 4_000_000


def test_a_pipe_is_exact_where_packets_take_fractions_of_a_microsecond() -> None:
    pipe = Pipe(12_500_000, 10**9)  # 1,528 bytes take 122.24 us
    leaves_us = [pipe.send(1528, 0) for _ in range(10_000)][-1]
    assert leaves_us == 1_222_400
    for _ in range(10_000):  # and where each comes when the one before has just left
        leaves_us = pipe.send(1528, leaves_us)
    assert leaves_us == 2_444_800


def test_another_rate_holds_for_what_waits() -> None:
    pipe = Pipe(1000, 3000)
    leave_us = [pipe.send(1000, 0) for _ in range(3)]
    assert pipe.backlog_bytes(500_000) == 2500
    moved = pipe.change(2000, 3000, 500_000)
    assert pipe.backlog_bytes(500_000) == 2500
    assert [moved(time_us) for time_us in leave_us] == [750_000, 1_250_000, 1_750_000]
    assert moved(400_000) == 400_000
    assert pipe.send(1000, 500_000) == DROPPED
    assert pipe.send(500, 500_000) == 2_000_000


def test_a_pipe_that_is_held_sends_nothing_until_then() -> None:
    pipe = Pipe(1000, 3000)
    leave_us = [pipe.send(1000, 0), pipe.send(500, 0)]
    moved = pipe.hold(3_000_000, 500_000)
    assert [moved(time_us) for time_us in leave_us] == [3_500_000, 4_000_000]
    assert pipe.backlog_bytes(2_000_000) == 1000
    assert pipe.send(2500, 2_000_000) == DROPPED
    assert pipe.send(2000, 2_000_000) == 6_000_000
    idle = Pipe(1000, 3000)
    idle.hold(2_000_000, 0)
    assert idle.send(1000, 0) == 3_000_000


def test_delay_and_jitter() -> None:
    exact = model(delay_s=0.05)
    assert {exact.datagram_us(0, 1, 100, 7) for _ in range(10)} == {50_007}
    shaky = model(delay_s=0.05, jitter_s=0.02)
    delays = [shaky.datagram_us(0, 1, 100, 0) for _ in range(1000)]
    assert min(delays) >= 50_000
    assert max(delays) < 70_000
    assert 59_000 < sum(delays) / 1000 < 61_000


def test_jitter_that_keeps_order() -> None:
    wireless = model(delay_s=0.05, jitter_s=0.02, keeps_order=True)
    arrive_us = [wireless.datagram_us(0, 1, 100, now_us) for now_us in range(0, 1_000_000, 100)]
    assert arrive_us == sorted(arrive_us)
    assert all(50_000 <= arrives_us - 100 * index < 70_000 for index, arrives_us in enumerate(arrive_us))


def test_every_so_many_th_packet_of_a_pair_is_lost() -> None:
    regular = model(loss_every=4)
    assert [regular.datagram_us(0, 1, 100, 0) == LOST for _ in range(8)] == [False, False, False, True] * 2
    assert [regular.datagram_us(0, 2, 100, 0) == LOST for _ in range(4)] == [False, False, False, True]


def test_what_is_lost_has_used_the_line() -> None:
    slow = model(delay_s=0.0, rate_bytes_per_s=1028, queue_bytes=3000, loss_every=2)
    assert [slow.datagram_us(0, 1, 1000, 0) for _ in range(3)] == [1_000_000, LOST, DROPPED]
    assert slow.datagram_us(0, 1, 1000, 1_000_000) == LOST
    assert slow.datagram_us(0, 1, 1000, 1_500_000) == 4_000_000


def test_a_link_changes_and_its_pipes_stay() -> None:
    slow = model(delay_s=0.0, rate_bytes_per_s=1028, queue_bytes=3000)
    assert slow.datagram_us(0, 1, 1000, 0) == 1_000_000
    slow.change(Link(delay_s=1.0, rate_bytes_per_s=1028, queue_bytes=3000))
    assert slow.datagram_us(0, 1, 1000, 0) == 3_000_000


def test_loss_grows_with_the_number_of_fragments() -> None:
    lossy = model(loss=0.1)
    small = sum(lossy.datagram_us(0, 1, 1000, 0) == LOST for _ in range(5000)) / 5000
    large = sum(lossy.datagram_us(0, 1, 4000, 0) == LOST for _ in range(5000)) / 5000
    assert abs(small - 0.1) < 0.02
    assert abs(large - (1 - 0.9**3)) < 0.03


def test_every_pair_has_a_pipe_of_its_own() -> None:
    slow = model(delay_s=0.0, rate_bytes_per_s=1028, queue_bytes=1500)
    assert slow.datagram_us(0, 1, 1000, 0) == 1_000_000
    assert slow.datagram_us(0, 1, 1000, 0) == DROPPED
    assert slow.datagram_us(1, 0, 1000, 0) == 1_000_000
    assert slow.datagram_us(0, 2, 1000, 0) == 1_000_000


def test_oddities() -> None:
    odd = model(duplicate=0.5, reorder=0.5, reorder_delay_s=1.0)
    outcomes = [odd.second_copy_us(100) for _ in range(1000)]
    assert {arrival for arrival, _ in outcomes} == {100, 1_000_100}
    assert {again for _, again in outcomes} == {0, 101}
    assert 400 < sum(again > 0 for _, again in outcomes) < 600
    assert not model().oddities


def test_stream_losses_follow_the_number_of_packets() -> None:
    lossy = model(loss=0.02)
    counts = [lossy.losses(15_000) for _ in range(2000)]
    assert abs(sum(count > 0 for count in counts) / 2000 - (1 - 0.98**10)) < 0.03
    assert max(counts) <= 15
    assert model().losses(10**6) == 0


@pytest.mark.parametrize(
    "options",
    [
        {"delay_s": -1},
        {"delay_s": 4000},
        {"jitter_s": -0.1},
        {"rate_bytes_per_s": 0},
        {"queue_bytes": 10},
        {"loss": 1.0},
        {"loss_every": 1},
        {"loss_every": -2},
        {"duplicate": -0.1},
        {"reorder": 2},
        {"mtu_bytes": 10},
        {"reorder_delay_s": -1},
    ],
)
def test_impossible_links_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="must"):
        Link(**options)

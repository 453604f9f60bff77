"""The parts of a connection by themselves: what is cut, sent, acknowledged, lost, put in order, and measured."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transfer.datagrams.runs import Buffer
from transfer.utp.config import UtpConfig
from transfer.utp.delay import OneWayDelay, difference_us, timestamp_us
from transfer.utp.outgoing import Outgoing
from transfer.utp.path_mtu import PathMtu
from transfer.utp.receiving import ReceivingHalf
from transfer.utp.sending import SendingHalf


def payloads_of(outgoing: Outgoing, size: int, most: int) -> list[bytes]:
    return [bytes(payload) for payload in outgoing.take(size, most)]


@given(
    pieces=st.lists(st.binary(min_size=1, max_size=50), max_size=10),
    size=st.integers(1, 30),
    mosts=st.lists(st.integers(1, 9), min_size=1, max_size=9),
)
def test_what_is_written_leaves_in_order_in_payloads_of_one_size(
    pieces: list[bytes], size: int, mosts: list[int]
) -> None:
    outgoing = Outgoing()
    for piece in pieces:
        outgoing.put(piece)
    whole = b"".join(pieces)
    taken: list[bytes] = []
    for most in mosts:
        payloads = payloads_of(outgoing, size, most)
        assert len(payloads) <= most
        taken += payloads
        assert outgoing.size == len(whole) - sum(map(len, taken))
    assert whole.startswith(b"".join(taken))
    assert all(len(payload) == size for payload in taken[:-1])
    if outgoing.size:
        assert len(taken) == sum(mosts)


def test_payloads_within_one_piece_are_not_copied() -> None:
    outgoing = Outgoing()
    piece = bytes(range(100))
    outgoing.put(piece)
    payloads = outgoing.take(30, 2)
    assert all(isinstance(payload, memoryview) and payload.obj is piece for payload in payloads)


class Sent:
    """A sending half with packets of 100 bytes on their way, from number 10 on."""

    def __init__(self, *flights: int) -> None:
        self.half = SendingHalf(10)
        self.now = 0.0
        for count in flights:
            self.now += 1
            self.half.on_sent([bytes(100)] * count, 100 * count, now=self.now)

    def ack(self, acked: int, sack: int = 0, *, now: float = 20.0, late_s: float = 100.0, least_rtt_s: float = 0.0):  # type: ignore[no-untyped-def]
        told = self.half.on_ack(acked, sack, now=now, late_s=late_s, least_rtt_s=least_rtt_s)
        self.half.check_invariants()
        return told


def test_an_acknowledgement_covers_parts_of_flights_and_measures_the_newest() -> None:
    sent = Sent(3, 3, 3)
    told = sent.ack(14)
    assert (told.acked_bytes, told.rtt_s, told.prior_in_flight) == (500, 18.0, 900)
    assert (sent.half.base, sent.half.in_flight) == (15, 400)
    assert sent.ack(14) is None


def test_three_packets_behind_a_hole_make_it_lost_once() -> None:
    sent = Sent(6)
    assert sent.ack(10, 0b011).lost_packets == 0  # 12 and 13 of 11 to 15
    told = sent.ack(10, 0b111)
    assert (told.lost_packets, told.lost_bytes, told.acked_bytes) == (1, 100, 100)
    assert sent.half.lost_sequences(9) == [11]
    sent.half.on_resent([11], now=21.0)
    assert sent.ack(10, 0b1111).lost_packets == 0, "it is on its way again"


def test_what_was_sent_again_is_lost_again_when_something_later_arrives() -> None:
    sent = Sent(6)
    sent.ack(10, 0b111)
    sent.half.on_resent([11], now=21.0)
    sent.half.on_sent([bytes(100)] * 3, 300, now=25.0)
    told = sent.ack(10, 0b111111, now=27.0, late_s=1.0)
    assert told.lost_packets == 1
    assert sent.half.lost_sequences(9) == [11]


def test_what_was_taken_for_lost_and_arrives_was_late() -> None:
    sent = Sent(6)
    sent.ack(10, 0b111)
    told = sent.ack(14)
    assert told.late_packets == 1
    assert sent.half.in_flight == 100


def test_a_repair_that_is_acknowledged_too_soon_was_needless() -> None:
    sent = Sent(6)
    sent.ack(10, 0b111)
    sent.half.on_resent([11], now=21.0)
    assert sent.ack(14, now=21.1, least_rtt_s=1.0).late_packets == 1


def test_what_arrived_behind_what_is_described_shows_the_hole_before_it() -> None:
    sent = Sent(20)
    told = sent.half.lose_passed(10 + 9, sent_until=0.5)  # 19 has arrived, or one behind it
    assert told is not None
    assert (told.lost_packets, told.lost_bytes, told.prior_in_flight) == (7, 700, 2000)
    assert sent.half.lost_sequences(99) == list(range(10, 17)), "17 and 18 are passed by too little"
    assert sent.half.lose_passed(19, sent_until=0.5) is None, "that is known"
    sent.half.check_invariants()


def test_what_is_older_than_whatever_can_have_arrived_is_lost() -> None:
    sent = Sent(5, 5, 5)  # at 1, 2 and 3
    sent.ack(9, 0b111)  # 11 to 13 of 10 to 14: 10 is lost
    sent.half.on_resent([10], now=4.0)
    told = sent.half.lose_passed(11, sent_until=2.5)
    assert told is not None
    assert sent.half.lost_sequences(99) == [14, 15, 16, 17, 18, 19], "10 was sent again more lately"
    assert sent.half.lose_passed(11, sent_until=4.0) is not None
    assert sent.half.lost_sequences(99) == [10, *range(14, 25)]
    sent.half.check_invariants()


def test_nothing_beyond_what_was_sent_can_have_arrived() -> None:
    sent = Sent(4)
    told = sent.half.lose_passed(5000, sent_until=0.0)
    assert told is not None
    assert told.lost_packets == 1, "13 is the last one, and three behind 10"
    sent.half.check_invariants()


def test_an_acknowledgement_that_forgets_what_it_said_before_does_no_harm() -> None:
    sent = Sent(8)
    sent.ack(10, 0b111)
    sent.ack(11)
    assert sent.half.base == 15, "12 to 14 were acknowledged before"


@given(st.data())
def test_any_acknowledgements_keep_the_books_right(data: st.DataObject) -> None:
    half = SendingHalf(65_530)
    now = 0.0
    for _ in range(data.draw(st.integers(1, 25))):
        now += data.draw(st.sampled_from([0.0, 0.001, 1.0]))
        match data.draw(st.integers(0, 4)):
            case 0:
                count, last = data.draw(st.integers(1, 20)), data.draw(st.integers(1, 50))
                payloads: list[Buffer] = [*[bytes(50)] * (count - 1), bytes(last)]
                half.on_sent(payloads, 50 * (count - 1) + last, now=now)
            case 1 if half.lost:
                half.on_resent(half.lost_sequences(data.draw(st.integers(1, 9))), now=now)
            case 2:
                half.on_timeout()
            case 3:
                half.lose_passed(data.draw(st.integers(half.base, half.base + 99)), sent_until=now - 0.5)
            case _:
                acked = data.draw(st.integers(half.base - 1, half.next - 1))
                before = half.delivered_bytes
                told = half.on_ack(acked, data.draw(st.integers(0, 1 << 30)), now=now, late_s=0.5, least_rtt_s=0.1)
                assert half.delivered_bytes - before == (told.acked_bytes if told else 0)
        half.check_invariants()


@given(order=st.permutations(range(12)), again=st.lists(st.integers(0, 11)), glue=st.booleans())
def test_packets_in_any_order_become_bytes_in_order(order: list[int], again: list[int], glue: bool) -> None:
    content = random.Random(1).randbytes(12 * 40)
    half = ReceivingHalf(UtpConfig(), expected=65_530)
    got = b""
    for number in [*order, *again]:
        if glue and number < 11:
            packets = [bytes(20) + content[each * 40 : each * 40 + 40] for each in (number, number + 1)]
            half.receive_run(65_530 + number, b"".join(packets), 60, 2)
        else:
            half.receive(65_530 + number, content[number * 40 : number * 40 + 40], 0, 40)
        half.check_invariants()
        got += b"".join(half.take_chunks())
        assert content.startswith(got)
    assert got == content
    assert half.expected == 65_542


def run_of(first: int, count: int) -> bytes:
    """Packets of 60 bytes, each filled with its number; the last one is shorter."""
    return b"".join(bytes(20) + bytes([number]) * 40 for number in range(first, first + count))[:-10]


def test_a_run_behind_a_hole_is_kept_and_follows_when_the_hole_is_filled() -> None:
    half = ReceivingHalf(UtpConfig(), expected=5)
    assert half.receive_run(7, run_of(7, 4), 60, 4)
    assert half.receive_run(12, run_of(12, 2), 60, 2)
    assert half.mask == 0b11_0_1111_0
    assert not half.receive_run(8, run_of(8, 3), 60, 3), "it is here already"
    assert half.receive_run(10, run_of(10, 3), 60, 3), "of which one is new"
    half.check_invariants()
    assert half.receive_run(5, run_of(5, 2), 60, 2)
    assert half.expected == 14
    assert not half.mask
    assert half.held_bytes == len(b"".join(half.take_chunks()))


def test_a_run_behind_a_hole_has_the_bounds_of_single_packets() -> None:
    config = UtpConfig(receive_buffer_bytes=16 << 10, max_packets_in_flight=16, max_packets_ahead=20)
    half = ReceivingHalf(config, expected=5)
    half.receive_run(20, run_of(20, 9), 60, 9)
    assert half.mask.bit_length() == 20, "what lies further ahead is left out"
    half.check_invariants()
    half = ReceivingHalf(config, expected=5)
    half.buffer_bytes = 100
    half.receive_run(7, run_of(7, 4), 60, 4)
    assert half.mask == 0b11_0, "there is room for two"
    half.check_invariants()
    half = ReceivingHalf(config, expected=5)
    half.receive_fin(9)
    half.receive_run(7, run_of(7, 4), 60, 4)
    assert half.mask == 0b111_0, "two packets, and the end"
    half.check_invariants()


def test_a_fin_ends_behind_what_is_before_it_and_nothing_follows() -> None:
    half = ReceivingHalf(UtpConfig(), expected=5)
    assert half.receive_fin(7)
    assert not half.receive(8, b"late", 0, 4), "behind the end"
    half.receive(6, b"b", 0, 1)
    assert half.take_chunks() == []
    half.receive(5, b"a", 0, 1)
    assert half.has_ended
    assert b"".join(half.take_chunks()) == b"ab"
    assert not half.receive(8, b"late", 0, 4)
    assert not half.receive_fin(9)


def test_a_fin_before_what_has_arrived_is_none() -> None:
    half = ReceivingHalf(UtpConfig(), expected=5)
    half.receive(9, b"x", 0, 1)
    assert not half.receive_fin(7)
    assert half.receive_fin(10)


def test_the_window_is_a_packet_at_least_or_nothing() -> None:
    half = ReceivingHalf(UtpConfig(receive_buffer_bytes=16 << 10), expected=0)
    windows = []
    for sequence in range(12):
        half.receive(sequence, bytes(1400), 0, 1400)
        windows.append(half.window)
    assert windows[0] == (16 << 10) - 1400
    assert windows[-1] == 0
    assert min(window for window in windows if window) >= 1500
    half.unread_bytes -= 3000
    assert half.window >= 1500


class TestPathMtu:
    def search(self, limit: int, *, is_ipv6: bool = False) -> tuple[PathMtu, list[int]]:
        mtu = PathMtu(UtpConfig(), is_ipv6=is_ipv6)
        tried = []
        while size := mtu.next_probe(now=0.0):
            tried.append(size)
            mtu.on_sent(size)
            if size <= limit:
                mtu.on_delivered(now=0.0)
            else:
                mtu.on_lost(now=0.0)
            mtu.check_invariants()
        return mtu, tried

    def test_most_paths_take_one_probe(self) -> None:
        mtu, tried = self.search(1500)
        assert (mtu.datagram_bytes, tried) == (1472, [1472])

    def test_ipv6_has_a_longer_header_and_a_larger_least(self) -> None:
        mtu, tried = self.search(1500, is_ipv6=True)
        assert (mtu.datagram_bytes, tried) == (1452, [1452])
        assert self.search(0, is_ipv6=True)[0].datagram_bytes == 1232

    @pytest.mark.parametrize("limit", [548, 600, 1000, 1240, 1400, 1464])
    def test_other_sizes_are_found_by_halving(self, limit: int) -> None:
        mtu, tried = self.search(limit)
        assert limit - 16 < mtu.datagram_bytes <= limit
        assert len(tried) < 24

    def test_one_lost_probe_says_nothing(self) -> None:
        mtu = PathMtu(UtpConfig(), is_ipv6=False)
        mtu.on_sent(mtu.next_probe(now=0.0))
        assert mtu.next_probe(now=0.0) == 0, "one at a time"
        mtu.on_lost(now=0.0)
        assert mtu.next_probe(now=0.0) == 1472

    def test_the_search_begins_again_after_ten_minutes(self) -> None:
        mtu, _ = self.search(1000)
        assert mtu.next_probe(now=599.0) == 0
        assert mtu.next_probe(now=601.0) == 1472

    def test_a_black_hole_leads_back_to_the_least(self) -> None:
        mtu, _ = self.search(1500)
        mtu.on_black_hole(now=0.0)
        mtu.check_invariants()
        assert mtu.datagram_bytes == 548


class TestDelay:
    def test_differences_wrap_and_are_never_nothing(self) -> None:
        assert difference_us(5, 0xFFFFFFFF) == 6
        assert difference_us(7, 7) == 1
        assert timestamp_us(now=5000.000001) == 5_000_000_001 & 0xFFFFFFFF

    def test_delays_go_on_when_the_clocks_wrap(self) -> None:
        delay = OneWayDelay()
        assert delay.on_difference(0, round_trip_s=0.1) is None
        first = delay.on_difference(0xFFFFFF00, round_trip_s=0.1)
        second = delay.on_difference(0x300, round_trip_s=0.1)
        assert first is not None
        assert second is not None
        assert second - first == pytest.approx(1024e-6)

    def test_a_clock_that_is_set_forward_is_no_queue(self) -> None:
        delay = OneWayDelay()
        delay.on_difference(1000, round_trip_s=0.1)
        before = delay.on_difference(21_000, round_trip_s=0.1)
        jumped = delay.on_difference(21_000 + 600_000_000, round_trip_s=0.1)
        after = delay.on_difference(22_000 + 600_000_000, round_trip_s=0.1)
        assert jumped == before
        assert after is not None
        assert before is not None
        assert after - before == pytest.approx(0.001)

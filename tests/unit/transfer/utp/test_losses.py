"""What a connection does about losses that are hardly described, or not at all: waiting for a time-out is the last."""

from __future__ import annotations

import random

import pytest

from tests.utp_pair import Way
from transfer.congestion.reno import Reno
from transfer.utp.flights import Delivered
from transfer.utp.packet import HEADER, SACK_EXTENSION, STATE, Packet, decode, read_extensions
from transfer.utp.sending import SendingHalf
from transfer.utp.steering import Steering

CONTENT = random.Random(1).randbytes(1_200_000)
STATE_BYTE = STATE << 4 | 1


class Receiver:
    """The way to a receiver that loses what it cannot read in time, and describes what it has as other programs do.

    Args:
        described: from a selective acknowledgement, what is left of it.
    """

    def __init__(self, *, described: str) -> None:
        self.described = described
        self.data = 0
        self.lost = 0
        self.way = Way(fate=self.fate)

    def fate(self, data: bytes, rng: random.Random) -> list[float]:
        if data[0] == STATE_BYTE:
            return [0.01]
        self.data += 1
        if 600 <= self.data % 1000 < 600 + self.lost:
            return []
        return [0.01]

    def send(self, data: bytes, source: tuple[str, int], target: tuple[str, int]) -> None:
        packet = decode(data)
        assert packet is not None
        if packet.sack:
            data = self.cut(packet)
        Way.send(self.way, data, source, target)

    def cut(self, packet: Packet) -> bytes:
        """libtorrent tells as many packets as lie between the first and the last it has; libutp 30 of 32."""
        sack = packet.sack or 0
        first = (sack & -sack).bit_length() - 1
        size = (sack.bit_length() - first + 7) // 8 if self.described == "libtorrent" else 4
        bits = 8 * size if self.described == "libtorrent" else 30
        body = (sack & (1 << bits) - 1).to_bytes(size, "little")
        fields = (packet.connection_id, packet.timestamp_us, packet.difference_us, packet.window)
        head = HEADER.pack(STATE_BYTE, SACK_EXTENSION, *fields, packet.sequence, packet.acked)
        return head + bytes((0, size)) + body


def transfer(described: str, lost: int) -> tuple[float, Receiver, int]:
    """Seconds, the receiver, and the time-outs of the sender, when so many packets in a row are lost of each 1000."""
    receiver = Receiver(described=described)
    way = receiver.way
    way.send = receiver.send  # type: ignore[method-assign]
    ours, theirs = way.pair()
    way.run(1)
    receiver.lost = lost
    began = way.now
    way.left.write(ours, CONTENT)
    assert way.run(100, lambda: len(way.right.received[theirs]) == len(CONTENT))
    assert bytes(way.right.received[theirs]) == CONTENT
    assert ours.stats().resent_packets >= lost
    return way.now - began, receiver, ours.stats().timeouts


def test_a_hole_longer_than_what_is_described_is_mended_without_a_time_out() -> None:
    for described in ("libtorrent", "libutp"):
        for lost in (20, 60, 100):
            seconds, _, timeouts = transfer(described, lost)
            assert timeouts == 0, (described, lost, seconds)


def test_the_last_packets_of_a_burst_are_asked_for_after_two_round_trips() -> None:
    cut = 0.0

    def fate(data: bytes, rng: random.Random) -> list[float]:
        nonlocal cut
        packet = decode(data)
        assert packet is not None
        if packet.payload and not cut and sum(map(len, way.right.received.values())) > 30_000:
            cut = way.now
        return [] if packet.payload and cut == way.now else [0.01]  # all that leaves at this moment

    way = Way(fate=fate)
    ours, theirs = way.pair()
    way.left.write(ours, CONTENT[:60_000])
    assert way.run(100, lambda: len(way.right.received[theirs]) == 60_000)
    assert cut
    assert way.now - cut < 0.15, "a time-out would be half a second"
    assert ours.stats().timeouts == 0


def test_an_acknowledgement_lets_a_repair_leave_though_the_window_is_full() -> None:
    """What has arrived and is not described counts as on its way, so that a halved window may never open by itself."""
    way = Way(fate=lambda data, rng: [0.01])
    ours, _ = way.pair()
    way.left.write(ours, CONTENT[:400_000])
    way.run(0.3, lambda: ours.sender.half.span > 50)
    half, sender = ours.sender.half, ours.sender
    assert half.span > 50
    before = half.resent_packets
    sender._steering.controller.on_timeout(now=way.now)
    assert sender._steering.controller.window < 2000, "one packet"
    packet = Packet(
        kind=STATE, connection_id=ours.receive_id, window=1 << 20, sequence=1, acked=half.base - 1 & 0xFFFF, sack=0
    )
    way.left.receive(packet.to_bytes(), ("right", 2))
    assert half.resent_packets > before


def test_what_was_on_its_way_before_a_loss_is_told_to_the_controller() -> None:
    """RFC 5681 halves the flight, of which what has just been delivered beyond the hole is a part."""
    half = SendingHalf(10)
    controller = Reno(packet_bytes=100)
    told: list[int] = []
    steering = Steering(controller, half, packet_bytes=100, now=0.0)
    controller.on_loss = lambda loss, *, now: told.append(loss.prior_in_flight)  # type: ignore[method-assign]
    half.on_sent([bytes(100)] * 8, 800, now=1.0)
    delivered = half.on_ack(10, 0b111, now=2.0, late_s=9.0, least_rtt_s=0.0)
    assert isinstance(delivered, Delivered)
    steering.on_lost(delivered, now=2.0)
    assert half.in_flight == 300
    assert told == [800]


def test_how_many_packets_are_described_is_read() -> None:
    data = Packet(kind=STATE, connection_id=1, sequence=1, sack=0).to_bytes()
    assert read_extensions(data, data[1], 20, len(data)) == (26, 0, 32, None)


@pytest.mark.parametrize("limit", [548, 1252, 1372])
def test_a_path_that_drops_what_is_too_long_without_a_word_takes_every_byte(limit: int) -> None:
    """No router there cuts anything, so what a probe carries has to fit without its padding."""
    way = Way(fate=lambda data, rng: [] if len(data) > limit else [0.01])
    ours, theirs = way.pair()
    way.left.write(ours, CONTENT)
    assert way.run(100, lambda: len(way.right.received[theirs]) == len(CONTENT))
    assert bytes(way.right.received[theirs]) == CONTENT
    stats = ours.stats()
    assert max(548, limit - 24) <= stats.datagram_bytes <= limit
    assert stats.timeouts == 0

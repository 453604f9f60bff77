"""Our congestion controllers for connections of aioquic: registered by name, with the rate sampler that they need."""

from __future__ import annotations

import random
from collections.abc import Iterable
from typing import Any, Protocol

from transfer.congestion.controller import Acknowledgement, CongestionController, Loss
from transfer.congestion.rate_sample import Flight, RateSampler
from transfer.congestion.registry import make_controller
from transfer.congestion.rtt import RttEstimator


def register_in_aioquic(name: str, *, rng: random.Random | None = None) -> str:
    """Makes a controller of ours known to aioquic, and returns the name that aioquic knows it by.

        configuration = QuicConfiguration(congestion_control_algorithm=register_in_aioquic("bbr"), …)

    Args:
        name: one of `controller_names()`. "reno" becomes "transfer-reno": aioquic has a "reno" of its own.
        rng: what each connection's controller gets its own random numbers from.

    Raises:
        UnknownControllerError: no controller of ours has that name; the message lists those there are.
        ImportError: aioquic is not installed. It comes with the extra `quic`.
    """
    from aioquic.quic.congestion.base import register_congestion_control

    seeds = rng or random.Random()
    name = make_controller(name, packet_bytes=1200, rng=random.Random(0)).name

    def factory(*, max_datagram_size: int) -> AioquicController:
        controller = make_controller(name, packet_bytes=max_datagram_size, rng=random.Random(seeds.getrandbits(64)))
        return AioquicController(controller, packet_bytes=max_datagram_size)

    registered = f"transfer-{name}"
    register_congestion_control(registered, factory)
    return registered


class SentPacket(Protocol):
    """What is used of aioquic's record of a packet."""

    @property
    def packet_number(self) -> int: ...

    @property
    def sent_time(self) -> float | None: ...

    @property
    def sent_bytes(self) -> int: ...


class AioquicController:
    """Stands between a connection of aioquic, which tells of packets, and a controller of ours, told of batches.

    aioquic tells packet by packet what an acknowledgement covers, then its round trip, then what is lost by it. They
    are told to our controller together, losses first, before something else is sent or the window is asked for.

    aioquic paces at its window over its smoothed round trip, and reads the window for that right after it has told a
    round trip or losses. A controller with a pacing rate gives what makes that its rate.

    It does not say whether the application had more to send: a sender with less than half of what it might have on its
    way counts as limited by its application.

    Attributes:
        controller: ours.
        bytes_in_flight, ssthresh: for aioquic, which logs the latter; not known here.
    """

    def __init__(self, controller: CongestionController, *, packet_bytes: int) -> None:
        self.controller = controller
        self.bytes_in_flight = 0
        self.ssthresh: int | None = None
        self._packet_bytes = packet_bytes
        self._rtt = RttEstimator()
        self._sampler = RateSampler()
        self._flights: dict[int, Flight] = {}  # by the identity of packets that are on their way
        self._flight: Flight | None = None
        self._acked: Acknowledgement | None = None
        self._acked_flight: Flight | None = None
        self._acked_at = 0.0
        self._is_for_pacer = False

    @property
    def congestion_window(self) -> int:
        """Bytes that may be on their way; for aioquic's pacer, what gives the controller's rate."""
        rate = self.controller.pacing_rate
        if self._is_for_pacer:
            self._is_for_pacer = False
            return self.controller.window if rate is None else max(int(rate * self._rtt.smoothed_s), 1)
        self._tell_acked()
        return self.controller.window

    def on_packet_sent(self, *, packet: SentPacket) -> None:
        """One packet leaves; those of one moment are one flight."""
        self._tell_acked()
        now, size = packet.sent_time or 0.0, packet.sent_bytes
        self.bytes_in_flight += size
        flight = self._flight
        if flight is None or flight.sent_at != now or self.bytes_in_flight == size:
            flight = self._flight = self._sampler.on_sent(size, in_flight=self.bytes_in_flight, now=now)
        flight.in_flight = self.bytes_in_flight
        self._flights[id(packet)] = flight
        self.controller.on_sent(size, in_flight=self.bytes_in_flight, now=now)

    def on_packet_acked(self, *, now: float, packet: SentPacket) -> None:
        """One packet of an acknowledgement."""
        if self._acked is not None and self._acked_at != now:
            self._tell_acked()
        flight = self._flights.pop(id(packet), None)
        if self._acked is None:
            before = self.bytes_in_flight
            self._acked = Acknowledgement(acked_bytes=0, in_flight=before, prior_in_flight=before, sent_at=0.0)
            self._acked_at = now
            self._acked_flight = None
        self.bytes_in_flight -= packet.sent_bytes
        acked = self._acked
        acked.acked_bytes += packet.sent_bytes
        acked.in_flight = self.bytes_in_flight
        if flight is not None and (self._acked_flight is None or flight.sent_at >= self._acked_flight.sent_at):
            self._acked_flight = flight
            acked.sent_at = flight.sent_at

    def on_rtt_measurement(self, *, now: float, rtt: float) -> None:
        """The round trip of the newest packet of the acknowledgement."""
        self._rtt.on_sample(rtt, now=now)
        if self._acked is not None:
            self._acked.rtt_s = rtt
        self._is_for_pacer = True

    def on_packets_lost(self, *, now: float, packets: Iterable[SentPacket]) -> None:
        """What an acknowledgement, or time, showed to be lost."""
        lost = list(packets)
        if not lost:
            return
        loss = Loss(lost_bytes=0, in_flight=0, sent_at=0.0, ranges=0)
        previous = None
        for packet in lost:
            flight = self._flights.pop(id(packet), None)
            loss.lost_bytes += packet.sent_bytes
            loss.ranges += previous is None or packet.packet_number != previous + 1
            previous = packet.packet_number
            if flight is not None and flight.sent_at >= loss.sent_at:
                loss.sent_at, loss.sent_in_flight = flight.sent_at, flight.in_flight
                loss.is_app_limited = flight.is_app_limited
                loss.lost_since_sent = self._sampler.lost_bytes - flight.lost_bytes
        loss.lost_since_sent += loss.lost_bytes
        self._sampler.on_lost(loss.lost_bytes)
        self.bytes_in_flight -= loss.lost_bytes
        loss.in_flight = self.bytes_in_flight
        if self._acked is not None:
            self._acked.in_flight = self.bytes_in_flight
        self.controller.on_loss(loss, now=now)
        self._tell_acked()
        self._is_for_pacer = True

    def on_packets_expired(self, *, packets: Iterable[SentPacket]) -> None:
        """What will never be acknowledged, and is not lost: the keys are gone, or a probe repeats it."""
        for packet in packets:
            self._flights.pop(id(packet), None)
            self.bytes_in_flight -= packet.sent_bytes

    def on_persistent_congestion(self) -> None:
        """All that was sent for long is lost (RFC 9002, section 7.6)."""
        self.controller.on_timeout(now=self._acked_at)

    def get_log_data(self) -> dict[str, Any]:
        """For aioquic's qlog."""
        return {"cwnd": self.controller.window, "bytes_in_flight": self.bytes_in_flight}

    def _tell_acked(self) -> None:
        acked, flight, now = self._acked, self._acked_flight, self._acked_at
        if acked is None:
            return
        self._acked = None
        controller, rtt = self.controller, self._rtt
        acked.smoothed_rtt_s, acked.min_rtt_s = rtt.smoothed_s, rtt.min_s
        window, rate = controller.window, controller.pacing_rate
        acked.is_window_limited = window - acked.prior_in_flight < 3 * self._packet_bytes or (
            controller.state == "slow start" and acked.prior_in_flight > window // 2
        )
        if flight is None:  # packets that had expired
            return
        acked.rate = self._sampler.on_ack(acked.acked_bytes, flight, min_rtt_s=rtt.min_s, now=now)
        controller.on_ack(acked, now=now)
        wanted = window if rate is None else min(window, int(rate * rtt.min_s))
        if acked.prior_in_flight < wanted // 2:
            self._sampler.on_app_limited(in_flight=acked.in_flight)
            controller.on_app_limited(in_flight=acked.in_flight, now=now)

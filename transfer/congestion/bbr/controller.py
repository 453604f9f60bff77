"""BBR version 3 as a controller: the contract around the state machine. Pure.

How it works: BBR keeps a model of the path, its bandwidth and its length, and sends at the rate of the one with as much
on its way as both allow (`model.py`, `min_rtt.py`). A model that nobody tests goes stale, so the states (`table.py`)
take turns: faster for a moment (is there more?), slower for a moment (is the queue gone, is there room for others?),
and half as much for 200 ms (how long is the path?). Losses tell it three things: in a look for bandwidth, how much is
too much (`long_term.py`); else, that others need room now (`short_term.py`); at the start, that the pipe is full.
"""

from __future__ import annotations

import random
from typing import ClassVar

from transfer.congestion.bbr.config import BbrConfig
from transfer.congestion.bbr.machine import Machine
from transfer.congestion.controller import LEAST_INTERVAL_S, Acknowledgement, Loss, RateSample


class Bbr:
    """BBR version 3: draft-ietf-ccwg-bbr, the editor's copy of 2026-08-03 (commit 4ce5e87), with precautionary probing.

    It gives up throughput when more than 2 % are lost in a look for bandwidth, which is what the threshold is for.
    Where this differs from the draft the place says so: `FullPipe.on_ack`, `Machine._check_up`, `ProbeCycle.is_due`,
    `CONTROL`; ECN, of which the draft says nothing, is in `BbrConfig`. What TCP calls fast recovery and RTO recovery
    begins here with the sender's `on_loss` and `on_timeout`, and `Recovery` says when it ends.

    Invariants:
        window is at least one packet, after an acknowledgement at least four; pacing_rate is positive and finite
        those of `Machine`
    """

    name: ClassVar[str] = "bbr"
    needs_rate: ClassVar[bool] = True

    def __init__(self, *, packet_bytes: int, rng: random.Random, config: BbrConfig | None = None) -> None:
        if packet_bytes < 1:
            raise ValueError(f"a packet has at least one byte, not {packet_bytes}")
        self._machine = Machine(config or BbrConfig(), packet_bytes=packet_bytes, rng=rng)
        self._in_flight = 0

    # inputs

    def on_sent(self, size: int, *, in_flight: int, now: float) -> None:
        self._in_flight = in_flight
        if in_flight <= size and self._machine.limited.is_marked(self._machine.rounds.delivered):
            self._machine.on_idle_restart(now=now)

    def on_ack(self, ack: Acknowledgement, *, now: float) -> None:
        machine = self._machine
        sending = machine.sending
        self._in_flight = ack.in_flight
        rtt_s = ack.rtt_s
        if rtt_s is not None:
            rtt_s = max(rtt_s, LEAST_INTERVAL_S)
            sending.on_first_rtt(rtt_s)
        machine.on_ack(ack, ack.rate or self._unknown(ack), rtt_s=rtt_s, now=now)
        control = machine.control
        is_full = machine.pipe.was_full
        sending.pace(control.pacing_gain, machine.model.bw, is_full=is_full)
        if machine.recovery.on_ack(ack.sent_at, delivered=machine.rounds.delivered):
            sending.window = max(sending.window, machine.recovery.saved)
        most = machine.inflight(control.cwnd_gain, machine.model.extra_acked)
        sending.grow(ack.acked_bytes, most, is_full=is_full, delivered=machine.rounds.delivered)
        sending.cap(machine.window_cap())

    def _unknown(self, ack: Acknowledgement) -> RateSample:
        """In place of a sample, when the sender has none: it says nothing, and ends no round."""
        delivered = self._machine.rounds.delivered + ack.acked_bytes
        return RateSample(
            delivered_bytes=0,
            interval_s=0.0,
            lost_bytes=0,
            sent_in_flight=0,
            prior_delivered=-1,
            delivered_total=delivered,
            is_app_limited=True,
        )

    def on_loss(self, loss: Loss, *, now: float) -> None:
        self._in_flight = loss.in_flight
        self._machine.on_loss(loss, now=now)

    def on_timeout(self, *, now: float) -> None:
        self._machine.on_timeout(in_flight=self._in_flight, now=now)
        self._in_flight = 0
        self._machine.sending.window = self._machine.sending.packet_bytes

    def on_spurious_loss(self, *, now: float) -> None:
        self._machine.on_spurious_loss(now=now)

    def on_app_limited(self, *, in_flight: int, now: float) -> None:
        self._in_flight = in_flight
        self._machine.limited.mark(self._machine.rounds.delivered, in_flight)

    def on_packet_size(self, packet_bytes: int, *, now: float) -> None:
        self._machine.sending.packet_bytes = packet_bytes
        self._machine.sending.window = max(self._machine.sending.window, packet_bytes)

    # views

    @property
    def window(self) -> int:
        return self._machine.sending.window

    @property
    def pacing_rate(self) -> float | None:
        return self._machine.sending.pacing_rate

    @property
    def state(self) -> str:
        return self._machine.state.value

    @property
    def machine(self) -> Machine:
        """The model and its state, to look at: nothing outside changes it."""
        return self._machine

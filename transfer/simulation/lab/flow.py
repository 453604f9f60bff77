"""One flow in the lab: its sender and its receiver, what is on the way between them, and what is counted of it."""

from __future__ import annotations

import random
from array import array
from typing import TYPE_CHECKING, Any

from transfer.congestion.bulk.packets import BulkAck, BulkPacket
from transfer.congestion.bulk.receiver import BulkReceiver
from transfer.congestion.bulk.sender import BulkSender
from transfer.congestion.registry import make_controller
from transfer.simulation.lab.config import LabFlow
from transfer.simulation.lab.report import FlowReport, FlowSample

if TYPE_CHECKING:
    from transfer.simulation.lab.run import Lab


class Flow:
    """Moves packets and acknowledgements of one sender and one receiver over the lines of a lab.

    Attributes:
        sent, arrived: sendings that were offered to the line for data, and those that came out of it.
    """

    __slots__ = (
        "_ack_bytes",
        "_arrived_us",
        "_completed_us",
        "_extra_us",
        "_is_stopped",
        "_lab",
        "_label",
        "_lost",
        "_offered",
        "_packet_bytes",
        "_range_bytes",
        "_receiver",
        "_receiver_due_us",
        "_rtts_us",
        "_samples",
        "_sender",
        "_sender_due_us",
        "_transfers",
        "_warm_bytes",
        "arrived",
        "config",
        "sent",
    )

    def __init__(self, lab: Lab, index: int, config: LabFlow, rng: random.Random) -> None:
        bulk = lab.config.bulk
        self.config = config
        self._lab = lab
        self._label = config.label or f"{config.controller} {index + 1}"
        self._extra_us = round(config.extra_delay_s * 1e6)
        self._packet_bytes = bulk.packet_bytes
        self._ack_bytes, self._range_bytes = bulk.ack_bytes, bulk.range_bytes
        controller = make_controller(config.controller, packet_bytes=bulk.payload_bytes, rng=rng)
        # No two receivers have the same clock; only constant differences, as LEDBAT has to bear them.
        self._receiver = BulkReceiver(bulk, clock_offset_s=rng.uniform(-1000.0, 1000.0))
        self._sender = BulkSender(controller, packets=0 if config.transfers else None, config=bulk)
        self._offered = 0
        self._transfers = len(config.transfers)
        self._is_stopped = False
        self._sender_due_us = self._receiver_due_us = NEVER
        self._completed_us: list[int] = []
        self._rtts_us = array("q")
        self._samples: list[FlowSample] = []
        self._warm_bytes = self._arrived_us = 0
        self._lost = self.sent = self.arrived = 0

    def start(self, _: Any) -> None:
        if self.config.transfers:
            self._offer_next(None)
        else:
            self._send()
        if self.config.stop_s is not None:
            self._lab.schedule(round(self.config.stop_s * 1e6), self._stop, None)

    # The sender's side.

    def _offer_next(self, _: Any) -> None:
        """The receiver has asked for one more transfer."""
        size = self.config.transfers[len(self._completed_us)]
        count = -(-size // self._lab.config.bulk.payload_bytes)
        self._offered += count
        self._sender.offer(count)
        self._send()

    def _stop(self, _: Any) -> None:
        self._is_stopped = True

    def _send(self) -> None:
        lab = self._lab
        now_us = lab.now_us
        if not self._is_stopped:
            packets = self._sender.packets_to_send(now=now_us / 1e6)
            if packets:
                self.sent += len(packets)
                line, size, extra_us = lab.data, self._packet_bytes, self._extra_us
                has_marks = lab.config.mark_bytes is not None
                for packet in packets:
                    arrive = self._receive_marked if has_marks and line.marks(now_us) else self._receive_packet
                    arrives_us = line.send(size, now_us)
                    if arrives_us >= 0:
                        lab.under_way += 1
                        lab.schedule(arrives_us + extra_us, arrive, packet, line, line.leaves_us)
                        if line.again_us:
                            lab.copied += 1
                            lab.under_way += 1
                            lab.schedule(line.again_us + extra_us, arrive, packet, line, line.leaves_us)
                    else:
                        self._lost += 1
            due = self._sender.next_timer()
            if due is not None:
                due_us = int(due * 1e6) + 1
                if due_us < self._sender_due_us:
                    self._sender_due_us = due_us = max(due_us, now_us)
                    lab.schedule(due_us, self._sender_timer, due_us)

    def _receive_ack(self, ack: BulkAck, waited_us: int = 0) -> None:
        lab = self._lab
        now_us = lab.now_us
        if now_us >= lab.warm_us:
            self._rtts_us.append(now_us - waited_us - round(ack.echo.sent_at * 1e6))
        lab.digest = (lab.digest * DIGEST_FACTOR ^ now_us ^ ack.next_number) & DIGEST_MASK
        self._sender.receive_acknowledgement(ack, now=now_us / 1e6)
        self._send()

    def _receive_late_ack(self, late: tuple[BulkAck, int]) -> None:
        self._receive_ack(*late)

    def _sender_timer(self, due_us: int) -> None:
        """Timers that were moved away stay on the heap, and find here that another one holds."""
        if due_us != self._sender_due_us:
            return
        self._sender_due_us = NEVER
        now = self._lab.now_us / 1e6
        due = self._sender.next_timer()
        if due is not None and due <= now + ROUNDING_S:
            self._sender.handle_timer(now=now)
        self._send()

    # The receiver's side.

    def _receive_packet(self, packet: BulkPacket, is_marked: bool = False) -> None:
        lab = self._lab
        now_us = lab.now_us
        lab.under_way -= 1
        self.arrived += 1
        lab.digest = (lab.digest * DIGEST_FACTOR ^ now_us ^ packet.number) & DIGEST_MASK
        receiver = self._receiver
        self._arrived_us = now_us
        ack = receiver.receive_packet(packet, now=now_us / 1e6, is_marked=is_marked)
        if self._offered and receiver.next_number >= self._offered and len(self._completed_us) < self._transfers:
            self._complete()
        if ack is not None:
            self._send_ack(ack)
            return
        due = receiver.next_timer()
        if due is not None:
            due_us = int(due * 1e6) + 1
            if due_us != self._receiver_due_us:
                self._receiver_due_us = due_us
                lab.schedule(due_us, self._receiver_timer, due_us)

    def _receive_marked(self, packet: BulkPacket) -> None:
        self._receive_packet(packet, True)

    def _receiver_timer(self, due_us: int) -> None:
        if due_us != self._receiver_due_us:
            return
        ack = self._receiver.handle_timer(now=self._lab.now_us / 1e6)
        if ack is not None:
            self._send_ack(ack, self._lab.now_us - self._arrived_us)

    def _send_ack(self, ack: BulkAck, waited_us: int = 0) -> None:
        """Sends it; the line's round trip is measured without the time that it waited for another packet."""
        lab = self._lab
        line = lab.acknowledgements
        arrives_us = line.send(self._ack_bytes + self._range_bytes * len(ack.ranges), lab.now_us)
        if arrives_us >= 0:
            arrives_us += self._extra_us
            if waited_us:
                lab.schedule(arrives_us, self._receive_late_ack, (ack, waited_us), line, line.leaves_us)
            else:
                lab.schedule(arrives_us, self._receive_ack, ack, line, line.leaves_us)

    def _complete(self) -> None:
        """The last byte of a transfer is here; the next one is asked for, or it was the last."""
        lab = self._lab
        self._completed_us.append(lab.now_us)
        if len(self._completed_us) == len(self.config.transfers):
            lab.finish()
            return
        delay_s = (lab.config.acknowledgements or lab.config.data).delay_s
        delay_us = round(delay_s * 1e6) if isinstance(delay_s, int | float) else 0
        lab.schedule(lab.now_us + delay_us + self._extra_us, self._offer_next, None)

    # Looking.

    @property
    def _delivered_bytes(self) -> int:
        return self._receiver.received * self._packet_bytes

    def begin_measuring(self) -> None:
        self._warm_bytes = self._delivered_bytes

    def sample(self) -> None:
        controller = self._sender.controller
        self._samples.append(
            FlowSample(
                at_s=self._lab.now_us / 1e6,
                delivered_bytes=self._delivered_bytes,
                window_bytes=controller.window,
                pacing_bytes_per_s=controller.pacing_rate,
                in_flight_bytes=self._sender.in_flight,
                state=controller.state,
            )
        )

    def report(self) -> FlowReport:
        config, lab = self.config, self._lab
        begins_us = max(lab.warm_us, round(config.start_s * 1e6))
        ends_us = lab.now_us if config.stop_s is None else min(lab.now_us, round(config.stop_s * 1e6))
        if config.transfers and len(self._completed_us) == len(config.transfers):
            ends_us = min(ends_us, self._completed_us[-1])
        measured = self._delivered_bytes - self._warm_bytes
        return FlowReport(
            label=self._label,
            controller=config.controller,
            start_s=config.start_s,
            goodput_bytes_per_s=measured * 1e6 / (ends_us - begins_us) if ends_us > begins_us else 0.0,
            delivered_bytes=self._delivered_bytes,
            completed_s=tuple(at_us / 1e6 for at_us in self._completed_us),
            sent_packets=self.sent,
            retransmitted_packets=self._sender.stats.sent_again,
            lost_packets=self._lost,
            rtts_s=[rtt_us / 1e6 for rtt_us in sorted(self._rtts_us)],
            samples=self._samples,
        )

    def check_invariants(self) -> None:
        self._sender.check_invariants()
        self._receiver.check_invariants()


NEVER = 1 << 62
ROUNDING_S = 1e-6
DIGEST_FACTOR = 1_000_003
DIGEST_MASK = (1 << 64) - 1

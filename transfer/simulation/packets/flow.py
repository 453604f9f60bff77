"""One direction of a simulated stream in packets: they meet loss and full queues, and are sent again.

Theory of operation. Bytes wait in the outbox until a controller of `transfer.congestion` lets a packet leave. A packet
is a number for the bulk sender and the bulk receiver, which do all the rest (acknowledgements, RACK, tail probes,
time-outs, pacing), and for what is here a key under which its bytes lie. Packets and acknowledgements go the way of
datagrams: through access lines and links, where they may be lost. What is complete up to a number is handed over, once
and in order.
"""

from __future__ import annotations

import errno
import os
import random
from typing import TYPE_CHECKING
from zlib import crc32

from transfer.congestion.bulk.packets import BulkAck, BulkConfig, BulkPacket
from transfer.congestion.bulk.receiver import BulkReceiver
from transfer.congestion.bulk.sender import BulkSender
from transfer.congestion.registry import UnknownControllerError, controller_names, make_controller
from transfer.path_stats import PathStats
from transfer.simulation.link import DATAGRAM_HEADER_BYTES, DROPPED
from transfer.simulation.packets.outbox import Outbox
from transfer.simulation.packets.under_way import Timer, UnderWay
from transfer.simulation.segments import HOST_DOWN, Kind

if TYPE_CHECKING:
    from transfer.simulation.channel import Channel
    from transfer.simulation.host import Host


class PacketFlow:
    """What a channel sends, under a congestion controller.

    Args:
        controller: its name, as `transfer.congestion` knows it.
        before: sends what the channel had sent under another controller; this one begins when that has arrived.

    Invariants:
        what the receiver is handed are the bytes that were sent, in their order
        as many packets are offered to the sender as what waits fills
    """

    __slots__ = (
        "_ack_timer",
        "_before",
        "_channel",
        "_config",
        "_delivered",
        "_handed",
        "_is_stopped",
        "_measured_at",
        "_moved_us",
        "_offered",
        "_outbox",
        "_payloads",
        "_rate",
        "_receiver",
        "_sender",
        "_timer",
        "controller",
        "network",
    )

    def __init__(self, channel: Channel, controller: str, *, before: PacketFlow | None = None) -> None:
        self.controller = controller
        self.network = network = channel.network
        self._channel = channel
        self._before = before
        header = IPV6_HEADERS_BYTES if ":" in channel.source[0] else IPV4_HEADERS_BYTES
        mtu = network.link_between(channel.sender.host, channel.receiver.host).mtu_bytes
        self._config = config = BulkConfig(
            payload_bytes=max(1, mtu - header), header_bytes=header, ack_bytes=header, max_ahead_packets=1 << 20
        )
        rng = random.Random(network.rng.random())
        made = make_controller(controller, packet_bytes=config.payload_bytes, rng=rng)
        self._sender = BulkSender(made, packets=0, config=config)
        self._receiver = BulkReceiver(config, clock_offset_s=rng.uniform(-1000.0, 1000.0))
        self._outbox = Outbox(config.payload_bytes)
        self._offered = 0  # packets that the sender may send and has not sent
        self._payloads: dict[int, tuple[Kind, bytes]] = {}  # sent and not handed over
        self._handed = 0
        self._timer: Timer | None = None
        self._ack_timer: Timer | None = None
        self._is_stopped = False
        self._moved_us = network.loop.scheduler.now_us  # when something was last delivered, or begun
        self._measured_at, self._delivered, self._rate = 0.0, 0, 0.0

    # What the channel asks for.

    def send(self, kind: Kind, data: bytes) -> None:
        """Adds something behind all that was sent before."""
        if self._is_stopped:
            return
        if not self._sender.in_flight:
            self._moved_us = self.network.loop.scheduler.now_us
        if kind is not Kind.DATA:
            self._outbox.put_packet(kind)
        elif self._channel.is_opaque:
            self._outbox.put_opaque(data, self._channel.rounded(len(data)))
        else:
            self._outbox.put(data)
        self.push()

    def push(self) -> None:
        """Sends what may leave now."""
        if self._is_stopped or self._must_wait():
            return
        needed = self._outbox.packets
        if needed > self._offered:
            self._sender.offer(needed - self._offered)
            self._offered = needed
        for packet in self._sender.packets_to_send(now=self.network.loop.scheduler.now_us / 1e6):
            if not packet.is_again:
                self._payloads[packet.number] = self._outbox.cut()
                self._offered -= 1
            self._transmit(packet)
        self._arm()

    def stop(self) -> None:
        """Sends nothing any more, not even again; what is under way arrives."""
        self._is_stopped = True
        if self._before is not None:
            self._before.stop()
        self._outbox.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _must_wait(self) -> bool:
        """Whether something has to be ahead of it that has not left, or not arrived."""
        if self._before is not None:
            if not self._before.is_done:
                return True
            self._before = None
        return self._channel.has_waiting

    @property
    def is_done(self) -> bool:
        """Whether all that was sent has been handed over."""
        return not self._outbox.packets and not self._payloads

    @property
    def room_bytes(self) -> int:
        """How much more the channel should be given: a program feels the path, as through a send buffer of Linux."""
        most = max(2 * self._sender.controller.window, MIN_BUFFER_BYTES)
        return most - self._outbox.shared_bytes - self._sender.in_flight

    @property
    def path_stats(self) -> PathStats:
        """What the sender knows."""
        sender, rtt = self._sender, self._sender.rtt
        return PathStats(
            transport="simulated",
            controller=self.controller,
            window_bytes=sender.controller.window,
            in_flight_bytes=sender.in_flight,
            rtt_s=rtt.smoothed_s if rtt.has_sample else None,
            min_rtt_s=rtt.min_s if rtt.has_sample else None,
            delivery_rate_bytes_per_s=self._rate or None,
            retransmitted_bytes=sender.stats.sent_again * self._config.payload_bytes,
        )

    @property
    def ends(self) -> tuple[Host, Host]:
        """The hosts of the sender and the receiver."""
        return self._channel.sender.host, self._channel.receiver.host

    # Over the network.

    def _transmit(self, packet: BulkPacket) -> None:
        channel = self._channel
        kind, data = self._payloads.get(packet.number, (Kind.DATA, b""))
        size, shown, check = len(data), len(data), 0
        if channel.is_opaque:
            size, shown = min(channel.rounded(size), self._config.payload_bytes), 0
        else:
            check = crc32(data)
        code = self._carry(UnderWay(self, packet, size + self._config.header_bytes))
        self.network.note(kind.value, channel.source, channel.target, shown, check, code)

    def _carry(self, under_way: UnderWay) -> int:
        """Schedules when it comes out of the link. Returns how long that takes, or what has become of it instead."""
        network, source, target = self.network, under_way.source, under_way.target
        if not source.is_up:
            return HOST_DOWN
        if network.faults and (fault := network.verdict(source, target)) is not None:
            if fault.holds:
                fault.hold(under_way)
            return fault.code
        scheduler = network.loop.scheduler
        leaves_us = now_us = scheduler.now_us
        if source.uplink is not None:
            leaves_us = source.uplink.send(under_way.size, now_us)
            if leaves_us < 0:
                return DROPPED
        link = network.link_between(source, target)
        arrives_us = link.datagram_us(source.index, target.index, under_way.size - DATAGRAM_HEADER_BYTES, leaves_us)
        if arrives_us < 0:
            return arrives_us
        if link.oddities:
            arrives_us, again_us = link.second_copy_us(arrives_us)
            if again_us:
                scheduler.schedule(again_us, UnderWay(self, under_way.what, under_way.size))
        arrives_us = max(arrives_us, self._channel.last_arrival_us)  # of what was sent before there was a controller
        scheduler.schedule(arrives_us, under_way)
        return arrives_us - now_us

    def receive(self, what: BulkPacket | BulkAck) -> None:
        """Something has come out of the network where it was to go."""
        if isinstance(what, BulkPacket):
            self._receive_packet(what)
        else:
            self._receive_ack(what)

    def _receive_packet(self, packet: BulkPacket) -> None:
        """The receiver acknowledges it, and hands over what is complete now."""
        channel = self._channel
        ack = self._receiver.receive_packet(packet, now=self.network.loop.scheduler.now_us / 1e6)
        if ack is not None:
            self._send_ack(ack)
        else:
            self._arm_ack()
        while self._handed < self._receiver.next_number:
            kind, data = self._payloads.pop(self._handed)
            self._handed += 1
            if data or kind is not Kind.DATA:
                channel.receiver.receive_segment(kind, data)
        if channel.flow is not None and channel.flow is not self and self.is_done:
            channel.flow.push()

    def _send_ack(self, ack: BulkAck) -> None:
        self._carry(UnderWay(self, ack, self._config.ack_bytes + self._config.range_bytes * len(ack.ranges)))

    def _receive_ack(self, ack: BulkAck) -> None:
        if self._is_stopped:
            return
        sender, now_us = self._sender, self.network.loop.scheduler.now_us
        delivered = sender.stats.delivered
        sender.receive_acknowledgement(ack, now=now_us / 1e6)
        if sender.stats.delivered > delivered:
            self._moved_us = now_us
            self._measure(now_us / 1e6)
        self.push()
        if self.room_bytes > 0:
            self._channel.sender.receive_room()

    def _measure(self, now: float) -> None:
        """The delivery rate, over a round trip at a time."""
        span_s = now - self._measured_at
        if span_s >= max(self._sender.rtt.smoothed_s, MIN_SPAN_S):
            delivered = self._sender.stats.delivered
            self._rate = (delivered - self._delivered) * self._config.payload_bytes / span_s
            self._measured_at, self._delivered = now, delivered

    # Time.

    def _arm(self) -> None:
        due, timer = self._sender.next_timer(), self._timer
        if due is None:
            if timer is not None:
                timer.cancel()
                self._timer = None
            return
        due_us = max(int(due * 1e6) + 1, self.network.loop.scheduler.now_us)
        if timer is not None:
            if timer.at_us <= due_us:  # it looks again then
                return
            timer.cancel()
        self._timer = Timer(self, due_us, PacketFlow.handle_timer)

    def handle_timer(self) -> None:
        """Something may be due at the sender."""
        self._timer = None
        now_us = self.network.loop.scheduler.now_us
        if now_us - self._moved_us >= self._channel.give_up_us:
            channel = self._channel
            channel.close()
            channel.sender.fail(TimeoutError(errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT)))
            return
        due = self._sender.next_timer()
        if due is not None and due <= now_us / 1e6 + ROUNDING_S:
            self._sender.handle_timer(now=now_us / 1e6)
        self.push()

    def _arm_ack(self) -> None:
        due = self._receiver.next_timer()
        if due is not None and self._ack_timer is None:
            self._ack_timer = Timer(self, int(due * 1e6) + 1, PacketFlow.handle_ack_timer)

    def handle_ack_timer(self) -> None:
        """An acknowledgement may have waited long enough."""
        self._ack_timer = None
        ack = self._receiver.handle_timer(now=self.network.loop.scheduler.now_us / 1e6)
        if ack is not None:
            self._send_ack(ack)
        else:
            self._arm_ack()

    def check_invariants(self) -> None:
        """Asserts what the class docstring promises."""
        self._sender.check_invariants()
        self._receiver.check_invariants()
        self._outbox.check_invariants()
        if not self._is_stopped and not self._must_wait():
            assert self._offered == self._outbox.packets


def known_controller(name: str) -> str:
    """The name as `transfer.congestion` lists it.

    Raises:
        UnknownControllerError: it does not.
    """
    if name.lower() not in controller_names():
        raise UnknownControllerError(name)
    return name.lower()


IPV4_HEADERS_BYTES = 52  # IPv4 20 (RFC 791), TCP 20 (RFC 9293), timestamps 12 (RFC 7323)
IPV6_HEADERS_BYTES = 72
MIN_BUFFER_BYTES = 65_536
MIN_SPAN_S = 0.001
ROUNDING_S = 1e-6

"""One direction of a simulated stream: whatever is sent arrives once and in order, as late as the link makes it."""

from __future__ import annotations

import errno
import os
from collections import deque
from typing import TYPE_CHECKING
from zlib import crc32

from transfer.simulation.host import Endpoint
from transfer.simulation.packets.flow import PacketFlow, known_controller
from transfer.simulation.segments import HOST_DOWN, Kind, StreamEnd

if TYPE_CHECKING:
    from transfer.simulation.faults import Fault
    from transfer.simulation.link import Pipe
    from transfer.simulation.network import Network
    from transfer.simulation.scheduler import Scheduler


class Channel:
    """From `sender` to `receiver`; the receiver may change (it is a listener until the connection is accepted).

    Without a congestion controller, which is the default, a lost segment costs a round trip, and a time-out that
    doubles when it is lost again. Before a transmitter with a full queue a segment waits for room, so flows share a
    bottleneck by turns. While a fault or a dead host blocks the way, the first segment is tried again and again until
    `give_up_us`.

    With a controller a `PacketFlow` carries all but a reset, which leaves at once.
    """

    __slots__ = (
        "_blocked_since_us",
        "_closed",
        "_queue",
        "_retry_us",
        "_turn_at",
        "_waiting",
        "flow",
        "give_up_us",
        "is_opaque",
        "last_arrival_us",
        "network",
        "receiver",
        "sender",
        "source",
        "target",
    )

    def __init__(
        self,
        network: Network,
        sender: StreamEnd,
        receiver: StreamEnd,
        source: Endpoint,
        target: Endpoint,
        *,
        give_up_us: int,
    ) -> None:
        self.sender = sender
        self.receiver = receiver
        self.give_up_us = give_up_us
        self.is_opaque = False  # encrypted with real randomness: see `tls`
        self.network = network
        self.source = source
        self.target = target
        self._queue: deque[tuple[Kind, bytes]] = deque()
        self._waiting = False
        self._turn_at: Pipe | None = None
        self.flow: PacketFlow | None = None  # with a congestion controller
        self._closed = False
        self.last_arrival_us = 0
        self._retry_us = MIN_TIMEOUT_US
        self._blocked_since_us = -1

    def send(self, kind: Kind, data: bytes = b"") -> None:
        """Adds a segment behind everything sent before."""
        if self._closed:
            return
        if self.flow is not None:
            if kind is not Kind.RESET:
                self.flow.send(kind, data)
                return
            self.flow.stop()
        self._queue.append((kind, data))
        if not self._waiting:
            self._transmit()

    def close(self) -> None:
        """Sends nothing any more; what is under way arrives."""
        self._closed = True
        self.forget()

    def forget(self) -> None:
        """The sender lost its memory: what it had not sent yet is gone."""
        self._queue.clear()
        if self.flow is not None:
            self.flow.stop()

    def control(self, controller: str) -> None:
        """From now on a congestion controller of that name decides when what leaves.

        What was sent before arrives before; where another one was at work, all of it.

        Raises:
            UnknownControllerError: there is none.
        """
        if not self._closed and known_controller(controller) != self.controller:
            self.flow = PacketFlow(self, known_controller(controller), before=self.flow)

    @property
    def controller(self) -> str | None:
        """The name of the congestion controller; None: there is none."""
        return self.flow.controller if self.flow is not None else None

    @property
    def has_waiting(self) -> bool:
        """Whether something waits that is no business of a controller."""
        return bool(self._queue)

    def resume(self) -> None:
        """A fault has ended, or a waiting time has passed."""
        self._waiting = False
        self._transmit()

    def acknowledge(self, total: int) -> None:
        """Tells the other side how many bytes its data has been read up to; overtakes the data of this direction."""
        if self._closed:
            return
        network, sender, receiver = self.network, self.sender.host, self.receiver.host
        fault = network.verdict(sender, receiver) if network.faults else None
        acknowledgement = Acknowledgement(self, total)
        if fault is not None or not receiver.is_up:
            if fault is not None and fault.holds:
                fault.hold(acknowledgement)
            else:
                network.loop.scheduler.schedule(network.loop.scheduler.now_us + LONG_TIMEOUT_US, acknowledgement)
            return
        delay_us = network.link_between(sender, receiver).delay_us(sender.index, receiver.index)
        acknowledgement.is_sent = True
        network.loop.scheduler.schedule(network.loop.scheduler.now_us + delay_us, acknowledgement)

    def _transmit(self) -> None:
        network, sender, receiver = self.network, self.sender.host, self.receiver.host
        scheduler = network.loop.scheduler
        queue = self._queue
        while queue:
            now_us = scheduler.now_us
            kind, data = queue[0]
            fault = network.verdict(sender, receiver) if network.faults else None
            if fault is not None or not receiver.is_up or not sender.is_up:
                self._block(fault)
                return
            self._blocked_since_us = -1
            self._retry_us = MIN_TIMEOUT_US
            link = network.link_between(sender, receiver)
            size = (self.rounded(len(data)) if self.is_opaque else len(data)) + SEGMENT_HEADER_BYTES
            leaves_us = now_us
            pipes = [pipe for pipe in (sender.uplink, link.pipe(sender.index, receiver.index)) if pipe is not None]
            for pipe in pipes:
                if pipe.room_at_us(size, now_us) > now_us or (pipe.queue and pipe is not self._turn_at):
                    self._queue_at(pipe)
                    return
            self._turn_at = None
            for pipe in pipes:
                leaves_us = max(leaves_us, pipe.send(size, leaves_us))
            delay_us = link.delay_us(sender.index, receiver.index)
            if link.loss and (losses := link.losses(size)):
                delay_us += 2 * delay_us + max(MIN_TIMEOUT_US, 2 * delay_us) * ((1 << (losses - 1)) - 1)
            arrives_us = max(leaves_us + delay_us, self.last_arrival_us)
            self.last_arrival_us = arrives_us
            queue.popleft()
            shown, check = (0, 0) if self.is_opaque else (len(data), crc32(data))
            network.note(kind.value, self.source, self.target, shown, check, arrives_us - now_us)
            scheduler.schedule(arrives_us, Segment(self, kind, data))
        if self.flow is not None:
            self.flow.push()

    @staticmethod
    def rounded(size: int) -> int:
        """What a size counts as where it may differ from run to run."""
        return -(-size // OPAQUE_STEP_BYTES) * OPAQUE_STEP_BYTES

    def _block(self, fault: Fault | None) -> None:
        now_us = self.network.loop.scheduler.now_us
        self._waiting = True
        if fault is not None and fault.holds:
            fault.hold(Resume(self))
            return
        if self._blocked_since_us < 0:
            self._blocked_since_us = now_us
        self.network.note(
            self._queue[0][0].value,
            self.source,
            self.target,
            0 if self.is_opaque else len(self._queue[0][1]),
            0,
            fault.code if fault is not None else HOST_DOWN,
        )
        if now_us - self._blocked_since_us >= self.give_up_us:
            self.close()
            self.sender.fail(TimeoutError(errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT)))
            return
        self._wait_until(now_us + self._retry_us)
        self._retry_us = min(self._retry_us * 2, LONG_TIMEOUT_US)

    def next_bytes(self) -> int:
        """What the first segment needs room for."""
        return (len(self._queue[0][1]) if self._queue else 0) + SEGMENT_HEADER_BYTES

    def take_turn(self, pipe: Pipe) -> None:
        """This channel is the first in the queue of `pipe`, and there is room for one segment."""
        self._turn_at = pipe
        self.resume()
        self._turn_at = None

    def _queue_at(self, pipe: Pipe) -> None:
        """One segment a turn: a stream that has just sent goes behind all that wait."""
        self._waiting = True
        if pipe is self._turn_at:
            pipe.queue.appendleft(self)
        else:
            pipe.queue.append(self)
        if not pipe.has_turn_scheduled:
            Turn(pipe, self.network.loop.scheduler).schedule()

    def _wait_until(self, at_us: int) -> None:
        self._waiting = True
        self.network.loop.scheduler.schedule(at_us, Resume(self))

    def bounce(self, kind: Kind, data: bytes) -> None:
        """A segment found the receiver switched off: it is sent again until it is answered or time is up."""
        if not self._closed:
            self._queue.appendleft((kind, data))
            if not self._waiting:
                self._wait_until(self.network.loop.scheduler.now_us + self._retry_us)


class Segment:
    """A piece of a stream under way."""

    __slots__ = ("_channel", "_data", "_kind", "_through_access")
    _cancelled = False

    def __init__(self, channel: Channel, kind: Kind, data: bytes) -> None:
        self._channel = channel
        self._kind = kind
        self._data = data
        self._through_access = False

    def _run(self) -> None:
        channel = self._channel
        host = channel.receiver.host
        if not host.is_up:
            channel.bounce(self._kind, self._data)
            return
        if host.downlink is not None and not self._through_access:
            scheduler = channel.network.loop.scheduler
            size = len(self._data) + SEGMENT_HEADER_BYTES
            room_us = host.downlink.room_at_us(size, scheduler.now_us)
            self._through_access = True
            scheduler.schedule(max(host.downlink.send(size, room_us), room_us), self)
            return
        channel.receiver.receive_segment(self._kind, self._data)


class Turn:
    """The moment at which a pipe has room for the first channel that waits for it."""

    __slots__ = ("_pipe", "_scheduler")
    _cancelled = False

    def __init__(self, pipe: Pipe, scheduler: Scheduler) -> None:
        self._pipe = pipe
        self._scheduler = scheduler

    def schedule(self) -> None:
        pipe, now_us = self._pipe, self._scheduler.now_us
        pipe.has_turn_scheduled = True
        self._scheduler.schedule(pipe.room_at_us(pipe.queue[0].next_bytes(), now_us), self)

    def _run(self) -> None:
        pipe = self._pipe
        pipe.has_turn_scheduled = False
        pipe.queue.popleft().take_turn(pipe)
        if pipe.queue and not pipe.has_turn_scheduled:
            self.schedule()


class Resume:
    """The moment at which a waiting channel tries again."""

    __slots__ = ("_channel",)
    _cancelled = False

    def __init__(self, channel: Channel) -> None:
        self._channel = channel

    def _run(self) -> None:
        self._channel.resume()


class Acknowledgement:
    """A window update under way, or waiting for a way."""

    __slots__ = ("_channel", "_total", "is_sent")
    _cancelled = False

    def __init__(self, channel: Channel, total: int) -> None:
        self._channel = channel
        self._total = total
        self.is_sent = False

    def _run(self) -> None:
        if self.is_sent:
            receive = getattr(self._channel.receiver, "receive_acknowledgement", None)
            if receive is not None:
                receive(self._total)
        else:
            self._channel.acknowledge(self._total)


SEGMENT_HEADER_BYTES = 40  # IPv4 20 (RFC 791) + TCP 20 (RFC 9293), once for what is sent together
OPAQUE_STEP_BYTES = 512
MIN_TIMEOUT_US = 200_000  # the shortest retransmission time-out of Linux
LONG_TIMEOUT_US = 120_000_000  # RFC 6298, (2.5): a maximum, of at least 60 s

"""What is under way between the two ends of a packet flow, and the moments at which they look around."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from transfer.congestion.bulk.packets import BulkAck, BulkPacket

if TYPE_CHECKING:
    from transfer.simulation.packets.flow import PacketFlow


class UnderWay:
    """A packet on its way to the receiver, or an acknowledgement on its way back."""

    __slots__ = ("_flow", "_through_access", "size", "source", "target", "what")
    _cancelled = False

    def __init__(self, flow: PacketFlow, what: BulkPacket | BulkAck, size: int) -> None:
        self._flow = flow
        self._through_access = False
        self.what = what
        self.size = size
        sender, receiver = flow.ends
        self.source, self.target = (sender, receiver) if isinstance(what, BulkPacket) else (receiver, sender)

    def _run(self) -> None:
        target = self.target
        if not target.is_up:
            return
        if target.downlink is not None and not self._through_access:
            scheduler = self._flow.network.loop.scheduler
            arrives_us = target.downlink.send(self.size, scheduler.now_us)
            if arrives_us >= 0:
                self._through_access = True
                scheduler.schedule(arrives_us, self)
            return
        self._flow.receive(self.what)


class Timer:
    """A moment at which one of the two ends looks whether something is due."""

    __slots__ = ("_call", "_cancelled", "_flow", "at_us")

    def __init__(self, flow: PacketFlow, at_us: int, call: Callable[[PacketFlow], None]) -> None:
        self.at_us = at_us
        self._flow = flow
        self._call = call
        self._cancelled = False
        flow.network.loop.scheduler.schedule(at_us, self)

    def cancel(self) -> None:
        """It passes without a word."""
        self._cancelled = True
        self._flow.network.loop.scheduler.note_cancelled()

    def _run(self) -> None:
        self._call(self._flow)

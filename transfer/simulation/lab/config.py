"""What a run of the lab consists of: the two lines, what becomes of them, and the flows."""

from __future__ import annotations

from dataclasses import dataclass, field

from transfer.congestion.bulk.packets import BulkConfig
from transfer.simulation.link import DATAGRAM_HEADER_BYTES, Link


@dataclass(frozen=True, slots=True, kw_only=True)
class LabFlow:
    """One sender, one receiver, one controller.

    Args:
        controller: its name, as `transfer.congestion` knows it.
        start_s: when its first packet may leave.
        stop_s: when it stops sending anything new; None: never.
        transfers: sizes in bytes of payload; the next one begins when the receiver has asked for it, which it does
            when it has all of the one before. Empty: one without an end.
        extra_delay_s: one-way delay of this flow alone, in both directions, beyond that of the lines.
        label: in reports; by default the controller's name and a number where there are several of it.
    """

    controller: str
    start_s: float = 0.0
    stop_s: float | None = None
    transfers: tuple[int, ...] = ()
    extra_delay_s: float = 0.0
    label: str = ""

    def __post_init__(self) -> None:
        if self.start_s < 0 or self.extra_delay_s < 0:
            raise ValueError("start_s and extra_delay_s must not be negative")
        if self.stop_s is not None and self.stop_s <= self.start_s:
            raise ValueError("stop_s must be later than start_s")
        if any(size < 1 for size in self.transfers):
            raise ValueError("transfers must have at least one byte each")


@dataclass(frozen=True, slots=True, kw_only=True)
class LabChange:
    """From `at_s` on the lines are these; what waits in a queue goes on waiting, for the new rate.

    Args:
        data: the line there; None leaves it as it is.
        acknowledgements: the same for the way back.
    """

    at_s: float
    data: Link | None = None
    acknowledgements: Link | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LabOutage:
    """For a time nothing gets through, in either direction.

    Args:
        keeps: packets wait, as far as the queue has room, and go on afterwards, as with a wireless station that looks
            for another channel. Otherwise they are lost: a black hole.
    """

    at_s: float
    duration_s: float
    keeps: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class LabConfig:
    """One experiment.

    Args:
        data: what packets meet; its `rate_bytes_per_s` and `queue_bytes` are the bottleneck.
        acknowledgements: what they meet; None: the delay of `data`, without any limit or loss.
        duration_s: of virtual time; it ends earlier when every flow has transferred all it had to.
        warm_up_s: what happened before counts neither for rates nor for round trips and queues.
        bulk: what packets and acknowledgements are like. Rates of reports count whole packets, as the line does: a full
            line has a goodput of its rate.
        mark_bytes: packets that find so much in the queue are marked "congestion experienced" (ECN); None: none are.
        sample_s: how often the queue is looked at.
        course_s: how often the flows are: their windows, rates and states.
        seed: of all that is random.
    """

    data: Link
    flows: tuple[LabFlow, ...]
    acknowledgements: Link | None = None
    duration_s: float = 20.0
    warm_up_s: float = 0.0
    bulk: BulkConfig = field(default_factory=BulkConfig)
    mark_bytes: int | None = None
    changes: tuple[LabChange, ...] = ()
    outages: tuple[LabOutage, ...] = ()
    sample_s: float = 0.01
    course_s: float = 0.1
    seed: int = 1

    def __post_init__(self) -> None:
        if not self.flows:
            raise ValueError("a lab needs at least one flow")
        if not 0 < self.duration_s <= 86_400 or not 0 <= self.warm_up_s < self.duration_s:
            raise ValueError("duration_s must be positive and at most a day, and warm_up_s less than it")
        if min(self.bulk.packet_bytes, self.bulk.ack_bytes) <= DATAGRAM_HEADER_BYTES:
            raise ValueError(f"packets and acknowledgements need more than {DATAGRAM_HEADER_BYTES} bytes")
        if self.sample_s < 1e-4 or self.course_s < 1e-4:
            raise ValueError("sample_s and course_s must be at least a tenth of a millisecond")

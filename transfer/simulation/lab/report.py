"""What the flows of a lab did: rates, round trips, queues, shares, and their course over time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowSample:
    """One flow at one moment.

    Attributes:
        delivered_bytes: all that its receiver had by then, each packet once.
        window_bytes, pacing_bytes_per_s, state: its controller's; no pacing is None.
    """

    at_s: float
    delivered_bytes: int
    window_bytes: int
    pacing_bytes_per_s: float | None
    in_flight_bytes: int
    state: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowReport:
    """What one flow did. "Measured" is what lies between the warm-up and the end.

    Attributes:
        goodput_bytes_per_s: measured, at the receiver, each packet counted once; over the time in which it might send.
        completed_s: when the receiver had the last byte of each transfer, counted from the beginning of the run.
        sent_packets, retransmitted_packets, lost_packets: of the whole run; lost ones were dropped by a queue or
            lost on the line.
        retransmitted_share: of the packets that were sent.
        rtts_s: measured, ascending, one for each acknowledgement: what its newest packet and it took on their ways, the
            time that it waited at the receiver left out.
        samples: every `LabConfig.sample_s`.
    """

    label: str
    controller: str
    start_s: float
    goodput_bytes_per_s: float
    delivered_bytes: int
    completed_s: tuple[float, ...]
    sent_packets: int
    retransmitted_packets: int
    lost_packets: int
    rtts_s: Sequence[float]
    samples: Sequence[FlowSample]

    @property
    def retransmitted_share(self) -> float:
        return self.retransmitted_packets / self.sent_packets if self.sent_packets else 0.0

    def rtt_s(self, share: float) -> float:
        """The round trip that `share` of all are at most as long as."""
        return percentile(self.rtts_s, share)

    def rates(self, width_s: float) -> list[tuple[float, float]]:
        """(the middle of an interval, bytes a second delivered in it), from the beginning of the run on."""
        return _rates([(sample.at_s, sample.delivered_bytes) for sample in self.samples], width_s)

    def delivered_by(self, at_s: float) -> int:
        """Bytes that had arrived at the sample before `at_s`."""
        return max((sample.delivered_bytes for sample in self.samples if sample.at_s <= at_s), default=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class LabReport:
    """What all flows of one run did.

    Attributes:
        flows: in the order of the configuration.
        ended_s: when the run was over.
        queue_s: measured, ascending: how long a packet would have waited at each sample.
        queue: (time, bytes in the queue) at every sample of the run.
        dropped_packets, lost_packets, marked_packets: on the line for data: by its queue, by chance, with ECN.
        events: arrivals, timers, samples and changes: what the run cost.
        digest: equal for equal runs: of every arrival, with its time.
    """

    flows: tuple[FlowReport, ...]
    ended_s: float
    queue_s: Sequence[float]
    queue: Sequence[tuple[float, float]]
    dropped_packets: int
    lost_packets: int
    marked_packets: int
    events: int
    digest: str

    @property
    def goodput_bytes_per_s(self) -> float:
        """Of all flows together."""
        return sum(flow.goodput_bytes_per_s for flow in self.flows)

    @property
    def retransmitted_share(self) -> float:
        """Of all packets that were sent."""
        sent = sum(flow.sent_packets for flow in self.flows)
        return sum(flow.retransmitted_packets for flow in self.flows) / sent if sent else 0.0

    @property
    def jain(self) -> float:
        """How equal the goodputs are."""
        return jain([flow.goodput_bytes_per_s for flow in self.flows])

    def rtt_s(self, share: float) -> float:
        """Over the round trips of all flows together."""
        if len(self.flows) == 1:
            return self.flows[0].rtt_s(share)
        return percentile(sorted(rtt_s for flow in self.flows for rtt_s in flow.rtts_s), share)

    def queueing_s(self, share: float) -> float:
        """The wait that `share` of all samples are at most as long as."""
        return percentile(self.queue_s, share)


def jain(rates: Sequence[float]) -> float:
    """Jain's index of fairness: 1 when all get the same, 1/n when one gets all (Jain, Chiu, Hawe 1984)."""
    squares = sum(rate * rate for rate in rates)
    return sum(rates) ** 2 / (len(rates) * squares) if squares else 1.0


def percentile(ascending: Sequence[float], share: float) -> float:
    """The least of the values that `share` of them do not exceed; 0 of none."""
    if not ascending:
        return 0.0
    return ascending[min(len(ascending) - 1, max(0, -int(-share * len(ascending) // 1) - 1))]


def _rates(delivered: Sequence[tuple[float, int]], width_s: float) -> list[tuple[float, float]]:
    found: list[tuple[float, float]] = []
    begin_s, begin_bytes = 0.0, 0
    for at_s, total in delivered:
        if at_s >= begin_s + width_s * 0.999:
            found.append(((begin_s + at_s) / 2, (total - begin_bytes) / (at_s - begin_s)))
            begin_s, begin_bytes = at_s, total
    return found

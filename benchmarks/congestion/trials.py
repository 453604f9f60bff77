"""Running many experiments on several processes, and what is kept of each."""

from __future__ import annotations

import json
import multiprocessing
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace

from transfer.simulation import FlowReport, LabConfig, LabReport, run_lab


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One experiment under a name that is its own.

    Attributes:
        course_steps: how many steps of a flow's rate, of the queue and of the window are kept for a picture; 0: none.
        compare_from_s: the rates that `Outcome.late_rates` has are those from here on.
    """

    name: str
    config: LabConfig
    course_steps: int = 0
    compare_from_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What one experiment came to. Rates are bytes a second, lists have an entry for each flow.

    Attributes:
        lost_share: of all packets that were sent, what the queue dropped or the line lost.
        dropped_share: what the queue dropped.
        completed_s: when each flow had done with all of its transfers; None: not in time.
        courses: of each flow, (second, bytes a second).
        queue: (second, bytes in the queue), for a picture.
    """

    name: str
    ended_s: float
    rates: list[float]
    late_rates: list[float]
    completed_s: list[float | None]
    rtt_p50_s: float
    rtt_p95_s: float
    queue_p50_s: float
    queue_p95_s: float
    flow_rtt_p50_s: list[float]
    retransmitted: float
    lost_share: float
    dropped_share: float
    jain: float
    events: int
    took_s: float
    digest: str
    courses: list[list[tuple[float, float]]] = field(default_factory=list)
    queue: list[tuple[float, float]] = field(default_factory=list)

    @property
    def rate(self) -> float:
        return sum(self.rates)

    @property
    def mbit_s(self) -> float:
        return self.rate * 8e-6

    def share(self, index: int) -> float:
        """The part of what all got that one flow got."""
        return self.rates[index] / self.rate if self.rate else 0.0


def run_all(trials: Sequence[Trial], processes: int | None = None) -> Iterator[Outcome]:
    """Runs everything, as results come; the longest first, so that no process is left with it at the end."""
    ordered = sorted(trials, key=_cost, reverse=True)
    count = min(processes or os.cpu_count() or 1, len(ordered))
    if count <= 1:
        yield from map(run_one, ordered)
        return
    with multiprocessing.get_context("spawn").Pool(count, maxtasksperchild=8) as pool:
        yield from pool.imap_unordered(run_one, ordered)


def run_one(trial: Trial) -> Outcome:
    began = time.perf_counter()
    report = run_lab(trial.config)
    return _outcome(trial, report, time.perf_counter() - began)


def as_json(outcome: Outcome) -> str:
    return json.dumps(asdict(replace(outcome, courses=[], queue=[])))


def _cost(trial: Trial) -> float:
    config = trial.config
    packets = (config.data.rate_bytes_per_s or 1e6) * config.duration_s / config.bulk.packet_bytes
    wanted = sum(sum(flow.transfers) for flow in config.flows) / config.bulk.packet_bytes
    return min(packets, wanted) if wanted else packets


def _outcome(trial: Trial, report: LabReport, took_s: float) -> Outcome:
    sent = sum(flow.sent_packets for flow in report.flows) or 1
    width_s = report.ended_s / trial.course_steps if trial.course_steps else 0.0
    return Outcome(
        name=trial.name,
        ended_s=report.ended_s,
        rates=[flow.goodput_bytes_per_s for flow in report.flows],
        late_rates=[_rate_from(flow, trial.compare_from_s, report.ended_s) for flow in report.flows],
        completed_s=[
            flow.completed_s[-1] if wanted.transfers and len(flow.completed_s) == len(wanted.transfers) else None
            for flow, wanted in zip(report.flows, trial.config.flows, strict=True)
        ],
        rtt_p50_s=report.rtt_s(0.5),
        rtt_p95_s=report.rtt_s(0.95),
        queue_p50_s=report.queueing_s(0.5),
        queue_p95_s=report.queueing_s(0.95),
        flow_rtt_p50_s=[flow.rtt_s(0.5) for flow in report.flows],
        retransmitted=report.retransmitted_share,
        lost_share=(report.dropped_packets + report.lost_packets) / sent,
        dropped_share=report.dropped_packets / sent,
        jain=report.jain,
        events=report.events,
        took_s=took_s,
        digest=report.digest,
        courses=[flow.rates(width_s) for flow in report.flows] if width_s else [],
        queue=_thinned(report.queue, width_s) if width_s else [],
    )


def _rate_from(flow: FlowReport, from_s: float, until_s: float) -> float:
    return (flow.delivered_bytes - flow.delivered_by(from_s)) / (until_s - from_s) if until_s > from_s else 0.0


def _thinned(samples: Sequence[tuple[float, float]], width_s: float) -> list[tuple[float, float]]:
    """The mean of each interval."""
    found: list[tuple[float, float]] = []
    begin, end_s = 0, width_s
    for place, (at_s, _) in enumerate(samples):
        if at_s >= end_s and place > begin:
            values = [value for _, value in samples[begin:place]]
            found.append((end_s - width_s / 2, sum(values) / len(values)))
            begin, end_s = place, end_s + width_s
    return found

"""Medians, ratios and the goals they are held to."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

from benchmarks.bittorrent.content import MIB
from benchmarks.bittorrent.programs import Used


@dataclass(frozen=True, slots=True)
class Goal:
    """`field` of ours, divided by that of `peer` unless it is None, may be `limit` at most."""

    field: str
    peer: str | None
    limit: float


def summarise(case: str, mib: int, results: dict[str, list[Used]]) -> dict[str, Any]:
    """One JSON object: medians of each program, ratios, and every sample."""
    medians = {name: {key: _median(samples, key) for key in FIELDS} for name, samples in results.items()}
    goals = []
    for goal in GOALS.get(case, ()) + LATENCY_GOALS:
        ours = medians["ours"][goal.field]
        other = medians.get(goal.peer, {}).get(goal.field) if goal.peer is not None else 1.0
        if ours is not None and other:
            value = ours / other
            goals.append({**asdict(goal), "value": value, "is_met": value <= goal.limit})
    samples = {name: [asdict(used) for used in each] for name, each in results.items()}
    return {"case": case, "mib": mib, "medians": medians, "goals": goals, "samples": samples}


def lines(summary: dict[str, Any]) -> list[str]:
    """The summary as a table for people."""
    mib = summary["mib"]
    found = [f"{summary['case']}: {mib} MiB, median of {len(summary['samples']['ours'])} runs"]
    found.append("  ".join([f"{'':<11}", *(f"{title:>{width}}" for title, width, *_ in COLUMNS)]))
    for name, values in summary["medians"].items():
        values["rate"] = mib / values["wall_s"]
        cells = [_show(values[field], scale, width, digits) for _, width, field, scale, digits in COLUMNS]
        found.append("  ".join([f"{name:<11}", *cells]))
    for goal in summary["goals"]:
        against = f" / {goal['peer']}" if goal["peer"] else ""
        verdict = "met" if goal["is_met"] else "MISSED"
        found.append(f"  {goal['field'] + against:<32}{goal['value']:12.3f}  goal {goal['limit']:g}  {verdict}")
    return found


def _median(samples: list[Used], field: str) -> float | None:
    values = [value for used in samples if (value := getattr(used, field)) is not None]
    return median(values) if values else None


def _show(value: float | None, scale: float, width: int, digits: int) -> str:
    return f"{value * scale:{width}.{digits}f}" if value else " " * width


# Title, width, field, what it is multiplied with, digits.
COLUMNS = (
    ("wall s", 7, "wall_s", 1.0, 2),
    ("MiB/s", 5, "rate", 1.0, 0),
    ("CPU s", 6, "cpu_s", 1.0, 2),
    ("others", 6, "others_cpu_s", 1.0, 2),
    ("RSS MiB", 7, "peak_rss_bytes", 1 / MIB, 0),
    ("synced", 6, "synced_s", 1.0, 2),
    ("p99 ms", 6, "latency_p99_s", 1e3, 1),
    ("max ms", 6, "latency_max_s", 1e3, 1),
)
FIELDS = tuple(Used.__dataclass_fields__)
GOALS: dict[str, tuple[Goal, ...]] = {
    "download": (
        Goal("wall_s", "libtorrent", 1.0),
        Goal("cpu_s", "libtorrent", 1.1),
        Goal("wall_s", "aria2", 0.5),
        Goal("peak_rss_bytes", None, 150 * MIB),
    ),
    "download-v2": (Goal("wall_s", "libtorrent", 1.0),),
    "download-hybrid": (Goal("wall_s", "libtorrent", 1.0),),
    "upload": (Goal("wall_s", "libtorrent", 1.0),),
    "pair": (Goal("wall_s", "libtorrent", 1.2),),
    "many-peers": (Goal("wall_s", "libtorrent", 1.1),),
    "swarm": (Goal("wall_s", "libtorrent", 1.2),),
    "encrypted": (Goal("wall_s", "libtorrent", 1.0),),
    "first-mib": (Goal("wall_s", "libtorrent", 1.1),),
}
LATENCY_GOALS = (Goal("latency_p99_s", None, 0.020), Goal("latency_max_s", None, 0.100))

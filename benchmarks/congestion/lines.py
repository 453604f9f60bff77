"""Lines in the units that papers use."""

from __future__ import annotations

from collections.abc import Sequence

from transfer.simulation import LatencyModel, Link


def line(
    *,
    mbit_s: float | None,
    delay_ms: float | LatencyModel,
    queue_bytes: float | None = None,
    queue_bdp: float = 1.0,
    queue_ms: float | None = None,
    loss: float = 0.0,
    loss_every: int = 0,
    jitter_ms: float = 0.0,
) -> Link:
    """One direction of a path.

    Args:
        delay_ms: one way.
        queue_bytes, queue_ms, queue_bdp: one of them says how long the queue is; BDPs are those of two delays. Two
            packets fit into any.
    """
    rate = None if mbit_s is None else mbit_s * 1e6 / 8
    if queue_ms is not None and rate is not None:
        queue_bytes = rate * queue_ms / 1e3 + PACKET_BYTES
    elif queue_bytes is None:
        assert isinstance(delay_ms, int | float)
        queue_bytes = (rate or 0.0) * 2 * delay_ms / 1e3 * queue_bdp
    return Link(
        delay_s=delay_ms / 1e3 if isinstance(delay_ms, int | float) else delay_ms,
        jitter_s=jitter_ms / 1e3,
        keeps_order=True,
        rate_bytes_per_s=rate,
        queue_bytes=max(round(queue_bytes), 2 * PACKET_BYTES),
        loss=loss,
        loss_every=loss_every,
    )


def middle(values: Sequence[float]) -> float:
    """The median."""
    ordered = sorted(values)
    return ordered[len(ordered) // 2] if ordered else 0.0


PACKET_BYTES = 1500

"""A lab that writes down when packets leave the queue and when they arrive."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from transfer.simulation.lab.config import LabConfig, LabFlow
from transfer.simulation.lab.line import Line
from transfer.simulation.lab.run import Lab
from transfer.simulation.link import Link


class WatchedLab(Lab):
    """Data packets only: `arrived` has (microsecond, sending), `offered` the same for what came to the queue."""

    def __init__(self, config: LabConfig) -> None:
        self.arrived: list[tuple[int, object]] = []
        self.left_us: list[int] = []
        super().__init__(config)

    def schedule(
        self, at_us: int, call: Callable[[Any], None], what: Any, line: Line | None = None, leaves_us: int = 0
    ) -> None:
        if line is not None and line is self.data:
            self.left_us.append(leaves_us)

            def arrive(packet: Any) -> None:
                self.arrived.append((self.now_us, packet))
                call(packet)

            super().schedule(at_us, arrive, what, line, leaves_us)
        else:
            super().schedule(at_us, call, what, line, leaves_us)


def link(
    mbit_s: float = 10.0,
    rtt_ms: float = 40.0,
    bdp: float = 1.0,
    *,
    loss: float = 0.0,
    loss_every: int = 0,
    jitter_ms: float = 0.0,
    keeps_order: bool = True,
) -> Link:
    rate = mbit_s * 1e6 / 8
    return Link(
        delay_s=rtt_ms / 2e3,
        rate_bytes_per_s=rate,
        queue_bytes=max(3000, round(rate * rtt_ms / 1e3 * bdp)),
        loss=loss,
        loss_every=loss_every,
        jitter_s=jitter_ms / 1e3,
        keeps_order=keeps_order,
    )


def flows(*controllers: str, every_s: float = 0.0) -> tuple[LabFlow, ...]:
    return tuple(LabFlow(controller=name, start_s=every_s * index) for index, name in enumerate(controllers))

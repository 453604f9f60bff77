"""The paths on which the kernel and the simulation are compared."""

from __future__ import annotations

from dataclasses import dataclass

from transfer.simulation import Link


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """One path and what is sent over it. Acknowledgements come back over a line that has the delay and nothing else.

    Attributes:
        mbit_s, rtt_ms: of the bottleneck, and of the path while its queue is empty.
        queue_bdp: the queue, in products of the rate and the round trip; it drops what does not fit.
        loss: the share of packets that is lost by chance.
        loss_every: every so-many-th is lost.
        jitter_ms: each packet takes up to so much longer; it overtakes none unless `reorders`.
        megabytes: payload.
    """

    name: str
    mbit_s: float
    rtt_ms: float
    queue_bdp: float = 1.0
    loss: float = 0.0
    loss_every: int = 0
    jitter_ms: float = 0.0
    reorders: bool = False
    megabytes: float = 4.0

    @property
    def data(self) -> Link:
        rate = self.mbit_s * 1e6 / 8
        return Link(
            delay_s=self.rtt_ms / 2e3,
            jitter_s=self.jitter_ms / 1e3,
            keeps_order=not self.reorders,
            rate_bytes_per_s=rate,
            queue_bytes=max(2 * PACKET_BYTES, round(rate * self.rtt_ms / 1e3 * self.queue_bdp)),
            loss=self.loss,
            loss_every=self.loss_every,
        )

    @property
    def acknowledgements(self) -> Link:
        return Link(delay_s=self.rtt_ms / 2e3)

    @property
    def size(self) -> int:
        """Bytes: whole packets, for a bulk flow of the simulation knows no others."""
        return round(self.megabytes * 1e6 / PAYLOAD_BYTES) * PAYLOAD_BYTES

    @property
    def is_random(self) -> bool:
        return bool(self.loss or self.jitter_ms)


PAYLOAD_BYTES = 1448  # of TCP over Ethernet: 1500 without headers (40) and timestamps (12)
PACKET_BYTES = 1500
PROFILES = (
    Profile(name="home line", mbit_s=10, rtt_ms=40),
    Profile(name="slow line", mbit_s=2, rtt_ms=20, queue_bdp=4, megabytes=1),
    Profile(name="long path", mbit_s=20, rtt_ms=100, megabytes=8),
    Profile(name="very long path", mbit_s=10, rtt_ms=200, megabytes=6),
    Profile(name="shallow queue", mbit_s=20, rtt_ms=50, queue_bdp=0.25, megabytes=6),
    Profile(name="deep queue", mbit_s=10, rtt_ms=50, queue_bdp=4),
    Profile(name="every 100th lost", mbit_s=10, rtt_ms=50, loss_every=100, megabytes=2),
    Profile(name="0.1 % loss", mbit_s=20, rtt_ms=50, loss=0.001, megabytes=6),
    Profile(name="1 % loss", mbit_s=10, rtt_ms=50, loss=0.01, megabytes=3),
    Profile(name="wireless jitter", mbit_s=10, rtt_ms=40, queue_bdp=2, jitter_ms=20),
    Profile(name="reordering", mbit_s=10, rtt_ms=40, queue_bdp=2, jitter_ms=4, reorders=True),
)

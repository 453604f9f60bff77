"""When how many bytes may leave: runs of a bounded size, spread over time at the controller's rate. Pure."""

from __future__ import annotations

from dataclasses import dataclass

UNPACED_BYTES = 1 << 62  # the answer when nothing but the window holds a sender back


@dataclass(frozen=True, slots=True, kw_only=True)
class PacerConfig:
    """How much leaves at once.

    Attributes:
        run_s: a run is what the rate gives in this time (draft-ietf-ccwg-bbr, section 4.6.3: 1 ms) …
        min_run_packets: … but so many packets at least: a wake-up has its price …
        max_run_bytes: … and so many bytes at most: what one call with UDP_SEGMENT carries.
        slow_rate: below this rate, in bytes a second, a run is one packet (1.2 Mbit/s there).
        late_s: a timer that fires late by up to this much is made up for; what is later is lost for ever.
    """

    run_s: float = 0.001
    min_run_packets: int = 2
    max_run_bytes: int = 64 * 1024
    slow_rate: float = 150_000.0
    late_s: float = 0.002

    def __post_init__(self) -> None:
        if (
            self.run_s < 0
            or self.min_run_packets < 1
            or self.max_run_bytes < 1
            or self.slow_rate < 0
            or self.late_s < 0
        ):
            raise ValueError("no setting of a pacer may be negative, and a run is at least one packet")


class Pacer:
    """Lets a run leave, then waits as long as its bytes take at the rate ("earliest departure time").

    In any time t no more leaves than rate * (t + late_s) and one run.

    Attributes:
        rate: bytes a second; None: not paced.
        run_bytes: what leaves at once at most when nothing is to be made up.
    """

    __slots__ = ("_config", "_packet_bytes", "next_at", "rate", "run_bytes")

    def __init__(self, *, packet_bytes: int, config: PacerConfig | None = None) -> None:
        self._config = config or PacerConfig()
        self._packet_bytes = packet_bytes
        self.rate: float | None = None
        self.run_bytes = UNPACED_BYTES
        self.next_at = 0.0

    def set_rate(self, rate: float | None, *, now: float) -> None:
        """The controller's rate from now on, in bytes a second. A wait that has begun changes with it."""
        before = self.rate
        if rate == before:
            return
        self.rate = rate
        if rate is None:
            self.run_bytes = UNPACED_BYTES
            return
        if rate <= 0:
            raise ValueError("a pacing rate must be positive")
        if before is not None and self.next_at > now:
            self.next_at = now + (self.next_at - now) * before / rate
        config = self._config
        if rate < config.slow_rate:
            self.run_bytes = self._packet_bytes
        else:
            run = int(rate * config.run_s)
            run = max(min(run, config.max_run_bytes), config.min_run_packets * self._packet_bytes)
            self.run_bytes = run

    def set_packet_size(self, packet_bytes: int, *, now: float) -> None:
        """Packets are of this size from now on."""
        self._packet_bytes = packet_bytes
        rate, self.rate = self.rate, None
        self.set_rate(rate, now=now)

    def budget(self, *, now: float) -> int:
        """How many bytes may leave now: 0 before `next_at`. The last packet of a run may go beyond it."""
        rate = self.rate
        if rate is None:
            return UNPACED_BYTES
        late = now - self.next_at
        if late < -_ROUNDING_S:
            return 0
        if late <= 0:
            return self.run_bytes
        if late > self._config.late_s:
            late = self._config.late_s
        return self.run_bytes + int(late * rate)

    def on_sent(self, size: int, *, now: float) -> None:
        """So many bytes have left."""
        if self.rate is not None:
            earliest = now - self._config.late_s
            self.next_at = (self.next_at if self.next_at > earliest else earliest) + size / self.rate


_ROUNDING_S = 1e-6  # clocks of drivers have microseconds

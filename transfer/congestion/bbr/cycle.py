"""When BBR looks for more bandwidth, and what the acknowledgements of the moment say of such a look. Pure."""

from __future__ import annotations

import random
from enum import Enum

from transfer.congestion.bbr.config import BbrConfig


class AckPhase(Enum):
    """What was being done when the packets were sent that are acknowledged now: a round after it was done."""

    INIT = "no look for bandwidth"
    REFILLING = "the pipe was being filled"
    STARTING = "a look has begun, and shows nothing yet"
    FEEDBACK = "a look, while it goes on"
    STOPPING = "a look that is over"


class ProbeCycle:
    """The clock of the cycle DOWN, CRUISE, REFILL, UP (draft-ietf-ccwg-bbr, "Time Scale for Bandwidth Probing").

    Attributes:
        phase: see `AckPhase`.
        is_probe_sample: what is acknowledged or lost now was sent in REFILL or UP, and no limit was set by it yet.
        was_too_high: the last look lost too much.
        was_careful: the last look was broken off at the limit of the one before, for which `was_too_high` held.
        rounds: since the last look.
        wait_s: the time from `began_at` after which the next look is due, whatever the rounds.
    """

    __slots__ = (
        "_config",
        "_rng",
        "began_at",
        "is_probe_sample",
        "phase",
        "rounds",
        "wait_s",
        "was_careful",
        "was_too_high",
    )

    def __init__(self, config: BbrConfig, rng: random.Random) -> None:
        self._config = config
        self._rng = rng
        self.phase = AckPhase.INIT
        self.is_probe_sample = False
        self.was_too_high = self.was_careful = False
        self.rounds = 0
        self.began_at = 0.0
        self.wait_s = 0.0

    def restart(self, *, now: float) -> None:
        """A look is over: picks when the next one is due, by chance, so that flows do not all look at once."""
        self.rounds = self._rng.randint(0, 1)
        self.wait_s = self._config.probe_wait_s + self._config.probe_wait_spread_s * self._rng.random()
        self.began_at = now
        self.phase = AckPhase.STOPPING

    def is_due(self, target_packets: float, *, now: float) -> bool:
        """After 2 to 3 s, or sooner, as many rounds as Reno would take to grow by half at this window.

        So BBR takes no bandwidth from a Reno flow oftener than Reno flows take it from each other. The draft counts the
        BDP in packets; below 4 packets it would never stop looking, so 4 is the least here, as in `tcp_bbr`.
        """
        rounds = min(max(target_packets, self._config.min_pipe_packets), self._config.reno_rounds)
        return now > self.began_at + self.wait_s or self.rounds >= rounds

    def on_round(self) -> bool:
        """A round has ended. Returns whether it was the last one that says something of a look."""
        self.rounds += 1
        if self.phase is AckPhase.STARTING:
            self.phase = AckPhase.FEEDBACK
        if self.phase is not AckPhase.STOPPING:
            return False
        self.phase = AckPhase.INIT
        self.is_probe_sample = False
        return True

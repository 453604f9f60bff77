"""How often the service looks, and how much it remembers."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceConfig:
    """Times and bounds.

    Attributes:
        refresh_interval_s: goals are looked at, and snapshots told, so often.
        many_jobs: with more, snapshots come more rarely, in proportion: each costs a look at every torrent.
        look_interval_s: watched folders are looked at so often.
        dht_warning_after_s: a DHT that cannot be joined is told of after so long, unless all is over by then.
        max_waiting_events: for each view, unless it asks for another number; the oldest are dropped and counted.
        refusals_look_s: it is looked so often whether limits have refused connections.
        refusals_worth_telling: of one limit, in the last minutes; fewer are nobody's worry.
        refusals_repeat_s: a limit that goes on refusing is told again after so long.
        version_timeout_s: a link to a torrent that changes is given up after so long without a version.
        max_warnings: of trackers; so many different ones are told.
        max_jobs_over: of jobs that failed or ended so many are remembered; the oldest are forgotten.
    """

    refresh_interval_s: float = 0.5
    many_jobs: int = 100
    look_interval_s: float = 5.0
    dht_warning_after_s: float = 3.0
    max_waiting_events: int = 1000
    refusals_look_s: float = 2.0
    refusals_worth_telling: int = 20
    refusals_repeat_s: float = 600.0
    version_timeout_s: float = 60.0
    max_warnings: int = 1000
    max_jobs_over: int = 10_000

    def __post_init__(self) -> None:
        if min(self.refresh_interval_s, self.refusals_look_s) <= 0:
            raise ValueError("refresh_interval_s and refusals_look_s must be positive")
        if self.version_timeout_s <= 0:
            raise ValueError("version_timeout_s must be positive")
        if min(self.look_interval_s, self.dht_warning_after_s) < 0:
            raise ValueError("look_interval_s and dht_warning_after_s must not be negative")
        if min(self.many_jobs, self.max_waiting_events, self.max_jobs_over) < 1 or self.max_warnings < 0:
            raise ValueError("many_jobs, max_waiting_events and max_jobs_over must be at least 1")

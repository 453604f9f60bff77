"""Tells when limits of connections refuse others: each limit once, and again when it goes on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator

from fileshare.service.config import ServiceConfig
from fileshare.service.events import ConnectionsRefused
from transfer import Limits, LimitsReport


class LimitWatch:
    """Decides what is news. Pure."""

    def __init__(self, config: ServiceConfig) -> None:
        self._config = config
        self._told: dict[str, float] = {}

    def news(self, report: LimitsReport, *, now: float) -> Iterator[ConnectionsRefused]:
        """Of each limit that has refused often, the scope where it did most."""
        for summary in report.refusals:
            limit = summary.latest.limit
            if summary.count < self._config.refusals_worth_telling:
                continue
            if now - self._told.get(limit, float("-inf")) >= self._config.refusals_repeat_s:
                self._told[limit] = now
                yield ConnectionsRefused(summary=summary)


async def watch_limits(limits: Limits, tell: Callable[[ConnectionsRefused], None], config: ServiceConfig) -> None:
    """Looks now and then, until it is cancelled."""
    watch, seen = LimitWatch(config), 0
    while True:
        await asyncio.sleep(config.refusals_look_s)
        if limits.core.journal.total != seen:
            seen = limits.core.journal.total
            for event in watch.news(limits.explain(), now=asyncio.get_running_loop().time()):
                tell(event)

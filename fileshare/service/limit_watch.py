"""Tells when limits of connections or of the DHT node refuse others: each once, and again when it goes on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator

from fileshare.service.config import ServiceConfig
from fileshare.service.events import ConnectionsRefused
from kademlia_core import NodeClosedError
from transfer import LimitsReport


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


async def watch_limits(
    explain: Callable[[], LimitsReport], tell: Callable[[ConnectionsRefused], None], config: ServiceConfig
) -> None:
    """Looks now and then, until it is cancelled, or until the node whose limits `explain` tells of is closed."""
    watch, seen = LimitWatch(config), 0
    while True:
        await asyncio.sleep(config.refusals_look_s)
        try:
            report = explain()
        except NodeClosedError:
            return
        if report.total != seen:
            seen = report.total
            for event in watch.news(report, now=asyncio.get_running_loop().time()):
                tell(event)

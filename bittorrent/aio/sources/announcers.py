"""Announcing a torrent under each of its hashes: a hybrid has two, and trackers take them for two torrents."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import replace

from bittorrent.aio.sources.tracker import TrackerAnnouncer
from bittorrent.identity.torrent_id import TorrentId
from bittorrent.stats import TrackerState, TrackerStats


class Announcers:
    """One `TrackerAnnouncer` for each short hash, from `start` until `aclose`.

    Args:
        make: makes the one for a hash; told what to call when a tracker warns.
        on_warning: called with the URL and the text, once if a tracker says the same of both hashes.
    """

    def __init__(
        self,
        torrent_id: TorrentId,
        make: Callable[[bytes, Callable[[str, str], None]], TrackerAnnouncer],
        *,
        on_warning: Callable[[str, str], None],
    ) -> None:
        self._make = make
        self._on_warning = on_warning
        self._each: dict[bytes, TrackerAnnouncer] = {}
        self._is_started = False
        self._announced = asyncio.Event()
        self._waiting: list[asyncio.Task[None]] = []
        self.learn(torrent_id)

    def learn(self, torrent_id: TorrentId) -> None:
        """The torrent turned out to have another hash as well: it is announced under that, too."""
        for info_hash in torrent_id.short:
            if info_hash not in self._each:
                made = self._each[info_hash] = self._make(info_hash, self._warned)
                if self._is_started:
                    self._start(made)

    def start(self) -> None:
        """Begin. A second call does nothing."""
        if not self._is_started:
            self._is_started = True
            for announcer in self._each.values():
                self._start(announcer)

    def completed(self) -> None:
        """The download is complete: tell the trackers soon."""
        for announcer in self._each.values():
            announcer.completed()

    def readdress(self) -> None:
        """We accept peers at another port now: tell the trackers that know the old one."""
        for announcer in self._each.values():
            announcer.readdress()

    def hurry(self) -> None:
        """Ask again as soon as the trackers allow it: more peers are wanted."""
        for announcer in self._each.values():
            announcer.hurry()

    @property
    def last_error(self) -> str | None:
        """Why the last announcement came to nothing; None as long as one hash is announced."""
        errors = [announcer.last_error for announcer in self._each.values()]
        return None if None in errors else errors[0]

    def trackers(self) -> tuple[TrackerStats, ...]:
        """A snapshot of all of them, each once: what it says of several hashes is added up."""
        found: dict[tuple[int, str], list[TrackerStats]] = {}
        for announcer in self._each.values():
            for stats in announcer.trackers():
                found.setdefault((stats.tier, stats.url), []).append(stats)
        return tuple(added_up(each) for _, each in sorted(found.items(), key=lambda item: item[0][0]))

    async def wait_announced(self) -> None:
        """Return when a tracker has accepted an announcement; without any tracker that works, never."""
        await self._announced.wait()

    async def aclose(self) -> None:
        """As `TrackerAnnouncer.aclose`, all at a time."""
        for task in self._waiting:
            task.cancel()
        await asyncio.gather(*(announcer.aclose() for announcer in self._each.values()))

    def _start(self, announcer: TrackerAnnouncer) -> None:
        announcer.start()
        self._waiting.append(asyncio.get_running_loop().create_task(self._note(announcer), name="wait for a tracker"))

    async def _note(self, announcer: TrackerAnnouncer) -> None:
        await announcer.wait_announced()
        self._announced.set()

    def _warned(self, url: str, text: str) -> None:
        if [announcer.warnings.get(url) for announcer in self._each.values()].count(text) <= 1:
            self._on_warning(url, text)


def added_up(stats: Iterable[TrackerStats]) -> TrackerStats:
    """What one tracker says of several hashes of a torrent. The same peers announce each, so the larger count holds."""
    first, *others = sorted(stats, key=lambda one: _STATES.index(one.state))
    for other in others:
        due = [one for one in (first.next_announce_s, other.next_announce_s) if one is not None]
        first = replace(
            first,
            next_announce_s=min(due, default=None),
            warning=first.warning or other.warning,
            peers=max(first.peers, other.peers),
            seeders=_larger(first.seeders, other.seeders),
            leechers=_larger(first.leechers, other.leechers),
            external_ip=first.external_ip or other.external_ip,
            announces=first.announces + other.announces,
            failures=first.failures + other.failures,
        )
    return first


def _larger(one: int | None, other: int | None) -> int | None:
    return max((count for count in (one, other) if count is not None), default=None)


_STATES = (TrackerState.WORKING, TrackerState.ANNOUNCING, TrackerState.FAILED, TrackerState.UNTRIED)

"""What trackers want to tell people: each warning is told once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from bittorrent import tracker_name
from fileshare.service.events import TorrentWarned

if TYPE_CHECKING:
    from bittorrent import Torrent


class TrackerWarnings:
    """Remembers what was told.

    Args:
        max_warnings: so many different ones; what comes after them is not told.
    """

    def __init__(self, *, max_warnings: int = 1000) -> None:
        self._max_warnings = max_warnings
        self._told: set[tuple[bytes, str, str]] = set()

    def look(self, torrent: Torrent) -> Iterator[TorrentWarned]:
        """What the trackers of a torrent told since the last look."""
        for tracker in torrent.trackers():
            told = (torrent.info_hash, tracker.url, tracker.warning or "")
            if tracker.warning is None or told in self._told or len(self._told) >= self._max_warnings:
                continue
            self._told.add(told)
            yield TorrentWarned(
                info_hash=torrent.info_hash,
                name=torrent.name,
                tracker=tracker_name(tracker.url),
                message=tracker.warning,
            )

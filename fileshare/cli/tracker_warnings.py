"""What trackers want to tell people: each warning is said once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bittorrent.tracker.messages import tracker_name
from fileshare.cli.output import Output
from fileshare.text import one_line

if TYPE_CHECKING:
    from bittorrent.aio.torrent import Torrent


class TrackerWarnings:
    """Remembers what was said."""

    def __init__(self, output: Output) -> None:
        self._output = output
        self._said: set[tuple[bytes, str, str]] = set()

    def look(self, torrent: Torrent) -> None:
        """Says what the trackers of a torrent told since the last look."""
        for tracker in torrent.trackers():
            said = (torrent.info_hash, tracker.url, tracker.warning or "")
            if tracker.warning is None or said in self._said or len(self._said) >= MOST_WARNINGS:
                continue
            self._said.add(said)
            name = tracker_name(tracker.url)
            self._output.complain(one_line(f"{torrent.name}: the tracker {name} warns: {tracker.warning}"))
            self._output.event("warning", info_hash=torrent.info_hash, tracker=name, message=tracker.warning)


MOST_WARNINGS = 1000

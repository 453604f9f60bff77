"""When a download that hardly moves is worth a word. Pure."""

from __future__ import annotations

from bittorrent import Explanation, SlowReason, TorrentState, TorrentStats


class Slowness:
    """Looks at snapshots of one torrent.

    A download is slow once less than `SLOW_BYTES_PER_S` has come for `PATIENCE_S`; it is news once, and again when
    the reason is another one, or when it was quick in between.
    """

    def __init__(self) -> None:
        self._since: float | None = None
        self._told: SlowReason | None = None

    def is_news(self, stats: TorrentStats, explanation: Explanation, *, now: float) -> bool:
        """Takes note of a snapshot; whether there is anything to tell."""
        if stats.state is not TorrentState.DOWNLOADING or explanation.rate_bytes_per_s >= SLOW_BYTES_PER_S:
            self._since, self._told = None, None
            return False
        if self._since is None:
            self._since = now
        if now - self._since < PATIENCE_S or explanation.reason is self._told:
            return False
        self._told = explanation.reason
        return True


SLOW_BYTES_PER_S = 1000.0  # below, a download counts as standing still
PATIENCE_S = 5.0

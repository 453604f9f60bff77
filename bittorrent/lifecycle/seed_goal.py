"""When enough has been given: after so many copies, or so much time."""

from __future__ import annotations

from dataclasses import dataclass

from bittorrent.stats import TorrentStats


@dataclass(frozen=True, slots=True, kw_only=True)
class SeedGoal:
    """Sharing ends with whichever is reached first; None, and so `SeedGoal()`, is never.

    Attributes:
        ratio: what was sent to others, divided by the size of what is wanted here: 1.0 gives back one copy. What was
            downloaded may be less, when some was on disk before, and would let a seed's ratio be infinite at once.
        seconds: since everything that is wanted was here.
    """

    ratio: float | None = None
    seconds: float | None = None

    def __post_init__(self) -> None:
        if self.ratio is not None and self.ratio < 0:
            raise ValueError("ratio must not be negative")
        if self.seconds is not None and self.seconds < 0:
            raise ValueError("seconds must not be negative")

    def is_reached(self, stats: TorrentStats, *, seeding_s: float, uploaded_before_bytes: int = 0) -> bool:
        """Whether a complete torrent has been shared enough.

        Args:
            stats: of now.
            seeding_s: for how long it has been complete.
            uploaded_before_bytes: what earlier sessions sent, if that counts: `Torrent.uploaded_before_bytes`.
        """
        if self.ratio is not None and uploaded_before_bytes + stats.uploaded_bytes >= self.ratio * stats.wanted_bytes:
            return True
        return self.seconds is not None and seeding_s >= self.seconds

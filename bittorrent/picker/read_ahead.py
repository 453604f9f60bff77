"""By when which pieces are needed, so that a program that reads a file from front to back does not have to wait."""

from __future__ import annotations

from dataclasses import dataclass

from bittorrent.pieces.geometry import Geometry
from bittorrent.rate import RateMeter


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadAheadConfig:
    """How far ahead of a reader a file is fetched.

    Attributes:
        ahead_s: time's worth of reading, at the measured rate.
        least_ahead_bytes: never less, unless the file ends, and never more.
        most_ahead_bytes: see `least_ahead_bytes`.
        first_rate_bytes_per_s: what a reader is taken to read until it has been measured.
        measured_s: over how long the rate is measured.
        read_bytes: the most that one read returns.
    """

    ahead_s: float = 30.0
    least_ahead_bytes: int = 2 << 20
    most_ahead_bytes: int = 64 << 20
    first_rate_bytes_per_s: float = 1e6
    measured_s: float = 10.0
    read_bytes: int = 1 << 20

    def __post_init__(self) -> None:
        if min(self.ahead_s, self.first_rate_bytes_per_s, self.measured_s, self.read_bytes) <= 0:
            raise ValueError("times, rates and sizes must be positive")
        if not 1 <= self.least_ahead_bytes <= self.most_ahead_bytes:
            raise ValueError("1 <= least_ahead_bytes <= most_ahead_bytes must hold")


class ReadAhead:
    """The window of one reader. Pure: told of every read and of the time.

    The piece that is being read is needed at once, the others when the reader will get there at its present rate, which
    is never taken to be lower than the last one measured while it read: a player that has filled its buffer pauses.

    Args:
        offset: of the file in the torrent's bytes.
        size: see `offset`.

    Invariants: 0 <= position <= size
    """

    __slots__ = ("_config", "_geometry", "_meter", "_offset", "_rate", "_since", "position", "size")

    def __init__(self, geometry: Geometry, *, offset: int, size: int, config: ReadAheadConfig) -> None:
        self.position = 0
        self.size = size
        self._geometry = geometry
        self._offset = offset
        self._config = config
        self._meter = RateMeter(window_s=config.measured_s)
        self._rate = config.first_rate_bytes_per_s
        self._since: float | None = None

    def read(self, size: int, *, now: float) -> None:
        """The reader got `size` bytes and is behind them now."""
        self.position += size
        self._meter.add(size, now=now)
        if self._since is None:
            self._since = now
        if now - self._since >= self._config.measured_s:
            self._rate = max(self._meter.rate_bytes_per_s(now=now), 1.0)

    def seek(self, position: int) -> None:
        """The reader is somewhere else now; what was measured before says nothing about the time to come.

        Raises:
            ValueError: that is not in the file.
        """
        if not 0 <= position <= self.size:
            raise ValueError(f"position {position} is outside of a file of {self.size} bytes")
        if position != self.position:
            self.position = position
            self._meter = RateMeter(window_s=self._config.measured_s)
            self._since = None

    @property
    def piece(self) -> int | None:
        """The piece that is read next; None at the end."""
        if self.position >= self.size:
            return None
        return self._geometry.piece_at(self._offset + self.position)

    @property
    def window_bytes(self) -> int:
        """How far ahead is fetched."""
        config = self._config
        wanted = max(config.least_ahead_bytes, min(int(self._rate * config.ahead_s), config.most_ahead_bytes))
        return min(wanted, self.size - self.position)

    def deadlines(self, *, now: float) -> dict[int, float]:
        """By when each piece of the window is needed, in order."""
        first = self.piece
        if first is None:
            return {}
        start = self._offset + self.position
        pieces = self._geometry.pieces_of(start, self.window_bytes)
        found = {first: now}
        for index in pieces[1:]:
            found[index] = now + (self._geometry.offset_of(index) - start) / self._rate
        return found

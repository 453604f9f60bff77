"""When a silent connection is given up, and when we have to say something so that ours is not."""

from __future__ import annotations

from bittorrent.peer.config import PeerConfig


class Silence:
    """The times of one connection.

    Args:
        now: monotonic seconds.

    Attributes:
        opened_at: when the connection was made.
        heard_at: when the peer sent something last.
    """

    __slots__ = ("_config", "heard_at", "opened_at")

    def __init__(self, config: PeerConfig, *, now: float) -> None:
        self._config = config
        self.opened_at = self.heard_at = now

    def verdict(self, *, has_met: bool, now: float) -> str | None:
        """Why the connection is to be closed; None when it is not.

        Args:
            has_met: both handshakes are done.
        """
        if not has_met:
            late = now >= self.opened_at + self._config.handshake_timeout_s
            return "the peer did not finish its handshake in time" if late else None
        return "the peer was silent for too long" if now >= self.heard_at + self._config.silence_timeout_s else None

    def is_ours(self, spoke_at: float, *, now: float) -> bool:
        """Whether it is time to say that we are still there."""
        return now >= spoke_at + self._config.keep_alive_s

    def next_timer(self, spoke_at: float, *, has_met: bool) -> float:
        """When one of these changes."""
        if not has_met:
            return self.opened_at + self._config.handshake_timeout_s
        return min(self.heard_at + self._config.silence_timeout_s, spoke_at + self._config.keep_alive_s)

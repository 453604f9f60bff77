"""Whether the other side is there, and how far away: pings."""

from __future__ import annotations

from transfer.muxing.errors import KeepAliveError
from transfer.muxing.yamux.config import YamuxConfig
from transfer.muxing.yamux.frames import MAX_VALUE


class Liveness:
    """When to ask, and when to give up. One ping is on its way at a time.

    Silence alone is no end: a ping may wait behind megabytes. A side that sends anything is there.

    Attributes:
        rtt_s: the mean of the measured round trips, the last weighing half (as go-yamux has it); None before the first.
        heard_at: when something came the last time.
    """

    __slots__ = ("_asked_at", "_config", "_deadline", "_next_at", "_value", "heard_at", "rtt_s")

    def __init__(self, config: YamuxConfig, *, now: float) -> None:
        self._config = config
        self._next_at = now if config.keep_alive_s is not None else None
        self._value = MAX_VALUE
        self._asked_at: float | None = None
        self._deadline = 0.0
        self.rtt_s: float | None = None
        self.heard_at = now

    def ask(self, *, is_wanted: bool = False, now: float) -> int | None:
        """The value of a ping that is to be sent now, if one is.

        Args:
            is_wanted: somebody wants to know, whenever the next one is due. Without keep-alive nothing ends here when
                there is no answer: that is for whoever asks to decide.
        """
        is_due = is_wanted or (self._next_at is not None and now >= self._next_at)
        if self._asked_at is not None or not is_due:
            return None
        interval_s = self._config.keep_alive_s
        self._value = (self._value + 1) & MAX_VALUE
        self._asked_at = now
        self._deadline = NEVER if interval_s is None else now + self._config.keep_alive_timeout_s
        self._next_at = None if interval_s is None else now + interval_s
        return self._value

    def answer(self, value: int, *, now: float) -> bool:
        """An answer has come; False: to nothing that was asked."""
        if self._asked_at is None or value != self._value:
            return False
        rtt_s = max(0.0, now - self._asked_at)
        self.rtt_s = rtt_s if self.rtt_s is None else (self.rtt_s + rtt_s) / 2
        self._asked_at = None
        return True

    def check(self, *, now: float) -> None:
        """To be called at `next_timer`.

        Raises:
            KeepAliveError: the other side is not there any more.
        """
        if self._asked_at is None or now < self._deadline:
            return
        timeout_s = self._config.keep_alive_timeout_s
        is_late = now - self._deadline > timeout_s / 2  # the silence is ours: what has come was not looked at yet
        if self.heard_at > self._asked_at or is_late:
            self._deadline = max(self.heard_at, self._asked_at if not is_late else now) + timeout_s
            if self._deadline > now:
                return
        raise KeepAliveError(f"the other side has not answered a ping within {timeout_s:g} s")

    def next_timer(self) -> float | None:
        """When there is something to do."""
        if self._asked_at is None:
            return self._next_at
        return None if self._deadline == NEVER else self._deadline


NEVER = float("inf")

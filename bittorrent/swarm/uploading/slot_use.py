"""What one peer makes of the upload slot that it was given: a slot is worth its requests. Pure."""

from __future__ import annotations


class SlotUse:
    """Told of every step of a slot; says for how long it has lain idle, and whether the last one was of any use.

    Only what gets through counts: a peer that cancels at once, or asks and does not read, takes nothing. A peer that is
    slow takes something all the time.

    Args:
        patience_s: until a slot in which nothing happens counts as idle.

    Invariants:
        a choked peer is not idle
    """

    __slots__ = (
        "_began_at",
        "_delivered_bytes",
        "_held_back_at",
        "_idled_until",
        "_is_excused",
        "_moved_at",
        "_patience_s",
        "_reading",
        "_stalled_since",
        "has_taken",
        "is_full",
        "undelivered_bytes",
    )

    def __init__(self, *, patience_s: float) -> None:
        self.has_taken = False  # something was sent since the slot began
        self.is_full = False  # so much waits to be sent that nothing more is written
        self.undelivered_bytes = 0  # at the last look
        self._patience_s = patience_s
        self._began_at: float | None = None
        self._delivered_bytes = 0
        self._stalled_since = 0.0  # known from the first look on
        self._moved_at = float("-inf")
        self._reading = 0  # blocks that were not read from the disk yet
        self._held_back_at = float("-inf")
        self._idled_until = float("-inf")
        self._is_excused = False

    # Inputs

    def begin(self, *, now: float) -> None:
        """The peer was unchoked."""
        self._began_at = now
        self.has_taken = False

    def end(self, *, now: float, has_requests: bool) -> None:
        """The peer was choked."""
        is_unused = not (self.has_taken or has_requests)
        if is_unused and self.idle_s(now=now, has_requests=False) >= self._patience_s:
            self.note_idle(now=now)
        self._began_at = None

    def note_idle(self, *, now: float) -> None:
        """The peer made nothing of a slot, or others of its host did: for a while it comes after those that may."""
        self._idled_until = now + IDLE_MEMORY_S

    def blocks_taken(self, count: int, *, now: float) -> None:
        """Requests left the queue; their blocks are on the way from the disk."""
        self._reading += count
        self._moved_at = now

    def blocks_sent(self, count: int, *, now: float) -> None:
        """The blocks went out, or were refused after all."""
        if count:
            self._reading = max(0, self._reading - count)
            self._moved_at = now
            self.has_taken = True
            self._idled_until = float("-inf")

    def held_back(self, *, now: float) -> None:
        """Requests wait for a rate limit of ours."""
        self._held_back_at = now

    def note_backlog(self, *, delivered_bytes: int, undelivered_bytes: int, is_full: bool, now: float) -> None:
        """How much has got through to the peer in all, and how much is on the way or waits."""
        if delivered_bytes > self._delivered_bytes and self.undelivered_bytes:
            self._moved_at = now
        if delivered_bytes > self._delivered_bytes or not self.undelivered_bytes:
            self._stalled_since = now
        self._delivered_bytes = delivered_bytes
        self.undelivered_bytes = undelivered_bytes
        self.is_full = is_full

    def excuse(self) -> None:
        """The peer has to go, for others: nothing that it did shall count against its host."""
        self._is_excused = True

    # Views

    def idle_s(self, *, now: float, has_requests: bool) -> float:
        """For how long nothing has got through to an unchoked peer, although nothing of ours was in the way.

        Args:
            has_requests: some wait to be served.
        """
        if self._began_at is None:
            return 0.0
        is_our_disk = self._reading > 0 and now - self._moved_at < DISK_PATIENCE_S
        is_our_limit = has_requests and now - self._held_back_at < LIMIT_MEMORY_S
        return 0.0 if is_our_disk or is_our_limit else now - max(self._began_at, self._moved_at)

    def stalled_s(self, *, now: float) -> float:
        """For how long nothing has got through to a peer, whether it is choked or not, although something waits."""
        return now - self._stalled_since if self.undelivered_bytes or self.is_full else 0.0

    def has_idled(self, *, now: float) -> bool:
        """Whether a slot lay idle from its beginning to its end, not long ago."""
        return now < self._idled_until

    def is_idler(self, *, now: float, has_requests: bool) -> bool:
        """Whether the peer makes nothing of this slot, or made nothing of the last one."""
        if self._is_excused:
            return False
        is_unused = self._began_at is not None and not (self.has_taken or has_requests)
        is_idle = is_unused and self.idle_s(now=now, has_requests=False) >= self._patience_s
        return is_idle or self.has_idled(now=now)


DISK_PATIENCE_S = 30.0  # after that it is not the disk
LIMIT_MEMORY_S = 2.5  # a limited peer is looked after once a second
IDLE_MEMORY_S = 60.0  # then it may have another try: the limit or the disk of its own may be out of the way

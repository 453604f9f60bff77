"""Queries that came in without our having called first: they show that others can reach this node."""

from __future__ import annotations

from typing import TYPE_CHECKING

from transfer.reach import Reach, reach_of

if TYPE_CHECKING:
    from transfer.address import Address


class Newcomers:
    """Counts queries of those that nothing was sent to of late.

    A NAT or firewall lets in for some minutes what comes from where something was sent to, and the looser kinds what
    comes from any port of that host. So only a host counts that nothing at all was sent to; on this machine, where all
    have one address, an endpoint.

    After `ENOUGH` of them nothing more need be noted, as it costs a little for each datagram; and what was noted within
    `FRESH_S` is not noted again.

    Invariants: at most `MAX_CALLED` places are remembered, in the order in which they were noted. Where one had to be
    forgotten too early, nobody counts until it would have been forgotten anyway.
    """

    __slots__ = ("_blind_until", "_called", "count")

    def __init__(self) -> None:
        self.count = 0
        self._called: dict[str | Address, float] = {}
        self._blind_until = 0.0

    @property
    def is_done(self) -> bool:
        """Whether nothing has to be noted any more."""
        return self.count >= ENOUGH

    def note_sent(self, target: Address, *, now: float) -> None:
        """Something is sent."""
        place = target if reach_of(target[0]) is MACHINE else target[0]
        when = self._called.get(place)
        if when is None or now - when >= FRESH_S:
            self._note(place, now=now)

    def note_query(self, source: Address, *, now: float) -> bool:
        """A query came, and is answered. Returns whether it counts."""
        place = source if reach_of(source[0]) is MACHINE else source[0]
        called_at = self._called.get(place)
        if called_at is not None and now - called_at < FRESH_S:
            return False
        is_blind = now < self._blind_until
        self._note(place, now=now)
        if is_blind or (called_at is not None and now < called_at + MEMORY_S):
            return False
        self.count += 1
        return True

    def _note(self, place: str | Address, *, now: float) -> None:
        called = self._called
        called.pop(place, None)
        called[place] = now
        if len(called) > MAX_CALLED:
            oldest = next(iter(called))
            self._blind_until = max(self._blind_until, called.pop(oldest) + MEMORY_S)


MACHINE = Reach.MACHINE  # for each datagram: to look it up in the class takes longer than all else here
ENOUGH = 16
FRESH_S = 60.0
MEMORY_S = 600.0 + FRESH_S  # longer than NATs keep an unused UDP mapping (RFC 4787: five minutes are recommended)
MAX_CALLED = 8192

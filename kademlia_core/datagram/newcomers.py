"""Queries that came in without our having called first: they show that others can reach this node."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

from transfer.reach import Reach, reach_of

if TYPE_CHECKING:
    from transfer.address import Address


class Newcomers:
    """Counts queries of those that nothing was sent to of late.

    A NAT or firewall lets in for some minutes what comes from where something was sent to, and the looser kinds what
    comes from any port of that host. So only a host counts that nothing at all was sent to; on this machine, where all
    have one address, an endpoint.

    After `ENOUGH` of them nothing more is remembered, as it costs a little for each datagram.

    Invariants: at most `MAX_CALLED` places are remembered. Where one had to be forgotten too early, nobody counts until
    it would have been forgotten anyway.
    """

    def __init__(self) -> None:
        self.count = 0
        self._called: OrderedDict[str | Address, float] = OrderedDict()
        self._blind_until = 0.0

    @property
    def is_done(self) -> bool:
        """Whether nothing has to be noted any more."""
        return self.count >= ENOUGH

    def note_sent(self, target: Address, *, now: float) -> None:
        """Something is sent."""
        place = _place(target)
        called = self._called
        called[place] = now
        called.move_to_end(place)
        if len(called) > MAX_CALLED:
            _, when = called.popitem(last=False)
            self._blind_until = max(self._blind_until, when + MEMORY_S)

    def note_query(self, source: Address, *, now: float) -> bool:
        """A query came, and is answered. Returns whether it counts."""
        called_at = self._called.get(_place(source))
        is_blind = now < self._blind_until
        self.note_sent(source, now=now)
        if is_blind or (called_at is not None and now < called_at + MEMORY_S):
            return False
        self.count += 1
        return True


def _place(address: Address) -> str | Address:
    return address if reach_of(address.host) is Reach.MACHINE else address.host


ENOUGH = 16
MEMORY_S = 600.0  # longer than NATs keep an unused UDP mapping (RFC 4787: five minutes are recommended)
MAX_CALLED = 8192

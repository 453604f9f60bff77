"""The peers that gave us verified pieces: remembered when the connection is gone, and bounded."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from bittorrent.origin import Origin
from bittorrent.swarm.peer import NOBODY, Sender
from transfer.address import Address


@dataclass(slots=True)
class Contribution:
    """What one source gave: verified pieces put down to it, and their size."""

    pieces: int = 0
    size_bytes: int = 0


class Contributions:
    """One `Contribution` for each source.

    Args:
        max_sources: beyond it the pieces of further sources are put down to `EVERYBODY_ELSE`.

    Invariants:
        at most max_sources + 1 entries
    """

    __slots__ = ("_max_sources", "by_source")

    def __init__(self, *, max_sources: int) -> None:
        self.by_source: dict[Origin, Contribution] = {}
        self._max_sources = max_sources

    def credit(self, senders: Iterable[Sender], size_bytes: int) -> None:
        """Puts a verified piece down to the peer that sent most of its blocks in this run."""
        counts: dict[Origin, int] = {}
        for sender in senders:
            if sender is not NOBODY:
                counts[sender.listen_address] = counts.get(sender.listen_address, 0) + 1
        if not counts:
            return
        source = max(counts, key=lambda address: counts[address])
        if source not in self.by_source and len(self.by_source) >= self._max_sources:
            source = EVERYBODY_ELSE
        known = self.by_source.setdefault(source, Contribution())
        known.pieces += 1
        known.size_bytes += size_bytes


EVERYBODY_ELSE = Address("others", 0)

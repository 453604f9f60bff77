"""How many nodes a network has, judged by how close the closest are, and what radius honest nodes should fill.

Around a random point of the key space the distances of n nodes are those of a Poisson process, so the distance of the
k-th closest is Gamma distributed, and (k - 1/3) divided by it hits the density's median. Sybils that crowd around one
key cannot move such an estimate: it is made at random points.

Source: the idea to tell eclipse attacks by density is that of Sridhar et al., "Content Censorship in the InterPlanetary
File System", NDSS 2024. Theirs tests for a crowd and then stores in a whole region; here every lookup may cover the
region (`radius` of `LookupCore`), which needs no test and costs next to nothing where no node crowds.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kademlia_core.contact import Contact
    from kademlia_core.key import Key


class NetworkSize:
    """The number of nodes in a network, estimated from lookups for random keys.

    Invariants: at most `MAX_SAMPLES` lookups are remembered, the latest.
    """

    def __init__(self) -> None:
        self._samples: deque[float] = deque(maxlen=MAX_SAMPLES)  # nodes in the whole space, as one lookup saw it

    def add_lookup(self, target: Key, closest: Sequence[Contact]) -> None:
        """What a lookup for a random `target` has found, closest first; of fewer than four contacts nothing is learnt.

        Targets that others can foresee, like the info-hash of a torrent, must not be fed in: nodes that sit around them
        could make the network look dense.
        """
        if len(closest) >= MIN_CONTACTS:
            distance = (closest[-1].key ^ target) + 1
            self._samples.append((len(closest) - 1 / 3) / distance * 2**target.bits)

    @property
    def nodes(self) -> float | None:
        """The estimate, None before `MIN_SAMPLES` lookups. Its standard deviation is near 40 % / sqrt(lookups)."""
        from statistics import median  # not above: it takes a fifth of the time to import this package

        return median(self._samples) if len(self._samples) >= MIN_SAMPLES else None

    def radius(self, expected: float, *, bits: int) -> int:
        """The distance within which so many nodes are expected around any key; 0 while the size is unknown."""
        nodes = self.nodes
        return min(int(expected / nodes * 2**bits), 2**bits) if nodes is not None else 0


MIN_CONTACTS = 4
MIN_SAMPLES = 5
MAX_SAMPLES = 32

"""The lookups of a mainline node whose finds come one by one."""

from __future__ import annotations

from kademlia_core.aio.lookups import Lookup
from kademlia_core.mainline.items import MutableItem
from transfer.address import Address


class PeerLookup(Lookup[Address]):
    """A lookup of peers. Iteration yields each peer once, in order of arrival."""


class ItemLookup(Lookup[MutableItem]):
    """A lookup of a mutable item. Iteration yields ever newer versions, all signed by their owner.

    With nodes in both address families' networks, one may bring a version that is no newer than one of the other.
    """

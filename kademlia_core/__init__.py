"""Finding: XOR metric, k-buckets, iterative lookups, and the BitTorrent mainline DHT on asyncio.

The pure parts load at once; the asyncio node loads when it is first named, so that `import kademlia_core` stays cheap.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kademlia_core.any_lookup import AnyLookup, new_lookup
from kademlia_core.bucket import NodeState
from kademlia_core.config import LookupConfig, RoutingTableConfig
from kademlia_core.contact import Contact
from kademlia_core.disjoint import DisjointLookup
from kademlia_core.errors import BootstrapError, InvalidKeyError, KademliaError, NoAnswerError, NodeClosedError
from kademlia_core.key import Key
from kademlia_core.lookup import LookupCore
from kademlia_core.lookup_stats import LookupStats
from kademlia_core.routing_table import RoutingTable, Sighting

if TYPE_CHECKING:
    from kademlia_core.aio.keyvalue import KeyValueNode
    from kademlia_core.aio.lookups import PeerLookup
    from kademlia_core.aio.mainline import MainlineNode
    from kademlia_core.keyvalue.config import KeyValueConfig
    from kademlia_core.mainline.config import PUBLIC_ROUTERS, MainlineConfig
    from kademlia_core.mainline.core import MainlineCore, MainlineStats
    from kademlia_core.mainline.peer_search import AnnounceReport

__all__ = [
    "PUBLIC_ROUTERS",
    "AnnounceReport",
    "AnyLookup",
    "BootstrapError",
    "Contact",
    "DisjointLookup",
    "InvalidKeyError",
    "KademliaError",
    "Key",
    "KeyValueConfig",
    "KeyValueNode",
    "LookupConfig",
    "LookupCore",
    "LookupStats",
    "MainlineConfig",
    "MainlineCore",
    "MainlineNode",
    "MainlineStats",
    "NoAnswerError",
    "NodeClosedError",
    "NodeState",
    "PeerLookup",
    "RoutingTable",
    "RoutingTableConfig",
    "Sighting",
    "new_lookup",
]

_LAZY = {
    "AnnounceReport": "kademlia_core.mainline.peer_search",
    "KeyValueConfig": "kademlia_core.keyvalue.config",
    "KeyValueNode": "kademlia_core.aio.keyvalue",
    "MainlineConfig": "kademlia_core.mainline.config",
    "MainlineCore": "kademlia_core.mainline.core",
    "MainlineNode": "kademlia_core.aio.mainline",
    "MainlineStats": "kademlia_core.mainline.core",
    "PUBLIC_ROUTERS": "kademlia_core.mainline.config",
    "PeerLookup": "kademlia_core.aio.lookups",
}


def __getattr__(name: str) -> object:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value: object = getattr(import_module(_LAZY[name]), name)
    globals()[name] = value
    return value

"""Finding: XOR metric, k-buckets, iterative lookups, and the BitTorrent mainline DHT on asyncio.

The pure parts load at once; the asyncio node loads when it is first named, so that `import kademlia_core` stays cheap.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kademlia_core.any_lookup import AnyLookup, new_lookup
from kademlia_core.bucket import NodeState
from kademlia_core.config import LookupConfig, RoutingTableConfig
from kademlia_core.contact import Contact
from kademlia_core.density import NetworkSize
from kademlia_core.disjoint import DisjointLookup
from kademlia_core.errors import (
    BootstrapError,
    InvalidKeyError,
    KademliaError,
    NoAnswerError,
    NodeClosedError,
    QueryRefusedError,
)
from kademlia_core.key import Key
from kademlia_core.lookup import LookupCore
from kademlia_core.lookup_stats import LookupStats
from kademlia_core.routing_table import RoutingTable, Sighting

if TYPE_CHECKING:
    from kademlia_core.aio.following import ItemFollower
    from kademlia_core.aio.keeping import Keeper
    from kademlia_core.aio.keyvalue import KeyValueNode
    from kademlia_core.aio.lookups import ItemLookup, PeerLookup
    from kademlia_core.aio.mainline import MainlineNode
    from kademlia_core.aio.walking import InfoHashWalk, NodeSample
    from kademlia_core.keyvalue.config import KeyValueConfig
    from kademlia_core.mainline.config import PUBLIC_ROUTERS, MainlineConfig
    from kademlia_core.mainline.core import MainlineCore, MainlineStats
    from kademlia_core.mainline.item_errors import CasMismatchError, ItemError
    from kademlia_core.mainline.items import ImmutableItem, MutableItem
    from kademlia_core.mainline.pointer import PointerLink, info_hash_in, pointer_to
    from kademlia_core.mainline.reports import AnnounceReport, PutReport, Refusal
    from kademlia_core.mainline.sampling import InfoHashSample
    from kademlia_core.mainline.scrape import ScrapeReport
    from kademlia_core.mainline.signing import SigningKey

__all__ = [
    "PUBLIC_ROUTERS",
    "AnnounceReport",
    "AnyLookup",
    "BootstrapError",
    "CasMismatchError",
    "Contact",
    "DisjointLookup",
    "ImmutableItem",
    "InfoHashSample",
    "InfoHashWalk",
    "InvalidKeyError",
    "ItemError",
    "ItemFollower",
    "ItemLookup",
    "KademliaError",
    "Keeper",
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
    "MutableItem",
    "NetworkSize",
    "NoAnswerError",
    "NodeClosedError",
    "NodeSample",
    "NodeState",
    "PeerLookup",
    "PointerLink",
    "PutReport",
    "QueryRefusedError",
    "Refusal",
    "RoutingTable",
    "RoutingTableConfig",
    "ScrapeReport",
    "Sighting",
    "SigningKey",
    "info_hash_in",
    "new_lookup",
    "pointer_to",
]

_LAZY = {
    "AnnounceReport": "kademlia_core.mainline.reports",
    "CasMismatchError": "kademlia_core.mainline.item_errors",
    "ImmutableItem": "kademlia_core.mainline.items",
    "InfoHashSample": "kademlia_core.mainline.sampling",
    "InfoHashWalk": "kademlia_core.aio.walking",
    "ItemError": "kademlia_core.mainline.item_errors",
    "ItemFollower": "kademlia_core.aio.following",
    "ItemLookup": "kademlia_core.aio.lookups",
    "Keeper": "kademlia_core.aio.keeping",
    "KeyValueConfig": "kademlia_core.keyvalue.config",
    "KeyValueNode": "kademlia_core.aio.keyvalue",
    "MainlineConfig": "kademlia_core.mainline.config",
    "MainlineCore": "kademlia_core.mainline.core",
    "MainlineNode": "kademlia_core.aio.mainline",
    "MainlineStats": "kademlia_core.mainline.core",
    "MutableItem": "kademlia_core.mainline.items",
    "NodeSample": "kademlia_core.aio.walking",
    "PUBLIC_ROUTERS": "kademlia_core.mainline.config",
    "PeerLookup": "kademlia_core.aio.lookups",
    "PointerLink": "kademlia_core.mainline.pointer",
    "PutReport": "kademlia_core.mainline.reports",
    "Refusal": "kademlia_core.mainline.reports",
    "ScrapeReport": "kademlia_core.mainline.scrape",
    "SigningKey": "kademlia_core.mainline.signing",
    "info_hash_in": "kademlia_core.mainline.pointer",
    "pointer_to": "kademlia_core.mainline.pointer",
}


def __getattr__(name: str) -> object:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value: object = getattr(import_module(_LAZY[name]), name)
    globals()[name] = value
    return value

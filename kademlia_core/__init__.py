"""Finding: XOR metric, k-buckets, iterative lookups, the BitTorrent mainline DHT and that of libp2p, on asyncio.

The public names of the package are those below; everything else is internal. A module loads when a name of it is first
used, so that no program pays for what it does not use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from transfer.public import public_names

if TYPE_CHECKING:
    from kademlia_core.aio.keeping import Keeper
    from kademlia_core.aio.keyvalue import KeyValueNode, SetReport
    from kademlia_core.aio.libp2p.contract import StreamHost
    from kademlia_core.aio.libp2p.node import Libp2pNode, PublishReport
    from kademlia_core.aio.mainline.following import ItemFollower
    from kademlia_core.aio.mainline.lookups import ItemLookup, PeerLookup
    from kademlia_core.aio.mainline.node import MainlineNode
    from kademlia_core.aio.mainline.walking import InfoHashWalk, NodeSample
    from kademlia_core.any_lookup import AnyLookup, new_lookup
    from kademlia_core.bucket import NodeState
    from kademlia_core.config import LookupConfig, RoutingTableConfig
    from kademlia_core.contact import Contact
    from kademlia_core.datagram.amplification import AmplificationConfig
    from kademlia_core.datagram.config import NodeConfig
    from kademlia_core.datagram.stats import NodeStats
    from kademlia_core.density import NetworkSize
    from kademlia_core.disjoint import DisjointLookup
    from kademlia_core.distance import nearest
    from kademlia_core.errors import (
        BootstrapError,
        InvalidKeyError,
        KademliaError,
        NoAnswerError,
        NodeClosedError,
        QueryRefusedError,
    )
    from kademlia_core.key import Key
    from kademlia_core.keyvalue.config import KeyValueConfig, RecordStoreConfig
    from kademlia_core.keyvalue.records import Record, RecordStore
    from kademlia_core.libp2p.config import (
        LAN_PROTOCOL,
        PUBLIC_PROTOCOL,
        Libp2pConfig,
        ProviderStoreConfig,
        RepublishConfig,
        ValueStoreConfig,
    )
    from kademlia_core.libp2p.core import Libp2pCore
    from kademlia_core.libp2p.errors import KadMessageError, RecordError, RequestRefusedError
    from kademlia_core.libp2p.ipns import IpnsRecord, create_ipns_record, ipns_key
    from kademlia_core.libp2p.messages import PeerInfo
    from kademlia_core.libp2p.names import content_key, value_key
    from kademlia_core.libp2p.peer import Scope
    from kademlia_core.libp2p.stats import Libp2pStats
    from kademlia_core.libp2p.validators import Validator, public_key_key
    from kademlia_core.lookup import LookupCore
    from kademlia_core.lookup_stats import LookupStats
    from kademlia_core.mainline.config import (
        PUBLIC_ROUTERS,
        ItemStoreConfig,
        MainlineConfig,
        PeerStoreConfig,
        RepetitionConfig,
        SamplingConfig,
    )
    from kademlia_core.mainline.core import MainlineCore, MainlineStats
    from kademlia_core.mainline.item_errors import (
        BadSignatureError,
        CasMismatchError,
        ItemError,
        SaltTooBigError,
        StaleSequenceError,
        StoreFullError,
        ValueTooBigError,
    )
    from kademlia_core.mainline.items import ImmutableItem, MutableItem
    from kademlia_core.mainline.node_id import is_valid_for, node_id_for
    from kademlia_core.mainline.pointer import PointerError, PointerLink, info_hash_in, pointer_to
    from kademlia_core.mainline.reports import AnnounceReport, PutReport, Refusal
    from kademlia_core.mainline.sampling import InfoHashSample
    from kademlia_core.mainline.scrape import ScrapeReport
    from kademlia_core.mainline.signing import SEED_SIZE, SigningKey
    from kademlia_core.routing_table import RoutingTable, Sighting
    from transfer.external_address import ExternalAddressConfig
    from transfer.limits.source_limiter import RateLimitConfig

__all__ = [
    "LAN_PROTOCOL",
    "PUBLIC_PROTOCOL",
    "PUBLIC_ROUTERS",
    "SEED_SIZE",
    "AmplificationConfig",
    "AnnounceReport",
    "AnyLookup",
    "BadSignatureError",
    "BootstrapError",
    "CasMismatchError",
    "Contact",
    "DisjointLookup",
    "ExternalAddressConfig",
    "ImmutableItem",
    "InfoHashSample",
    "InfoHashWalk",
    "InvalidKeyError",
    "IpnsRecord",
    "ItemError",
    "ItemFollower",
    "ItemLookup",
    "ItemStoreConfig",
    "KadMessageError",
    "KademliaError",
    "Keeper",
    "Key",
    "KeyValueConfig",
    "KeyValueNode",
    "Libp2pConfig",
    "Libp2pCore",
    "Libp2pNode",
    "Libp2pStats",
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
    "NodeConfig",
    "NodeSample",
    "NodeState",
    "NodeStats",
    "PeerInfo",
    "PeerLookup",
    "PeerStoreConfig",
    "PointerError",
    "PointerLink",
    "ProviderStoreConfig",
    "PublishReport",
    "PutReport",
    "QueryRefusedError",
    "RateLimitConfig",
    "Record",
    "RecordError",
    "RecordStore",
    "RecordStoreConfig",
    "Refusal",
    "RepetitionConfig",
    "RepublishConfig",
    "RequestRefusedError",
    "RoutingTable",
    "RoutingTableConfig",
    "SaltTooBigError",
    "SamplingConfig",
    "Scope",
    "ScrapeReport",
    "SetReport",
    "Sighting",
    "SigningKey",
    "StaleSequenceError",
    "StoreFullError",
    "StreamHost",
    "Validator",
    "ValueStoreConfig",
    "ValueTooBigError",
    "content_key",
    "create_ipns_record",
    "info_hash_in",
    "ipns_key",
    "is_valid_for",
    "nearest",
    "new_lookup",
    "node_id_for",
    "pointer_to",
    "public_key_key",
    "value_key",
]

_MODULES = {
    "PUBLIC_ROUTERS": "kademlia_core.mainline.config",
    "SEED_SIZE": "kademlia_core.mainline.signing",
    "AmplificationConfig": "kademlia_core.datagram.amplification",
    "AnnounceReport": "kademlia_core.mainline.reports",
    "AnyLookup": "kademlia_core.any_lookup",
    "BadSignatureError": "kademlia_core.mainline.item_errors",
    "BootstrapError": "kademlia_core.errors",
    "CasMismatchError": "kademlia_core.mainline.item_errors",
    "Contact": "kademlia_core.contact",
    "DisjointLookup": "kademlia_core.disjoint",
    "ExternalAddressConfig": "transfer.external_address",
    "ImmutableItem": "kademlia_core.mainline.items",
    "InfoHashSample": "kademlia_core.mainline.sampling",
    "InfoHashWalk": "kademlia_core.aio.mainline.walking",
    "InvalidKeyError": "kademlia_core.errors",
    "ItemError": "kademlia_core.mainline.item_errors",
    "ItemFollower": "kademlia_core.aio.mainline.following",
    "ItemLookup": "kademlia_core.aio.mainline.lookups",
    "ItemStoreConfig": "kademlia_core.mainline.config",
    "KademliaError": "kademlia_core.errors",
    "Keeper": "kademlia_core.aio.keeping",
    "Key": "kademlia_core.key",
    "KeyValueConfig": "kademlia_core.keyvalue.config",
    "KeyValueNode": "kademlia_core.aio.keyvalue",
    "LookupConfig": "kademlia_core.config",
    "LookupCore": "kademlia_core.lookup",
    "LookupStats": "kademlia_core.lookup_stats",
    "MainlineConfig": "kademlia_core.mainline.config",
    "MainlineCore": "kademlia_core.mainline.core",
    "MainlineNode": "kademlia_core.aio.mainline.node",
    "MainlineStats": "kademlia_core.mainline.core",
    "MutableItem": "kademlia_core.mainline.items",
    "NetworkSize": "kademlia_core.density",
    "NoAnswerError": "kademlia_core.errors",
    "NodeClosedError": "kademlia_core.errors",
    "NodeConfig": "kademlia_core.datagram.config",
    "NodeSample": "kademlia_core.aio.mainline.walking",
    "NodeState": "kademlia_core.bucket",
    "NodeStats": "kademlia_core.datagram.stats",
    "PeerLookup": "kademlia_core.aio.mainline.lookups",
    "PeerStoreConfig": "kademlia_core.mainline.config",
    "PointerError": "kademlia_core.mainline.pointer",
    "PointerLink": "kademlia_core.mainline.pointer",
    "PutReport": "kademlia_core.mainline.reports",
    "QueryRefusedError": "kademlia_core.errors",
    "RateLimitConfig": "transfer.limits.source_limiter",
    "Record": "kademlia_core.keyvalue.records",
    "RecordStore": "kademlia_core.keyvalue.records",
    "RecordStoreConfig": "kademlia_core.keyvalue.config",
    "Refusal": "kademlia_core.mainline.reports",
    "RepetitionConfig": "kademlia_core.mainline.config",
    "RoutingTable": "kademlia_core.routing_table",
    "RoutingTableConfig": "kademlia_core.config",
    "SaltTooBigError": "kademlia_core.mainline.item_errors",
    "SamplingConfig": "kademlia_core.mainline.config",
    "ScrapeReport": "kademlia_core.mainline.scrape",
    "SetReport": "kademlia_core.aio.keyvalue",
    "Sighting": "kademlia_core.routing_table",
    "SigningKey": "kademlia_core.mainline.signing",
    "StaleSequenceError": "kademlia_core.mainline.item_errors",
    "StoreFullError": "kademlia_core.mainline.item_errors",
    "ValueTooBigError": "kademlia_core.mainline.item_errors",
    "info_hash_in": "kademlia_core.mainline.pointer",
    "is_valid_for": "kademlia_core.mainline.node_id",
    "nearest": "kademlia_core.distance",
    "new_lookup": "kademlia_core.any_lookup",
    "node_id_for": "kademlia_core.mainline.node_id",
    "pointer_to": "kademlia_core.mainline.pointer",
    "IpnsRecord": "kademlia_core.libp2p.ipns",
    "create_ipns_record": "kademlia_core.libp2p.ipns",
    "ipns_key": "kademlia_core.libp2p.ipns",
    "content_key": "kademlia_core.libp2p.names",
    "value_key": "kademlia_core.libp2p.names",
    "public_key_key": "kademlia_core.libp2p.validators",
    "Validator": "kademlia_core.libp2p.validators",
    "Libp2pConfig": "kademlia_core.libp2p.config",
    "ProviderStoreConfig": "kademlia_core.libp2p.config",
    "ValueStoreConfig": "kademlia_core.libp2p.config",
    "RepublishConfig": "kademlia_core.libp2p.config",
    "PUBLIC_PROTOCOL": "kademlia_core.libp2p.config",
    "LAN_PROTOCOL": "kademlia_core.libp2p.config",
    "Libp2pCore": "kademlia_core.libp2p.core",
    "Libp2pStats": "kademlia_core.libp2p.stats",
    "Libp2pNode": "kademlia_core.aio.libp2p.node",
    "PublishReport": "kademlia_core.aio.libp2p.node",
    "StreamHost": "kademlia_core.aio.libp2p.contract",
    "PeerInfo": "kademlia_core.libp2p.messages",
    "Scope": "kademlia_core.libp2p.peer",
    "KadMessageError": "kademlia_core.libp2p.errors",
    "RecordError": "kademlia_core.libp2p.errors",
    "RequestRefusedError": "kademlia_core.libp2p.errors",
}

__getattr__, __dir__ = public_names(__name__, _MODULES)

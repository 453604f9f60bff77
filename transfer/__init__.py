"""Moving bytes: endpoints, codecs, limits, transports, and a deterministic simulation of all of it.

The public names of the package are those below; everything else is internal. A module loads when a name of it is first
used, so that no program pays for what it does not use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from transfer.public import modules_of, public_names

if TYPE_CHECKING:
    from transfer import simulation as simulation
    from transfer.address import Address, AddressError, is_ip_address, packed_host
    from transfer.aio.aioquic_congestion import register_in_aioquic
    from transfer.aio.datagram_port import DatagramPort, PortTransport
    from transfer.aio.datagrams import BatchProtocol, RunProtocol
    from transfer.aio.door import Door, Entry
    from transfer.aio.host.connection import HostConnection
    from transfer.aio.host.host import Host
    from transfer.aio.host.names import NameLookUpError
    from transfer.aio.host.plugs import Muxer, MuxerKind, Noise, Plaintext, Security, Yamux
    from transfer.aio.kernel_congestion import (
        CongestionControlError,
        available_congestion_controls,
        check_congestion_control,
    )
    from transfer.aio.layer import Layer
    from transfer.aio.layered import LayerConfig, LayeredDialler, LayeredTransport
    from transfer.aio.limits import LimitEntry, Limits
    from transfer.aio.memory import MemoryNetwork, MemoryTransport
    from transfer.aio.memory_stream import MemoryConfig
    from transfer.aio.muxing.connection import YamuxConnection
    from transfer.aio.muxing.stream import MuxedStream
    from transfer.aio.portmap.mapper import PortMapper
    from transfer.aio.proxy.datagrams import open_proxy_port
    from transfer.aio.proxy.streams import ProxyTransport
    from transfer.aio.reader_writer import listen_streams, open_stream
    from transfer.aio.resolver import Resolver, ResolverConfig
    from transfer.aio.scatter import ScatterProtocol
    from transfer.aio.tasks import TaskSet
    from transfer.aio.tcp import TcpConfig, TcpTransport
    from transfer.aio.transports import Listener, StreamDialler, StreamTransport
    from transfer.aio.utp import UtpTransport
    from transfer.congestion.bulk.packets import BulkAck, BulkConfig, BulkPacket, BulkStats
    from transfer.congestion.bulk.receiver import BulkReceiver
    from transfer.congestion.bulk.sender import BulkSender
    from transfer.congestion.controller import Acknowledgement, CongestionController, Loss, RateSample
    from transfer.congestion.ledbat import Ledbat, LedbatConfig
    from transfer.congestion.loss_detection import LossDetector, TailProbe
    from transfer.congestion.pacer import Pacer, PacerConfig
    from transfer.congestion.rate_sample import Flight, RateSampler
    from transfer.congestion.registry import (
        UnknownControllerError,
        controller_names,
        make_controller,
        register_controller,
    )
    from transfer.congestion.rtt import RttConfig, RttEstimator
    from transfer.datagrams.demultiplexer import DatagramClaim, DatagramPortConfig, DatagramPortStats
    from transfer.errors import DecodeError, LimitExceededError, LocalProtocolError, RemoteProtocolError, TransferError
    from transfer.external_address import ExternalAddress, ExternalAddressConfig
    from transfer.host.config import HostConfig
    from transfer.host.dial import Attempt, DialConfig
    from transfer.host.errors import IdentifyError, PeerUnreachableError, StreamError, StreamIdleError
    from transfer.host.events import ConnectionDropped, DropCause, PeerConnected, PeerDisconnected, PeerIdentified
    from transfer.host.identify import Identification
    from transfer.host.peer_book import KnownPeer, PeerBook, PeerBookConfig
    from transfer.host.peer_record import PeerRecord
    from transfer.host.report import DialReport, HostReport
    from transfer.host.route import Carrier, NotDialableError, Route
    from transfer.identity.envelope import Envelope
    from transfer.identity.errors import IdentityError
    from transfer.identity.keys import KeyType, PrivateKey, PublicKey
    from transfer.identity.peer_id import PeerId
    from transfer.limits.admission import AdmissionCore, Arrival
    from transfer.limits.admission_config import AdmissionConfig
    from transfer.limits.backoff import Backoff
    from transfer.limits.budget import Scope, ScopeKind
    from transfer.limits.idle import IdleAction, IdleConfig, IdleCore, IdleKind
    from transfer.limits.journal import JournalConfig, LimitsReport, RefusalJournal, RefusalSummary
    from transfer.limits.keeper import ConnectionKeeper, KeeperConfig
    from transfer.limits.machine import Machine
    from transfer.limits.places import Group, Seat
    from transfer.limits.rate_limiter import RateLimiter
    from transfer.limits.refusal import LimitReachedError, Refusal
    from transfer.limits.reputation import Ban, Bans, Reputation, ReputationConfig
    from transfer.limits.resources import Priority, Resource, ScopeLimits
    from transfer.limits.shares import LOOPBACK, Networks
    from transfer.limits.source_limiter import RateLimitConfig, SourceLimiter
    from transfer.limits.streams import StreamLimitConfig, StreamLimits
    from transfer.limits.token_bucket import TokenBucket
    from transfer.multiaddr.errors import MultiaddrError
    from transfer.multiaddr.multiaddr import Multiaddr
    from transfer.muxing.errors import (
        FloodError,
        FrameError,
        GoAwayError,
        KeepAliveError,
        MuxerClosedError,
        MuxerError,
        StreamResetError,
        WindowExceededError,
    )
    from transfer.muxing.yamux.config import YamuxConfig
    from transfer.muxing.yamux.session import YamuxSession
    from transfer.muxing.yamux.stream import YamuxStream
    from transfer.muxing.yamux.values import YamuxStats
    from transfer.negotiation.errors import NegotiationError, NoCommonProtocolError
    from transfer.path_stats import PathStats
    from transfer.plain_file import read_file
    from transfer.portmap.config import PortMapConfig
    from transfer.portmap.values import MappedProtocol, PortMapMethod, PortMapStatus
    from transfer.proxy.errors import (
        ProxyError,
        ProxyTargetError,
        ProxyTargetRefusedError,
        ProxyTimeoutError,
        ProxyUrlError,
    )
    from transfer.proxy.proxy import Proxy, ProxyKind
    from transfer.proxy.relay import ProxyConfig
    from transfer.reach import Reach, reach_of
    from transfer.security.noise.errors import NoiseError
    from transfer.subnet import subnet_of, subscriber_of
    from transfer.utp.config import UtpConfig
    from transfer.utp.values import UtpStats
    from transfer.wire import bencode as bencode
    from transfer.wire.bencode import BencodeError, BencodeLimits

__all__ = [
    "LOOPBACK",
    "Acknowledgement",
    "Address",
    "AddressError",
    "AdmissionConfig",
    "AdmissionCore",
    "Arrival",
    "Attempt",
    "Backoff",
    "Ban",
    "Bans",
    "BatchProtocol",
    "BencodeError",
    "BencodeLimits",
    "BulkAck",
    "BulkConfig",
    "BulkPacket",
    "BulkReceiver",
    "BulkSender",
    "BulkStats",
    "Carrier",
    "CongestionControlError",
    "CongestionController",
    "ConnectionDropped",
    "ConnectionKeeper",
    "DatagramClaim",
    "DatagramPort",
    "DatagramPortConfig",
    "DatagramPortStats",
    "DecodeError",
    "DialConfig",
    "DialReport",
    "Door",
    "DropCause",
    "Entry",
    "Envelope",
    "ExternalAddress",
    "ExternalAddressConfig",
    "Flight",
    "FloodError",
    "FrameError",
    "GoAwayError",
    "Group",
    "Host",
    "HostConfig",
    "HostConnection",
    "HostReport",
    "Identification",
    "IdentifyError",
    "IdentityError",
    "IdleAction",
    "IdleConfig",
    "IdleCore",
    "IdleKind",
    "JournalConfig",
    "KeepAliveError",
    "KeeperConfig",
    "KeyType",
    "KnownPeer",
    "Layer",
    "LayerConfig",
    "LayeredDialler",
    "LayeredTransport",
    "Ledbat",
    "LedbatConfig",
    "LimitEntry",
    "LimitExceededError",
    "LimitReachedError",
    "Limits",
    "LimitsReport",
    "Listener",
    "LocalProtocolError",
    "Loss",
    "LossDetector",
    "Machine",
    "MappedProtocol",
    "MemoryConfig",
    "MemoryNetwork",
    "MemoryTransport",
    "Multiaddr",
    "MultiaddrError",
    "MuxedStream",
    "Muxer",
    "MuxerClosedError",
    "MuxerError",
    "MuxerKind",
    "NameLookUpError",
    "NegotiationError",
    "Networks",
    "NoCommonProtocolError",
    "Noise",
    "NoiseError",
    "NotDialableError",
    "Pacer",
    "PacerConfig",
    "PathStats",
    "PeerBook",
    "PeerBookConfig",
    "PeerConnected",
    "PeerDisconnected",
    "PeerId",
    "PeerIdentified",
    "PeerRecord",
    "PeerUnreachableError",
    "Plaintext",
    "PortMapConfig",
    "PortMapMethod",
    "PortMapStatus",
    "PortMapper",
    "PortTransport",
    "Priority",
    "PrivateKey",
    "Proxy",
    "ProxyConfig",
    "ProxyError",
    "ProxyKind",
    "ProxyTargetError",
    "ProxyTargetRefusedError",
    "ProxyTimeoutError",
    "ProxyTransport",
    "ProxyUrlError",
    "PublicKey",
    "RateLimitConfig",
    "RateLimiter",
    "RateSample",
    "RateSampler",
    "Reach",
    "Refusal",
    "RefusalJournal",
    "RefusalSummary",
    "RemoteProtocolError",
    "Reputation",
    "ReputationConfig",
    "Resolver",
    "ResolverConfig",
    "Resource",
    "Route",
    "RttConfig",
    "RttEstimator",
    "RunProtocol",
    "ScatterProtocol",
    "Scope",
    "ScopeKind",
    "ScopeLimits",
    "Seat",
    "Security",
    "SourceLimiter",
    "StreamDialler",
    "StreamError",
    "StreamIdleError",
    "StreamLimitConfig",
    "StreamLimits",
    "StreamResetError",
    "StreamTransport",
    "TailProbe",
    "TaskSet",
    "TcpConfig",
    "TcpTransport",
    "TokenBucket",
    "TransferError",
    "UnknownControllerError",
    "UtpConfig",
    "UtpStats",
    "UtpTransport",
    "WindowExceededError",
    "Yamux",
    "YamuxConfig",
    "YamuxConnection",
    "YamuxSession",
    "YamuxStats",
    "YamuxStream",
    "available_congestion_controls",
    "bencode",
    "check_congestion_control",
    "controller_names",
    "is_ip_address",
    "listen_streams",
    "make_controller",
    "open_proxy_port",
    "open_stream",
    "packed_host",
    "reach_of",
    "read_file",
    "register_controller",
    "register_in_aioquic",
    "simulation",
    "subnet_of",
    "subscriber_of",
]

_MODULES = modules_of(
    {
        "transfer.address": "Address AddressError is_ip_address packed_host",
        "transfer.aio.aioquic_congestion": "register_in_aioquic",
        "transfer.aio.datagram_port": "DatagramPort PortTransport",
        "transfer.aio.datagrams": "BatchProtocol RunProtocol",
        "transfer.aio.door": "Door Entry",
        "transfer.aio.host.connection": "HostConnection",
        "transfer.aio.host.host": "Host",
        "transfer.aio.host.names": "NameLookUpError",
        "transfer.aio.host.plugs": "Muxer MuxerKind Noise Plaintext Security Yamux",
        "transfer.aio.kernel_congestion": (
            "CongestionControlError available_congestion_controls check_congestion_control"
        ),
        "transfer.aio.layer": "Layer",
        "transfer.aio.layered": "LayerConfig LayeredDialler LayeredTransport",
        "transfer.aio.limits": "LimitEntry Limits",
        "transfer.aio.memory": "MemoryNetwork MemoryTransport",
        "transfer.aio.memory_stream": "MemoryConfig",
        "transfer.aio.muxing.connection": "YamuxConnection",
        "transfer.aio.muxing.stream": "MuxedStream",
        "transfer.aio.portmap.mapper": "PortMapper",
        "transfer.aio.proxy.datagrams": "open_proxy_port",
        "transfer.aio.proxy.streams": "ProxyTransport",
        "transfer.aio.reader_writer": "listen_streams open_stream",
        "transfer.aio.resolver": "Resolver ResolverConfig",
        "transfer.aio.scatter": "ScatterProtocol",
        "transfer.aio.tasks": "TaskSet",
        "transfer.aio.tcp": "TcpConfig TcpTransport",
        "transfer.aio.transports": "Listener StreamDialler StreamTransport",
        "transfer.aio.utp": "UtpTransport",
        "transfer.congestion.bulk.packets": "BulkAck BulkConfig BulkPacket BulkStats",
        "transfer.congestion.bulk.receiver": "BulkReceiver",
        "transfer.congestion.bulk.sender": "BulkSender",
        "transfer.congestion.controller": "Acknowledgement CongestionController Loss RateSample",
        "transfer.congestion.ledbat": "Ledbat LedbatConfig",
        "transfer.congestion.loss_detection": "LossDetector TailProbe",
        "transfer.congestion.pacer": "Pacer PacerConfig",
        "transfer.congestion.rate_sample": "Flight RateSampler",
        "transfer.congestion.registry": "UnknownControllerError controller_names make_controller register_controller",
        "transfer.congestion.rtt": "RttConfig RttEstimator",
        "transfer.datagrams.demultiplexer": "DatagramClaim DatagramPortConfig DatagramPortStats",
        "transfer.errors": "DecodeError LimitExceededError LocalProtocolError RemoteProtocolError TransferError",
        "transfer.external_address": "ExternalAddress ExternalAddressConfig",
        "transfer.host.config": "HostConfig",
        "transfer.host.dial": "Attempt DialConfig",
        "transfer.host.errors": "IdentifyError PeerUnreachableError StreamError StreamIdleError",
        "transfer.host.events": "ConnectionDropped DropCause PeerConnected PeerDisconnected PeerIdentified",
        "transfer.host.identify": "Identification",
        "transfer.host.peer_book": "KnownPeer PeerBook PeerBookConfig",
        "transfer.host.peer_record": "PeerRecord",
        "transfer.host.report": "DialReport HostReport",
        "transfer.host.route": "Carrier NotDialableError Route",
        "transfer.identity.envelope": "Envelope",
        "transfer.identity.errors": "IdentityError",
        "transfer.identity.keys": "KeyType PrivateKey PublicKey",
        "transfer.identity.peer_id": "PeerId",
        "transfer.limits.admission": "AdmissionCore Arrival",
        "transfer.limits.admission_config": "AdmissionConfig",
        "transfer.limits.backoff": "Backoff",
        "transfer.limits.budget": "Scope ScopeKind",
        "transfer.limits.idle": "IdleAction IdleConfig IdleCore IdleKind",
        "transfer.limits.journal": "JournalConfig LimitsReport RefusalJournal RefusalSummary",
        "transfer.limits.keeper": "ConnectionKeeper KeeperConfig",
        "transfer.limits.machine": "Machine",
        "transfer.limits.places": "Group Seat",
        "transfer.limits.rate_limiter": "RateLimiter",
        "transfer.limits.refusal": "LimitReachedError Refusal",
        "transfer.limits.reputation": "Ban Bans Reputation ReputationConfig",
        "transfer.limits.resources": "Priority Resource ScopeLimits",
        "transfer.limits.shares": "LOOPBACK Networks",
        "transfer.limits.source_limiter": "RateLimitConfig SourceLimiter",
        "transfer.limits.streams": "StreamLimitConfig StreamLimits",
        "transfer.limits.token_bucket": "TokenBucket",
        "transfer.multiaddr.errors": "MultiaddrError",
        "transfer.multiaddr.multiaddr": "Multiaddr",
        "transfer.muxing.errors": (
            "FloodError FrameError GoAwayError KeepAliveError MuxerClosedError MuxerError StreamResetError "
            "WindowExceededError"
        ),
        "transfer.muxing.yamux.config": "YamuxConfig",
        "transfer.muxing.yamux.session": "YamuxSession",
        "transfer.muxing.yamux.stream": "YamuxStream",
        "transfer.muxing.yamux.values": "YamuxStats",
        "transfer.negotiation.errors": "NegotiationError NoCommonProtocolError",
        "transfer.path_stats": "PathStats",
        "transfer.plain_file": "read_file",
        "transfer.portmap.config": "PortMapConfig",
        "transfer.portmap.values": "MappedProtocol PortMapMethod PortMapStatus",
        "transfer.proxy.errors": "ProxyError ProxyTargetError ProxyTargetRefusedError ProxyTimeoutError ProxyUrlError",
        "transfer.proxy.proxy": "Proxy ProxyKind",
        "transfer.proxy.relay": "ProxyConfig",
        "transfer.reach": "Reach reach_of",
        "transfer.security.noise.errors": "NoiseError",
        "transfer.simulation": "simulation",
        "transfer.subnet": "subnet_of subscriber_of",
        "transfer.utp.config": "UtpConfig",
        "transfer.utp.values": "UtpStats",
        "transfer.wire.bencode": "BencodeError BencodeLimits bencode",
    }
)

__getattr__, __dir__ = public_names(__name__, _MODULES)

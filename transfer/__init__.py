"""Moving bytes: endpoints, codecs, limits, transports, and a deterministic simulation of all of it.

The public names of the package are those below; everything else is internal. A module loads when a name of it is first
used, so that no program pays for what it does not use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from transfer.public import public_names

if TYPE_CHECKING:
    from transfer import simulation as simulation
    from transfer.address import Address, AddressError, is_ip_address, packed_host
    from transfer.aio.aioquic_congestion import register_in_aioquic
    from transfer.aio.datagram_port import DatagramPort, PortTransport
    from transfer.aio.datagrams import BatchProtocol, RunProtocol
    from transfer.aio.door import Door, Entry
    from transfer.aio.kernel_congestion import (
        CongestionControlError,
        available_congestion_controls,
        check_congestion_control,
    )
    from transfer.aio.layer import Layer
    from transfer.aio.layered import LayerConfig, LayeredTransport
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
    from transfer.aio.transports import Listener, StreamTransport
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
    "CongestionControlError",
    "CongestionController",
    "ConnectionKeeper",
    "DatagramClaim",
    "DatagramPort",
    "DatagramPortConfig",
    "DatagramPortStats",
    "DecodeError",
    "Door",
    "Entry",
    "ExternalAddress",
    "ExternalAddressConfig",
    "Flight",
    "FloodError",
    "FrameError",
    "GoAwayError",
    "Group",
    "IdleAction",
    "IdleConfig",
    "IdleCore",
    "IdleKind",
    "JournalConfig",
    "KeepAliveError",
    "KeeperConfig",
    "Layer",
    "LayerConfig",
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
    "MuxedStream",
    "MuxerClosedError",
    "MuxerError",
    "Networks",
    "Pacer",
    "PacerConfig",
    "PathStats",
    "PortMapConfig",
    "PortMapMethod",
    "PortMapStatus",
    "PortMapper",
    "PortTransport",
    "Priority",
    "Proxy",
    "ProxyConfig",
    "ProxyError",
    "ProxyKind",
    "ProxyTargetError",
    "ProxyTargetRefusedError",
    "ProxyTimeoutError",
    "ProxyTransport",
    "ProxyUrlError",
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
    "RttConfig",
    "RttEstimator",
    "RunProtocol",
    "ScatterProtocol",
    "Scope",
    "ScopeKind",
    "ScopeLimits",
    "Seat",
    "SourceLimiter",
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

_MODULES = {
    "LOOPBACK": "transfer.limits.shares",
    "Acknowledgement": "transfer.congestion.controller",
    "Address": "transfer.address",
    "AddressError": "transfer.address",
    "AdmissionConfig": "transfer.limits.admission_config",
    "AdmissionCore": "transfer.limits.admission",
    "Arrival": "transfer.limits.admission",
    "Backoff": "transfer.limits.backoff",
    "Ban": "transfer.limits.reputation",
    "Bans": "transfer.limits.reputation",
    "BatchProtocol": "transfer.aio.datagrams",
    "BencodeError": "transfer.wire.bencode",
    "BencodeLimits": "transfer.wire.bencode",
    "BulkAck": "transfer.congestion.bulk.packets",
    "BulkConfig": "transfer.congestion.bulk.packets",
    "BulkPacket": "transfer.congestion.bulk.packets",
    "BulkReceiver": "transfer.congestion.bulk.receiver",
    "BulkSender": "transfer.congestion.bulk.sender",
    "BulkStats": "transfer.congestion.bulk.packets",
    "CongestionControlError": "transfer.aio.kernel_congestion",
    "CongestionController": "transfer.congestion.controller",
    "ConnectionKeeper": "transfer.limits.keeper",
    "DatagramClaim": "transfer.datagrams.demultiplexer",
    "DatagramPort": "transfer.aio.datagram_port",
    "DatagramPortConfig": "transfer.datagrams.demultiplexer",
    "DatagramPortStats": "transfer.datagrams.demultiplexer",
    "DecodeError": "transfer.errors",
    "Door": "transfer.aio.door",
    "Entry": "transfer.aio.door",
    "ExternalAddress": "transfer.external_address",
    "ExternalAddressConfig": "transfer.external_address",
    "Flight": "transfer.congestion.rate_sample",
    "FloodError": "transfer.muxing.errors",
    "FrameError": "transfer.muxing.errors",
    "GoAwayError": "transfer.muxing.errors",
    "Group": "transfer.limits.places",
    "IdleAction": "transfer.limits.idle",
    "IdleConfig": "transfer.limits.idle",
    "IdleCore": "transfer.limits.idle",
    "IdleKind": "transfer.limits.idle",
    "JournalConfig": "transfer.limits.journal",
    "KeepAliveError": "transfer.muxing.errors",
    "KeeperConfig": "transfer.limits.keeper",
    "Layer": "transfer.aio.layer",
    "LayerConfig": "transfer.aio.layered",
    "LayeredTransport": "transfer.aio.layered",
    "Ledbat": "transfer.congestion.ledbat",
    "LedbatConfig": "transfer.congestion.ledbat",
    "LimitEntry": "transfer.aio.limits",
    "LimitExceededError": "transfer.errors",
    "LimitReachedError": "transfer.limits.refusal",
    "Limits": "transfer.aio.limits",
    "LimitsReport": "transfer.limits.journal",
    "Listener": "transfer.aio.transports",
    "LocalProtocolError": "transfer.errors",
    "Loss": "transfer.congestion.controller",
    "LossDetector": "transfer.congestion.loss_detection",
    "Machine": "transfer.limits.machine",
    "MappedProtocol": "transfer.portmap.values",
    "MemoryConfig": "transfer.aio.memory_stream",
    "MemoryNetwork": "transfer.aio.memory",
    "MemoryTransport": "transfer.aio.memory",
    "MuxedStream": "transfer.aio.muxing.stream",
    "MuxerClosedError": "transfer.muxing.errors",
    "MuxerError": "transfer.muxing.errors",
    "Networks": "transfer.limits.shares",
    "Pacer": "transfer.congestion.pacer",
    "PacerConfig": "transfer.congestion.pacer",
    "PathStats": "transfer.path_stats",
    "PortMapConfig": "transfer.portmap.config",
    "PortMapMethod": "transfer.portmap.values",
    "PortMapStatus": "transfer.portmap.values",
    "PortMapper": "transfer.aio.portmap.mapper",
    "PortTransport": "transfer.aio.datagram_port",
    "Priority": "transfer.limits.resources",
    "Proxy": "transfer.proxy.proxy",
    "ProxyConfig": "transfer.proxy.relay",
    "ProxyError": "transfer.proxy.errors",
    "ProxyKind": "transfer.proxy.proxy",
    "ProxyTargetError": "transfer.proxy.errors",
    "ProxyTargetRefusedError": "transfer.proxy.errors",
    "ProxyTimeoutError": "transfer.proxy.errors",
    "ProxyTransport": "transfer.aio.proxy.streams",
    "ProxyUrlError": "transfer.proxy.errors",
    "RateLimitConfig": "transfer.limits.source_limiter",
    "RateLimiter": "transfer.limits.rate_limiter",
    "RateSample": "transfer.congestion.controller",
    "RateSampler": "transfer.congestion.rate_sample",
    "Reach": "transfer.reach",
    "Refusal": "transfer.limits.refusal",
    "RefusalJournal": "transfer.limits.journal",
    "RefusalSummary": "transfer.limits.journal",
    "RemoteProtocolError": "transfer.errors",
    "Reputation": "transfer.limits.reputation",
    "ReputationConfig": "transfer.limits.reputation",
    "Resolver": "transfer.aio.resolver",
    "ResolverConfig": "transfer.aio.resolver",
    "Resource": "transfer.limits.resources",
    "RttConfig": "transfer.congestion.rtt",
    "RttEstimator": "transfer.congestion.rtt",
    "RunProtocol": "transfer.aio.datagrams",
    "ScatterProtocol": "transfer.aio.scatter",
    "Scope": "transfer.limits.budget",
    "ScopeKind": "transfer.limits.budget",
    "ScopeLimits": "transfer.limits.resources",
    "Seat": "transfer.limits.places",
    "SourceLimiter": "transfer.limits.source_limiter",
    "StreamLimitConfig": "transfer.limits.streams",
    "StreamLimits": "transfer.limits.streams",
    "StreamResetError": "transfer.muxing.errors",
    "StreamTransport": "transfer.aio.transports",
    "TailProbe": "transfer.congestion.loss_detection",
    "TaskSet": "transfer.aio.tasks",
    "TcpConfig": "transfer.aio.tcp",
    "TcpTransport": "transfer.aio.tcp",
    "TokenBucket": "transfer.limits.token_bucket",
    "TransferError": "transfer.errors",
    "UnknownControllerError": "transfer.congestion.registry",
    "UtpConfig": "transfer.utp.config",
    "UtpStats": "transfer.utp.values",
    "UtpTransport": "transfer.aio.utp",
    "WindowExceededError": "transfer.muxing.errors",
    "YamuxConfig": "transfer.muxing.yamux.config",
    "YamuxConnection": "transfer.aio.muxing.connection",
    "YamuxSession": "transfer.muxing.yamux.session",
    "YamuxStats": "transfer.muxing.yamux.values",
    "YamuxStream": "transfer.muxing.yamux.stream",
    "available_congestion_controls": "transfer.aio.kernel_congestion",
    "bencode": "transfer.wire.bencode",
    "check_congestion_control": "transfer.aio.kernel_congestion",
    "controller_names": "transfer.congestion.registry",
    "is_ip_address": "transfer.address",
    "listen_streams": "transfer.aio.reader_writer",
    "make_controller": "transfer.congestion.registry",
    "open_proxy_port": "transfer.aio.proxy.datagrams",
    "open_stream": "transfer.aio.reader_writer",
    "packed_host": "transfer.address",
    "reach_of": "transfer.reach",
    "read_file": "transfer.plain_file",
    "register_controller": "transfer.congestion.registry",
    "register_in_aioquic": "transfer.aio.aioquic_congestion",
    "simulation": "transfer.simulation",
    "subnet_of": "transfer.subnet",
    "subscriber_of": "transfer.subnet",
}

__getattr__, __dir__ = public_names(__name__, _MODULES)

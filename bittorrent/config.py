"""Bounds and times of a session."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from bittorrent.dialling.config import DiallingConfig
from bittorrent.dialling.encryption import MSE_COVER, Encryption
from bittorrent.dialling.paths import PUNCH, TCP, UTP, PathConfig
from bittorrent.dialling.turnover import TurnoverConfig
from bittorrent.local_discovery import LocalDiscoveryConfig
from bittorrent.peer.config import PeerConfig
from bittorrent.swarm.config import SwarmConfig
from bittorrent.swarm.downloading.keeping import UnfinishedConfig
from bittorrent.web_seed.core import WebSeedConfig
from transfer.external_address import ExternalAddressConfig
from transfer.limits.admission_config import AdmissionConfig
from transfer.limits.shares import LOOPBACK, Networks
from transfer.portmap.config import PortMapConfig
from transfer.proxy.proxy import Proxy
from transfer.utp.config import UtpConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionConfig:
    """Every number that shapes a `Session`; the parts have their own.

    Attributes:
        max_inbound: peers of all torrents together that called us. A sixteenth of these and of the next two is kept for
            torrents that have next to no peers.
        max_outbound: peers of all torrents together that we called, or are calling.
        max_connections: both together; None: as many as the two allow. The machine may allow fewer.
        max_connections_per_torrent: peers of one torrent.
        max_connections_per_host: peers at one IPv4 address, or one IPv6 /64.
        max_connections_per_network: the same for one IPv4 /24 or IPv6 /48.
        max_handshaking: incoming connections that have not said which torrent they want, beside the others.
        max_handshaking_per_network: the same for one IPv4 /24 or IPv6 /48.
        accepts_per_host_per_s: how often one host may call us, on average; 20 s' worth may come at once.
        accepts_per_s: how often all together may; 2 s' worth may come at once.
        exempt_networks: addresses and networks that the limits of hosts and networks do not hold for, such as
            "192.168.0.0/16". All other limits do, and useless connections from there make room like any other.
        max_descriptors: sockets of all connections; None: half of what the process may have open (RLIMIT_NOFILE).
        max_memory_bytes: for all connections, at 64 KiB each; None: an eighth of the machine's.
        max_dialling: connections being opened for one torrent at a time.
        slow_dial_s: a peer that has not answered for so long no longer counts among them (up to as many again).
        max_half_open: the same for all torrents together: some routers and networks break under many.
        connect_timeout_s: for opening one connection.
        write_timeout_s: a peer that takes nothing of what waits for it for so long is dropped: it may be alive, and
            even ask for more, but it costs memory and an upload slot.
        no_peers_timeout_s: a torrent that has met no peer for this long, and has no DHT that could be joined, stops
            with NoPeersError; None waits for ever.
        dht_first_interval_s: while peers are few the DHT is asked again after so long, then twice as long each time,
            up to a minute.
        dht_interval_s: an announcement that was taken is repeated after so long (BEP 5).
        external_address: how many peers must agree on the address they see us at.
        allow_private: whatever a torrent, a peer, a server or the DHT names may lie on this machine or in a private
            network (`bittorrent.dialling.targets` has the rule without it).
        file_look_interval_s: while a torrent moves bytes, its files are looked at so often: whether they are still
            there, and still the same.
        idle_file_look_interval_s: the same while it moves none.
        tcp_congestion: which of the kernel's congestion controllers sends over the TCP transport that a session makes
            itself ("cubic", "bbr"); None leaves the system's choice.
        disk_threads: worker threads for hashing and files, at least one for each core.
        paths: by which ways peers are called; each plain one also under the covers that `encryption` has. uTP, and with
            it hole punching, is left out where the session has no UDP port for it. A session in a private network tries
            uTP first with peers in the internet, unless the gateway lets others in: only these can bring it together
            with others that none can call.
        utp: how uTP is spoken (BEP 29), on the UDP ports of the session; None: it is neither spoken nor answered.
        tracker_preferences: whether name servers are asked which ports a tracker prefers (BEP 34), where the `dns`
            extra is installed, and there is no proxy.
        port_mapping: how the gateway of the local network is asked to let peers in (PCP, NAT-PMP, UPnP); None: not at
            all, as it changes what a router does.
        uses_local_network: False forbids all that is said to the local network alone, whatever else asks for it: the
            gateway is asked for nothing, and no peers are called for by multicast. So it is with `proxy_only`.
        encryption: how much is hidden that the peers speak BitTorrent.
        proxy: what calls to peers, trackers and web seeds go through; names are looked up by it.
        proxy_only: with a proxy, nothing goes around it: nobody listens, there is no local discovery, and the DHT, uTP
            and UDP trackers go through it or not at all. False: only calls over TCP go through it, all else as without.
        unfinished: how blocks of unfinished pieces are kept for the next start.
    """

    max_inbound: int = 1024
    max_outbound: int = 512
    max_connections: int | None = None
    max_connections_per_torrent: int = 60
    max_connections_per_host: int = 32
    max_connections_per_network: int = 128
    max_handshaking: int = 256
    max_handshaking_per_network: int = 96
    accepts_per_host_per_s: float = 5.0
    accepts_per_s: float = 1000.0
    exempt_networks: tuple[str, ...] = LOOPBACK
    max_descriptors: int | None = None
    max_memory_bytes: int | None = None
    max_dialling: int = 20
    slow_dial_s: float = 3.0
    max_half_open: int = 60
    connect_timeout_s: float = 10.0
    write_timeout_s: float = 300.0
    no_peers_timeout_s: float | None = None
    dht_first_interval_s: float = 3.0
    dht_interval_s: float = 15 * 60.0
    allow_private: bool = False
    file_look_interval_s: float = 2.0
    idle_file_look_interval_s: float = 10.0
    disk_threads: int = 4
    tcp_congestion: str | None = None
    external_address: ExternalAddressConfig = field(default_factory=lambda: ExternalAddressConfig(quorum=3))
    peer: PeerConfig = field(default_factory=PeerConfig)
    swarm: SwarmConfig = field(default_factory=SwarmConfig)
    local_discovery: LocalDiscoveryConfig = field(default_factory=LocalDiscoveryConfig)
    paths: PathConfig = field(default_factory=lambda: PathConfig(paths=(TCP, UTP, PUNCH)))
    utp: UtpConfig | None = field(default_factory=UtpConfig)
    turnover: TurnoverConfig = field(default_factory=TurnoverConfig)
    web_seed: WebSeedConfig = field(default_factory=WebSeedConfig)
    tracker_preferences: bool = True
    port_mapping: PortMapConfig | None = None
    uses_local_network: bool = True
    encryption: Encryption = Encryption.PLAINTEXT
    proxy: Proxy | None = None
    proxy_only: bool = True
    unfinished: UnfinishedConfig = field(default_factory=UnfinishedConfig)

    def __post_init__(self) -> None:
        for name in self.__slots__:
            value = getattr(self, name)
            if isinstance(value, int | float) and not isinstance(value, bool) and value <= 0:
                raise ValueError(f"{name} must be positive")
        if self.dht_first_interval_s > self.dht_interval_s:
            raise ValueError("dht_first_interval_s must not exceed dht_interval_s")
        Networks(self.exempt_networks)  # says what is wrong with them

    @property
    def only_proxy(self) -> Proxy | None:
        """The proxy that everything goes through; None: there is none, or not everything does."""
        return self.proxy if self.proxy_only else None

    @property
    def speaks_locally(self) -> bool:
        """Whether the local network may hear of us: its gateway, and neighbours by multicast."""
        return self.uses_local_network and self.only_proxy is None

    @property
    def dialling(self) -> DiallingConfig:
        """What of it one torrent goes by when it makes and takes connections."""
        return DiallingConfig(
            max_connections=self.max_connections_per_torrent,
            max_dialling=self.max_dialling,
            slow_dial_s=self.slow_dial_s,
            paths=self.paths.under(self.encryption.covers),
            turnover=self.turnover,
        )

    def for_parts(self) -> SessionConfig:
        """This one, with what `allow_private` and `encryption` mean for the parts."""
        peer, swarm = replace(self.peer, prefers_encryption=self.encryption.covers[0] == MSE_COVER), self.swarm
        if self.allow_private:
            exchange = replace(swarm.peer_exchange, allow_private=True)
            swarm = replace(swarm, peer_exchange=exchange, punching=replace(swarm.punching, allow_private=True))
        return replace(self, peer=peer, swarm=swarm)

    @property
    def admission(self) -> AdmissionConfig:
        """What of it holds for all connections together."""
        return AdmissionConfig(
            max_inbound=self.max_inbound,
            max_outbound=self.max_outbound,
            max_connections=self.max_connections,
            max_per_address=self.max_connections_per_host,
            max_per_subnet=self.max_connections_per_network,
            max_half_open=self.max_handshaking,
            max_half_open_per_subnet=self.max_handshaking_per_network,
            handshake_timeout_s=self.peer.handshake_timeout_s,
            max_dialling=self.max_half_open,
            accepts_per_address_per_s=self.accepts_per_host_per_s,
            accept_burst_per_address=20 * self.accepts_per_host_per_s,
            accepts_per_s=self.accepts_per_s,
            accept_burst=2 * self.accepts_per_s,
            exempt=self.exempt_networks,
            descriptors=self.max_descriptors,
            memory_bytes=self.max_memory_bytes,
            setting=LIMIT_NAMES,
        )


LIMIT_NAMES = {
    "max_per_address": "max_connections_per_host",
    "max_per_subnet": "max_connections_per_network",
    "max_half_open": "max_handshaking",
    "max_half_open_per_subnet": "max_handshaking_per_network",
    "handshake_timeout_s": "peer.handshake_timeout_s",
    "max_dialling": "max_half_open",
    "accepts_per_address_per_s": "accepts_per_host_per_s",
    "descriptors": "max_descriptors",
    "memory_bytes": "max_memory_bytes",
}
"""What the fields of `AdmissionConfig` are called here."""

LIMIT_ADVICE = {
    "max_inbound": "SessionConfig(max_inbound=…) allows more",
    "max_outbound": "SessionConfig(max_outbound=…) allows more",
    "max_connections": "SessionConfig(max_connections=…) allows more",
    "max_connections_per_torrent": "SessionConfig(max_connections_per_torrent=…) allows more",
    "max_connections_per_host": "SessionConfig(max_connections_per_host=…) allows more, exempt_networks any number",
    "max_connections_per_network": "SessionConfig(max_connections_per_network=…) allows more, exempt_networks any"
    " number",
    "max_handshaking": "they came faster than they said what they want; SessionConfig(max_handshaking=…) allows more",
    "peer.handshake_timeout_s": "they did not say what they want; SessionConfig(peer=PeerConfig(handshake_timeout_s=…))"
    " gives them longer",
    "max_half_open": "SessionConfig(max_half_open=…) allows more calls at a time",
    "accepts_per_host_per_s": "SessionConfig(accepts_per_host_per_s=…) allows more, exempt_networks any number",
    "accepts_per_s": "SessionConfig(accepts_per_s=…) allows more",
    "max_descriptors": "`ulimit -n` with more, or SessionConfig(max_descriptors=…)",
    "max_memory_bytes": "SessionConfig(max_memory_bytes=…) allows more",
    "RLIMIT_NOFILE": "`ulimit -n` with more, or SessionConfig(max_descriptors=…) with less",
}
"""How to change each of them."""

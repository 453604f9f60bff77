"""Every number that shapes a host."""

from __future__ import annotations

from dataclasses import dataclass, field

from transfer.host.dial import DialConfig
from transfer.host.peer_book import PeerBookConfig
from transfer.limits.idle import IdleConfig
from transfer.limits.keeper import KeeperConfig
from transfer.limits.streams import StreamLimitConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class HostConfig:
    """Bounds and times of a `Host`.

    Attributes:
        agent: what it calls its program; others see it.
        protocol_version: what it calls its network.
        upgrade_timeout_s: for an accepted connection, from the first byte to the muxer.
        max_upgrading: accepted connections that are about it; one more breaks off the one that has taken the longest.
        max_per_peer: connections with one peer.
        stream_timeout_s: to agree on a protocol on a new stream.
        identify_timeout_s: for a peer to tell of itself.
        push_delay_s: changes of the protocols or addresses within so long are told together.
        close_timeout_s: connections have so long to end in good order when the host is closed, or lets them go.
        max_reports: of calls, and of dropped connections, that `explain` keeps; the oldest goes first.
        max_pings_per_peer: streams that one peer may have open for pings.
        is_security_lazy: the first message of the handshake leaves without waiting for the answer to its proposal.
        idle: connections that say nothing are asked for a sign of life, and streams on which nothing moves are reset.
            `IdleConfig(stream_s=None)` lets streams be.
        keeper: how many peers may be connected, and who goes when there are more. None: only `Limits` counts them.
    """

    agent: str = "kademlia-core"
    protocol_version: str = "ipfs/0.1.0"
    upgrade_timeout_s: float = 15.0
    max_upgrading: int = 128
    max_per_peer: int = 8
    stream_timeout_s: float = 10.0
    identify_timeout_s: float = 15.0
    push_delay_s: float = 0.5
    close_timeout_s: float = 1.0
    max_reports: int = 64
    max_pings_per_peer: int = 2
    is_security_lazy: bool = True
    dial: DialConfig = field(default_factory=DialConfig)
    peers: PeerBookConfig = field(default_factory=PeerBookConfig)
    streams: StreamLimitConfig = field(default_factory=StreamLimitConfig)
    idle: IdleConfig = field(default_factory=IdleConfig)
    keeper: KeeperConfig | None = field(default_factory=KeeperConfig)

    def __post_init__(self) -> None:
        for name in self.__slots__:
            value = getattr(self, name)
            if isinstance(value, int | float) and not isinstance(value, bool) and value <= 0:
                raise ValueError(f"{name} must be positive")

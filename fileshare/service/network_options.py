"""How the service reaches others."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from bittorrent import Encryption, IpFilter, IpFilterError, RateLimits, SessionConfig
from fileshare.service.errors import ServiceError
from fileshare.service.network import open_session
from transfer import Address, PortMapConfig, Proxy, Reach, reach_of, read_file

if TYPE_CHECKING:
    from bittorrent import Session
    from kademlia_core import MainlineNode


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkOptions:
    """What a user wants of the network.

    Attributes:
        listen: None for the usual ports.
        bootstrap: None to stay out of the DHT.
        peers: to be asked besides those found.
        limits: of everything together, peers of the local network and on this machine included.
        ip_filter: hosts to have nothing to do with; `ip_filter_file` is where they were read from.
        local: look for peers in the local network; None: where that works.
        port_mapping: ask the router to let others in; None: unless we listen for this machine alone.
        uses_local_network: False forbids that, and looking for peers in the local network, whatever else asks for it:
            all that would be said beside a proxy.
        encryption: how much is hidden from networks that the peers speak BitTorrent.
        tcp_congestion: which of the kernel's congestion controllers sends over TCP; None leaves the system's choice.
        utp: speak uTP beside TCP, on the same port.
        allow_private: whatever others name may lie in a private network (`bittorrent.dialling.targets`).
        max_connections: with all peers together; None: what the session allows.
        proxy: what calls to peers, trackers, web seeds and URLs of torrents go through.
        proxy_only: nothing goes around it (`SessionConfig.proxy_only`).
        exempt: networks for which limits of hosts and networks do not hold; None: as the session has it, loopback.
    """

    listen: Address | None = None
    bootstrap: tuple[Address, ...] | None = None
    peers: tuple[Address, ...] = ()
    limits: RateLimits = field(default_factory=RateLimits)
    ip_filter: IpFilter | None = None
    ip_filter_file: Path | None = None
    local: bool | None = None
    allow_private: bool = False
    port_mapping: bool | None = False
    uses_local_network: bool = True
    encryption: Encryption = Encryption.PLAINTEXT
    tcp_congestion: str | None = None
    utp: bool = True
    max_connections: int | None = None
    exempt: tuple[str, ...] | None = None
    proxy: Proxy | None = None
    proxy_only: bool = True

    @asynccontextmanager
    async def open(
        self, *, download_dir: Path, config: SessionConfig, state_dir: Path | None, uses_dht: bool
    ) -> AsyncIterator[tuple[Session, MainlineNode | None]]:
        """A session that keeps to these options, and its DHT node, if there is to be one.

        Raises:
            ListenError, NoFreePortError: its address cannot be bound.
            ProxyError: the proxy cannot be reached, or refuses us.
            CongestionControlError: the system's TCP has no such controller.
        """
        async with open_session(
            listen=self.listen,
            bootstrap=self.bootstrap if uses_dht else None,
            peers=self.peers,
            download_dir=download_dir,
            config=self._applied_to(config),
            state_dir=state_dir,
            ip_filter=self.ip_filter,
            local_discovery=self.local is not False and self.uses_local_network,
        ) as (session, node):
            session.set_rate_limits(self.limits, counts_local=True)
            yield session, node

    @property
    def wants_mapping(self) -> bool:
        """Whether the router is to be asked to let others in."""
        if not self.uses_local_network or self.port_mapping is not None:
            return self.uses_local_network and bool(self.port_mapping)
        is_everywhere = self.listen is None or self.listen.host in ("0.0.0.0", "::")
        return is_everywhere or (self.listen is not None and reach_of(self.listen.host) is not Reach.MACHINE)

    def _applied_to(self, config: SessionConfig) -> SessionConfig:
        config = replace(
            config,
            allow_private=self.allow_private,
            encryption=self.encryption,
            tcp_congestion=self.tcp_congestion,
            utp=config.utp if self.utp else None,
            port_mapping=(config.port_mapping or PortMapConfig()) if self.wants_mapping else None,
            uses_local_network=self.uses_local_network,
            proxy=self.proxy,
            proxy_only=self.proxy_only,
        )
        if self.exempt is not None:
            config = replace(config, exempt_networks=self.exempt)
        most = self.max_connections
        if most is not None:
            config = replace(
                config,
                max_connections=most,
                max_inbound=max(most, config.max_inbound),
                max_outbound=max(most, config.max_outbound),
            )
        return config


def read_ip_filter(path: Path) -> IpFilter:
    """The addresses on a list.

    Raises:
        ServiceError: it is none.
        OSError: it cannot be read.
    """
    data = read_file(path, MAX_LIST_BYTES, may_be_pipe=True)
    try:
        return IpFilter.from_bytes(data)
    except IpFilterError as error:
        raise ServiceError(f"{path} is no list of addresses: {error}") from None


MAX_LIST_BYTES = 256 << 20

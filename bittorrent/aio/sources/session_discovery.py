"""The local discovery of a session: over the address families it listens on, for all its torrents."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from bittorrent.aio.sources.local_discovery import LocalDiscovery
from bittorrent.dialling.peer_list import PeerSource
from bittorrent.local_discovery import LocalDiscoveryConfig
from transfer.address import Address, is_ip_address
from transfer.aio.transports import Listener

if TYPE_CHECKING:
    from bittorrent.aio.torrent import Torrent


class SessionDiscovery:
    """Opens `LocalDiscovery` where the session listens, and hands the peers that it finds to their torrents.

    Args:
        torrents: by each of their hashes: live.
        listener: of the session.

    Attributes:
        discovery: None on a machine without multicast.
    """

    def __init__(self, torrents: Mapping[bytes, Torrent], listener: Listener, config: LocalDiscoveryConfig) -> None:
        self.discovery: LocalDiscovery | None = None
        self._torrents = torrents
        self._listener = listener
        self._config = config

    async def open(self, *, cookie: str) -> str | None:
        """Joins the groups. Returns why there is no local discovery, if there is none."""
        addresses = self._listener.addresses
        hosts = {each.is_ipv6: each.host if is_ip_address(each.host) else ANYWHERE for each in reversed(addresses)}
        discovery = LocalDiscovery(
            interface=tuple(hosts.values()),
            port=addresses[0].port,
            cookie=cookie,
            on_peer=self._found,
            config=self._config,
        )
        try:
            self.discovery = await discovery.__aenter__()
        except OSError as error:
            return f"no peers are looked for in the local network: {error.strerror or error}"
        return None

    async def aclose(self) -> None:
        """Leaves the groups. May be called twice."""
        if self.discovery is not None:
            await self.discovery.aclose()

    def _found(self, info_hash: bytes, peer: Address) -> None:
        torrent = self._torrents.get(info_hash)
        if torrent is not None:
            torrent.swarm.add_addresses([peer], PeerSource.LOCAL, info_hash=info_hash)


ANYWHERE = "0.0.0.0"  # a transport of another kind has names of its own for where it listens

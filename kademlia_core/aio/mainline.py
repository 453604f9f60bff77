"""A node of the BitTorrent DHT on asyncio."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kademlia_core.aio.lookups import PeerLookup, RunningSearch
from kademlia_core.aio.node import Node
from kademlia_core.mainline.config import KEY_BITS, PUBLIC_ROUTERS, MainlineConfig
from kademlia_core.mainline.core import MainlineCore, MainlineStats
from kademlia_core.mainline.peer_search import Announcement, AnnounceReport

if TYPE_CHECKING:
    import random
    from collections.abc import Iterable
    from pathlib import Path

    from kademlia_core.key import Key
    from transfer.address import Address


class MainlineNode(Node[MainlineCore]):
    """A node of the BitTorrent DHT: finds peers, announces, and answers everybody else.

    Enter it with `async with`: that binds the socket and begins to join the network in the background. Every lookup
    waits for that by itself. An empty `bootstrap` starts a network of one's own.

    Args:
        host: IP address to bind: "0.0.0.0" or an address of this machine; an IPv6 one makes it a node of the IPv6 DHT.
            A tuple of one of each makes it a node of both.
        port: UDP port, 0 for any free one.
        bootstrap: where to enter the network; names are resolved. Default: the well-known public routers.
        node_id: a key of 160 bits; random when not given.
        rng: source of all randomness; the operating system's when not given.
        state_file: where to keep the key and the contacts from one run to the next, so that the next one needs no
            bootstrap address. A damaged file is replaced, with a warning in the log.
    """

    def __init__(
        self,
        *,
        host: str | tuple[str, ...] = "0.0.0.0",
        port: int = 0,
        bootstrap: Iterable[tuple[str, int]] = PUBLIC_ROUTERS,
        node_id: Key | None = None,
        config: MainlineConfig | None = None,
        rng: random.Random | None = None,
        state_file: Path | str | None = None,
    ) -> None:
        config = config or MainlineConfig()
        super().__init__(
            host=host,
            port=port,
            bootstrap=bootstrap,
            config=config,
            rng=rng,
            node_id=node_id,
            state_file=state_file,
        )
        self._mainline_config = config

    def find_peers(self, info_hash: bytes | Key) -> PeerLookup:
        """A lookup of everybody who shares `info_hash` (20 bytes): `async with` it, then `async for` over it.

        Raises:
            InvalidKeyError, ValueError: `info_hash` is not 20 bytes.
        """
        target = self._key(info_hash)

        async def start() -> RunningSearch:
            return await self._begin(lambda core, now: core.find_peers(target, now=now))

        return PeerLookup(start, self._end)

    async def announce(self, info_hash: bytes | Key, *, port: int, implied_port: bool = False) -> AnnounceReport:
        """Tells the nodes closest to `info_hash` that this machine shares it on TCP and uTP `port`; once.

        Nodes forget after half an hour or more, so announce again every 15 minutes or so.

        Args:
            implied_port: let the nodes take the UDP port that this node is seen at instead (behind some NATs).

        Raises:
            ValueError: `port` is not from 1 to 65535.
            BootstrapError, NodeClosedError: as `wait_joined`.
            LimitExceededError: too many searches are running.
        Cancellation: ends the lookup; nodes that have been told remember it.
        """
        if not 0 < port <= 65535:
            raise ValueError(f"{port} is not a port from 1 to 65535")
        key = self._key(info_hash)
        announcement = Announcement(key, port, implied_port)
        running = await self._run(lambda core, now: core.find_peers(key, announcement=announcement, now=now))
        peers: list[Address] = []
        while (peer := await running.next_found()) is not None:
            peers.append(peer)
        accepted = tuple(contact for search in running.searches for contact in search.accepted())
        return AnnounceReport(accepted, tuple(peers), running.statistics())

    def statistics(self) -> MainlineStats:
        """Of both networks together, if the node is part of two.

        Raises:
            NodeClosedError: the node is not open.
        """
        return MainlineStats.summed(driver.core.stats(now=driver.now) for driver in self._open_drivers)

    def _make_core(self, local: Address, node_id: Key | None) -> MainlineCore:
        return MainlineCore(
            rng=self._rng,
            now=self._loop.time(),
            node_id=node_id,
            config=self._mainline_config,
            is_ipv6=local.is_ipv6,
            keeps_id=self._node_id is not None,
        )

    @property
    def _key_bits(self) -> int:
        return KEY_BITS

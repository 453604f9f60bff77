"""Keeps a session reachable: asks the gateway to let others in, and tells trackers, the DHT and peers which port."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from random import Random
from typing import TYPE_CHECKING

from bittorrent.reachability import ReachabilityCore, ReachabilityStats
from kademlia_core.errors import NodeClosedError
from transfer.address import Address
from transfer.aio.portmap.gateway import local_host
from transfer.aio.portmap.mapper import PortMapper
from transfer.portmap.values import MappedProtocol, PortMapStatus

if TYPE_CHECKING:
    from bittorrent.config import SessionConfig
    from kademlia_core import MainlineNode


class Reachability:
    """Drives a `ReachabilityCore`.

    Args:
        listen: where the session listens.
        uses_udp: whether peers or DHT nodes may come over UDP on the same port number.
        dht: the session's node, if it has one.
        is_behind_nat: what leaves for the internet gets another address on the way.
        on_change: called when others are to be told another port, or are to be called otherwise.
        rng: where nonces and outer ports come from.
    """

    def __init__(
        self,
        listen: Address,
        *,
        uses_udp: bool,
        dht: MainlineNode | None,
        config: SessionConfig,
        is_behind_nat: bool,
        on_change: Callable[[], None],
        rng: Random,
    ) -> None:
        self.core = ReachabilityCore(listen, config.external_address, is_behind_nat=is_behind_nat)
        self._uses_udp = uses_udp
        self._dht = dht
        self._config = config
        self._on_change = on_change
        self._told = (self.port, self.needs_introductions)
        self._rng = rng
        self._mapper: PortMapper | None = None
        self._changed = asyncio.Event()
        self._loop = asyncio.get_running_loop()

    async def open(self) -> None:
        """Begins to ask the gateway, if that is wanted. Waits for nothing."""
        if self._config.port_mapping is not None and self._config.speaks_locally:
            protocols: Sequence[MappedProtocol] = tuple(MappedProtocol) if self._uses_udp else (MappedProtocol.TCP,)
            listen = self.core.listen
            self._mapper = PortMapper(
                listen.port,
                host=listen.host,
                protocols=protocols,
                on_change=self._mapped,
                config=self._config.port_mapping,
                rng=self._rng,
            )
            self.core.mapping = self._mapper.status()
            await self._mapper.__aenter__()

    async def aclose(self) -> None:
        """Takes the mapping back, within a second."""
        if self._mapper is not None:
            await self._mapper.aclose()

    @property
    def port(self) -> int:
        """What others are told."""
        return self.core.port

    @property
    def needs_introductions(self) -> bool:
        """As `ReachabilityCore.needs_introductions`."""
        return self.core.needs_introductions

    @property
    def implies_port(self) -> bool:
        """Whether DHT nodes shall take the port that they see: a NAT that made no mapping may have chosen it.

        That is the port of uTP, too, where the node and uTP share one.
        """
        if self._dht is None or not self._uses_udp or self.core.is_mapped_elsewhere or self._config.utp is None:
            return False
        try:
            return any(port.address.port == self.core.listen.port for port in self._dht.datagrams)
        except NodeClosedError:
            return False

    @property
    def external_host(self) -> str | None:
        """Our address, as far as it is known."""
        agreed: tuple[str, ...] = ()
        if self._dht is not None:
            with suppress(NodeClosedError):  # it is the caller's, and may be closed first
                agreed = self._dht.external_hosts
        mine = [host for host in agreed if (":" in host) == self.core.listen.is_ipv6]
        return self.core.external_host(mine[0] if mine else None)

    def receive_vote(self, voter: Address, host: str) -> None:
        """A peer or a tracker says at which address it sees us."""
        self.core.receive_vote(voter, host, now=self._loop.time())
        self._tell()

    async def wait_mapping(self, known: PortMapStatus | None) -> PortMapStatus:
        """What became of the mapping, as soon as it is something else than `known`; without one wanted, never."""
        while (status := self.core.mapping) is None or not status.is_settled or status == known:
            self._changed.clear()
            await self._changed.wait()
        return status

    def statistics(self) -> ReachabilityStats:
        """A snapshot."""
        core, dht = self.core, self._dht
        unsolicited: int | None = None
        votes: dict[str, int] = {}
        if dht is not None:
            with suppress(NodeClosedError):
                unsolicited = dht.statistics().queries_unsolicited
                votes = dht.seen_as()
        return ReachabilityStats(
            listen=core.listen,
            local_host=local_host(None, is_ipv6=core.listen.is_ipv6, bound=core.listen.host),
            port=core.port,
            mapping=core.mapping,
            seen_as=_most_first(core.external.votes(now=self._loop.time())),
            dht_seen_as=_most_first(votes),
            external_host=self.external_host,
            callers=core.callers,
            local_callers=core.local_callers,
            last_caller=core.last_caller,
            dht_unsolicited=unsolicited,
        )

    def _mapped(self, status: PortMapStatus) -> None:
        self.core.receive_mapping(status)
        self._changed.set()
        self._tell()

    def _tell(self) -> None:
        now = (self.port, self.needs_introductions)
        if now != self._told:
            self._told = now
            self._on_change()


def _most_first(votes: dict[str, int]) -> tuple[tuple[str, int], ...]:
    return tuple(sorted(votes.items(), key=lambda entry: -entry[1]))

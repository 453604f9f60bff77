"""The exchange of peers of a whole swarm (BEP 11): tells each peer about the others, and collects what they tell."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from bittorrent.swarm.config import SwarmConfig
from bittorrent.swarm.events import PeersNamed, SwarmEvent
from bittorrent.swarm.peer import SwarmPeer
from bittorrent.swarm.peer_exchange import PeerExchange
from bittorrent.wire.pex import PexFlags, PexMessage
from transfer.address import Address, is_ip_address


class SwarmExchange:
    """Silent until `begin`, and for good in a private torrent (BEP 27).

    Args:
        peers: of the swarm, by number: live.
        touch: to be called for a peer that has something to write now.
        events: where learnt endpoints are reported.
    """

    def __init__(
        self,
        peers: dict[int, SwarmPeer],
        touch: Callable[[SwarmPeer], None],
        events: deque[SwarmEvent],
        *,
        config: SwarmConfig,
    ) -> None:
        self.is_private = False
        self._peers = peers
        self._touch = touch
        self._events = events
        self._config = config.peer_exchange
        self._accounts: dict[int, PeerExchange] = {}
        self._is_telling = False

    def begin(self, *, private: bool) -> None:
        """The metadata is known."""
        self.is_private = private
        self._is_telling = not private
        if private:
            self._accounts.clear()

    def add_peer(self, peer: SwarmPeer, *, now: float) -> None:
        """A peer connected."""
        address = peer.core.address
        if not self.is_private and isinstance(address, Address) and is_ip_address(address.host):
            self._accounts[peer.number] = PeerExchange(address, now=now, config=self._config)

    def remove_peer(self, number: int) -> None:
        """A peer is gone; the others will be told."""
        self._accounts.pop(number, None)

    def receive(self, peer: SwarmPeer, message: PexMessage, *, now: float) -> None:
        """A peer names others. What comes too often counts as a nuisance."""
        account = self._accounts.get(peer.number)
        named = account.receive(message, now=now) if account is not None else None
        if named is None:
            peer.core.count_nuisance(NUISANCE)
        elif named:
            self._events.append(PeersNamed(tuple(named)))

    def handle_timer(self, *, now: float, is_seed: Callable[[int], bool]) -> None:
        """Tells the peers that have waited for a minute. About once a second."""
        if not self._is_telling:
            return
        due = [number for number, account in self._accounts.items() if account.is_due(now=now)]
        if not due:
            return
        connected: dict[Address, PexFlags] = {}
        for peer in self._peers.values():
            address = peer.reachable_at
            if address is not None and not peer.core.is_closed:
                flags = PexFlags.SEED if is_seed(peer.number) else PexFlags(0)
                flags |= PexFlags.UTP if peer.transport == "utp" else PexFlags(0)
                connected[address] = flags | (PexFlags.REACHABLE if peer.is_dialled else PexFlags(0))
        for number in due:
            peer = self._peers[number]
            if peer.core.extended.takes_pex and not peer.core.is_closed:
                news = self._accounts[number].message(connected, own=peer.sender.listen_address, now=now)
                if news is not None:
                    peer.core.send_pex(news)
                    self._touch(peer)


NUISANCE = 20.0  # of the messages that a peer may send in a burst: there is no honest reason for it

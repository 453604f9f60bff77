"""What peers tell one another of other peers: who there is (BEP 11), and whom to call now (BEP 55)."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator

from bittorrent.peer.events import PexReceived, PunchReceived
from bittorrent.swarm.config import SwarmConfig
from bittorrent.swarm.events import PeersNamed, SwarmEvent
from bittorrent.swarm.peer import SwarmPeer
from bittorrent.swarm.peer_exchange import PeerExchange
from bittorrent.swarm.punching.core import SwarmPunching
from bittorrent.wire.pex import PexFlags
from transfer.address import Address, is_ip_address


class SwarmExchange:
    """Silent until `begin`, and for good in a private torrent (BEP 27).

    Args:
        peers: of the swarm, by number: live.
        touch: to be called for a peer that has something to write now.
        events: where learnt endpoints are reported.

    Attributes:
        punching: brings peers together, and us with others.
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
        self.punching = SwarmPunching(peers, touch, events, introducers=self._introducers, config=config.punching)
        self._accounts: dict[int, PeerExchange] = {}
        self._is_telling = False

    def begin(self, *, private: bool) -> None:
        """The metadata is known."""
        self.is_private = private
        self._is_telling = not private
        if private:
            self._accounts.clear()
        for peer in self._peers.values():
            self._permit(peer)

    def add_peer(self, peer: SwarmPeer, *, now: float) -> None:
        """A peer connected."""
        self._permit(peer)
        address = peer.core.address
        if isinstance(address, Address) and peer.transport == "utp":
            peer.introduced_by = self.punching.relay_of(address, now=now)
        if not self.is_private and isinstance(address, Address) and is_ip_address(address.host):
            self._accounts[peer.number] = PeerExchange(address, now=now, config=self._config)

    def remove_peer(self, number: int) -> None:
        """A peer is gone; the others will be told."""
        self._accounts.pop(number, None)
        self.punching.remove_peer(number)

    def receive(self, peer: SwarmPeer, event: PexReceived | PunchReceived, *, now: float) -> None:
        """A peer speaks of others. What names of them comes too often counts as a nuisance."""
        if isinstance(event, PunchReceived):
            self.punching.receive(peer, event.message, now=now)
            return
        account = self._accounts.get(peer.number)
        named = account.receive(event.message, now=now) if account is not None else None
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
                connected[address] = peer.flags | (PexFlags.SEED if is_seed(peer.number) else PexFlags(0))
        for number in due:
            peer = self._peers[number]
            if peer.core.extended.takes_pex and not peer.core.is_closed:
                own = peer.reachable_at or peer.listen_address
                news = self._accounts[number].message(connected, own=own, now=now)
                if news is not None:
                    peer.core.send_extended(peer.core.extended.pex(news))
                    self._touch(peer)

    def _permit(self, peer: SwarmPeer) -> None:
        """Whether a peer may speak of others at all."""
        peer.core.extended.allows_pex = not self.is_private
        peer.core.extended.offers_holepunch = self.punching.is_offered and not self.is_private

    def _introducers(self, address: Address) -> Iterator[int]:
        """Who has named an endpoint, and said that it knows hole punching. Cost: O(peers)."""
        return (number for number, account in self._accounts.items() if address in account.introduces)


NUISANCE = 20.0  # of the messages that a peer may send in a burst: there is no honest reason for it

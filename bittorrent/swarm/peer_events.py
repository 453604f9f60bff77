"""What peers say goes to the part of the swarm that it concerns."""

from __future__ import annotations

from collections import deque

from bittorrent.peer.events import (
    DhtPortReceived,
    ExtensionsReceived,
    HashesArrived,
    HashesRequested,
    MetadataArrived,
    PeerEvent,
    PexReceived,
    PunchReceived,
    RequestRejected,
)
from bittorrent.swarm.events import DhtNodeFound, SeenAs, SwarmEvent
from bittorrent.swarm.exchange import SwarmExchange
from bittorrent.swarm.hashes.exchange import SwarmHashes
from bittorrent.swarm.metadata import SwarmMetadata
from bittorrent.swarm.peer import SwarmPeer
from bittorrent.wire.extended import unpacked_ip
from transfer.address import Address


class PeerEvents:
    """Routes what is neither about pieces nor about requests for them.

    Args:
        events: where DHT nodes and our own address are reported.
    """

    def __init__(
        self, events: deque[SwarmEvent], metadata: SwarmMetadata, exchange: SwarmExchange, hashes: SwarmHashes
    ) -> None:
        self._events = events
        self._metadata = metadata
        self._exchange = exchange
        self._hashes = hashes

    def receive(self, peer: SwarmPeer, event: PeerEvent, *, now: float) -> None:
        """Passes one on."""
        match event:
            case ExtensionsReceived():
                peer.extensions_changed()
                self._note_seen(peer)
                self._metadata.extensions_changed(peer, now=now)
            case MetadataArrived(message):
                self._metadata.receive(peer, message, now=now)
            case DhtPortReceived(port):
                if isinstance(peer.core.address, Address):
                    self._events.append(DhtNodeFound(Address(peer.core.address.host, port)))
            case PexReceived() | PunchReceived():
                self._exchange.receive(peer, event, now=now)
            case HashesRequested() | HashesArrived():
                self._hashes.receive(peer, event, now=now)
            case RequestRejected():
                peer.core.count_nuisance()

    def _note_seen(self, peer: SwarmPeer) -> None:
        host, address = peer.core.extensions.your_ip, peer.core.address
        if host is not None and not peer.has_voted and isinstance(address, Address):
            peer.has_voted = True
            self._events.append(SeenAs(address, unpacked_ip(host)))

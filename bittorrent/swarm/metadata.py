"""The metadata of a magnet link in a swarm: which peers are asked, and what becomes of the answers (BEP 9)."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from bittorrent.errors import WireError
from bittorrent.identity.torrent_id import TorrentId
from bittorrent.swarm.config import SwarmConfig
from bittorrent.swarm.events import MetadataCompleted, PeerBanned, SwarmEvent
from bittorrent.swarm.metadata_exchange import MetadataExchange
from bittorrent.swarm.peer import SwarmPeer
from bittorrent.wire.metadata import MetadataData, MetadataReject


class SwarmMetadata:
    """Asks the peers that offer the metadata until one copy is right.

    Args:
        peers: of the swarm, by number: live.
        touch: to be called for a peer that has something to write now.
        events: where the metadata and bans are reported.
    """

    def __init__(
        self,
        peers: dict[int, SwarmPeer],
        touch: Callable[[SwarmPeer], None],
        events: deque[SwarmEvent],
        *,
        torrent_id: TorrentId,
        config: SwarmConfig,
    ) -> None:
        self.info_bytes: bytes | None = None
        self._peers = peers
        self._touch = touch
        self._events = events
        self._exchange = MetadataExchange(torrent_id=torrent_id, max_sources=config.metadata_sources)

    @property
    def exchange(self) -> MetadataExchange:
        """What has come, and which peers the rest is expected from."""
        return self._exchange

    def extensions_changed(self, peer: SwarmPeer, *, now: float) -> None:
        """A peer may offer the metadata."""
        if self.info_bytes is None and peer.core.remote_peer.metadata_size is not None:
            self._exchange.offer(peer.number, peer.core.remote_peer.metadata_size)
            self._request(now=now)

    def remove_peer(self, number: int) -> None:
        """The peer is gone."""
        self._exchange.forget(number)

    def receive(self, peer: SwarmPeer, message: MetadataData | MetadataReject, *, now: float) -> None:
        """An answer came. A peer that sends a wrong copy is banned."""
        if self.info_bytes is not None:
            return
        try:
            self.info_bytes = self._exchange.receive(peer.number, message, now=now)
        except WireError as error:
            peer.core.close(str(error))
            self._events.append(PeerBanned(peer.core.address))
        if self.info_bytes is not None:
            self._events.append(MetadataCompleted(self.info_bytes))
        else:
            self._request(now=now)

    def handle_timer(self, *, now: float) -> None:
        """Replaces silent sources; those that we called are called anew. About once a second."""
        if self.info_bytes is None:
            for number in self._exchange.handle_timer(now=now):
                peer = self._peers[number]
                if peer.is_dialled:
                    peer.core.close("the peer does not answer what it is asked about the metadata")
                    self._exchange.forget(number)
                    self._touch(peer)
            self._request(now=now)

    def _request(self, *, now: float) -> None:
        for number, request in self._exchange.requests_to_send(now=now):
            self._peers[number].core.request_metadata([request])
            self._touch(self._peers[number])

"""A `SwarmCore` whose peers are played by the test, message by message."""

from __future__ import annotations

from random import Random

from bittorrent.identity.torrent_id import TorrentId
from bittorrent.peer.config import PeerConfig
from bittorrent.peer.core import PeerCore
from bittorrent.peer.events import HandshakeReceived
from bittorrent.picker.picker import PiecePicker
from bittorrent.pieces.bitfield import Bitfield
from bittorrent.pieces.geometry import Geometry
from bittorrent.swarm.config import SwarmConfig
from bittorrent.swarm.core import SwarmCore
from bittorrent.swarm.events import PieceCompleted, SwarmEvent
from bittorrent.wire import messages as wire
from tests.peer_pair import INFO_HASH, LEFT_ID, handshake
from transfer.address import Address


class SwarmVictim:
    """The swarm, its clock, and what it reported."""

    def __init__(
        self,
        geometry: Geometry,
        have: Bitfield | None,
        *,
        config: SwarmConfig | None = None,
        private: bool = False,
        super_seed: bool = False,
    ) -> None:
        self.now = 1000.0
        self.core = SwarmCore(torrent_id=TorrentId(INFO_HASH), rng=Random(1), config=config or SwarmConfig())
        if have is not None:  # otherwise it waits for the metadata
            self.core.begin(geometry, have, b"d4:name1:xe", private=private, super_seed=super_seed, now=self.now)
        self.events: list[SwarmEvent] = []

    @property
    def picker(self) -> PiecePicker:
        assert self.core.picker is not None
        return self.core.picker

    def join(
        self,
        *,
        fast: bool = True,
        host: str | None = None,
        is_dialled: bool = False,
        transport: str = "tcp",
        config: PeerConfig | None = None,
    ) -> Actor:
        """A peer connects; what it heard by then is waiting in `says`."""
        host = host or f"10.0.{len(self.core.peers)}.1"
        return Actor(self, host, fast=fast, is_dialled=is_dialled, transport=transport, config=config or PeerConfig())

    def later(self, seconds: float) -> None:
        """Time passes, and the timer fires."""
        self.now += seconds
        self.core.handle_timer(now=self.now)
        self.drain()

    def verify_all(self) -> None:
        """Every piece that was completed is right, and on disk."""
        done = [event for event in self.events if isinstance(event, PieceCompleted)]
        self.events = [event for event in self.events if not isinstance(event, PieceCompleted)]
        for event in done:
            self.core.piece_verified(event, now=self.now)
        self.drain()

    def drain(self) -> None:
        while (event := self.core.next_event()) is not None:
            self.events.append(event)
        self.core.check_invariants()


class Actor:
    """One of its peers."""

    def __init__(
        self, swarm: SwarmVictim, host: str, *, fast: bool, is_dialled: bool, transport: str, config: PeerConfig
    ) -> None:
        self.swarm = swarm
        self.core = PeerCore(
            handshake=handshake(LEFT_ID, fast=True), address=Address(host, 6881), config=config, now=swarm.now
        )
        self.core.data_to_send()
        number = len(swarm.core.peers) + 1
        self._fill(handshake(b"-XX0000-" + number.to_bytes(12, "big"), fast=fast).to_bytes())
        assert isinstance(self.core.next_event(), HandshakeReceived)
        self.number = swarm.core.add_peer(
            self.core, listen_port=6881, dht_port=None, is_dialled=is_dialled, transport=transport, now=swarm.now
        )

    def leave(self) -> None:
        """The connection is gone."""
        self.swarm.core.remove_peer(self.number, now=self.swarm.now)

    def hear(self, *messages: wire.Message) -> None:
        """The peer says this."""
        data = b"".join(map(wire.encode_message, messages))
        while data and not self.core.is_closed:
            buffer = self.core.get_buffer()
            size = min(len(buffer), len(data))
            buffer[:size] = data[:size]
            self.swarm.core.receive(self.number, size, now=self.swarm.now)
            data = data[size:]
        self.swarm.drain()

    def says(self) -> list[wire.Message]:
        """What the swarm wants to tell this peer, taken apart."""
        data, messages = self.core.data_to_send(), []
        while data:
            end = 4 + int.from_bytes(data[:4], "big")
            messages.append(wire.decode_message(data[4:end]))
            data = data[end:]
        return messages

    def _fill(self, data: bytes) -> None:
        self.core.get_buffer()[: len(data)] = data
        self.core.buffer_updated(len(data), now=self.swarm.now)

"""Incoming connections until their handshake says which torrent they are for.

Which of them may wait, and for how long, the `Limits` of the session decide.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from bittorrent.aio.peers.peer_connection import PeerConnection
from bittorrent.peer.config import PeerConfig
from transfer.address import Address
from transfer.aio.layer import Layer
from transfer.aio.limits import Limits
from transfer.errors import RemoteProtocolError

if TYPE_CHECKING:
    from bittorrent.aio.peers.encryption import Gate
    from bittorrent.aio.torrent import Torrent


class Reception:
    """Owns the connections that other peers opened, and hands each over to its torrent.

    Args:
        limits: the door through which they came.
        torrents: that may be asked for, by each of their hashes: live.
        config: of the peers.
        on_caller: called with the endpoint of a connection that is handed over.
        gate: tells apart connections with encryption from those without; None where all must come without.
    """

    def __init__(
        self,
        limits: Limits,
        *,
        torrents: Mapping[bytes, Torrent],
        config: PeerConfig,
        gate: Gate | None = None,
        on_caller: Callable[[Address], None] = lambda caller: None,
    ) -> None:
        self._limits = limits
        self._torrents = torrents
        self._config = config
        self._gate = gate
        self._on_caller = on_caller
        self._loop = asyncio.get_running_loop()
        self._open: dict[PeerConnection | Layer, None] = {}
        self._all_gone = asyncio.Event()
        self._all_gone.set()
        self._closed = False

    def new_connection(self, transport: str = "tcp") -> PeerConnection | Layer:
        """The protocol factory of what listens.

        Args:
            transport: what carries the connection.
        """
        if self._gate is None:
            return self.new_peer(transport)
        layer = self._gate.new_layer()
        layer.prepare(_AtTheGate(self, transport))
        return layer

    def new_peer(self, transport: str) -> PeerConnection:
        """What a connection is when it is known how it speaks."""
        return PeerConnection(self, handshake=None, config=self._config, transport=transport)

    async def aclose(self) -> None:
        """Ends what waits, and takes no connection any more."""
        self._closed = True
        for guest in list(self._open):
            guest.abort()
        await self._all_gone.wait()

    # ConnectionOwner

    def connection_opened(self, connection: PeerConnection) -> None:
        self._all_gone.clear()
        self._open[connection] = None
        if connection.entry is None:  # a transport that knows no door
            address = connection.core.address
            assert isinstance(address, Address)
            connection.take(self._limits.admit(address))
        if self._closed or connection.entry is None:
            connection.abort()

    def connection_received(self, connection: PeerConnection, size: int) -> None:
        core, entry = connection.core, connection.entry
        if connection not in self._open or entry is None or not self._limits.core.is_waiting(entry.seat):
            return  # it has to leave already
        core.buffer_updated(size, now=self._loop.time())
        if core.remote is None and not core.is_closed:
            return
        torrent = self._torrents.get(core.remote.info_hash) if core.remote is not None else None
        if core.is_closed or torrent is None or not torrent.accepts_peers:
            self._limits.core.turn_away(entry.seat)
            connection.abort()
            return
        self._forget(connection)
        assert isinstance(core.address, Address)
        self._on_caller(core.address)
        torrent.swarm.adopt(connection)

    def connection_writable(self, connection: PeerConnection) -> None:
        """Nothing is written before the handshake."""

    def connection_lost(self, connection: PeerConnection) -> None:
        self._forget(connection)

    # Before it is known how a connection speaks.

    def layer_waits(self, layer: Layer) -> None:
        """There is a connection."""
        self._all_gone.clear()
        self._open[layer] = None
        entry = layer.get_extra_info("entry")
        if entry is None:  # a transport that knows no door
            name = layer.get_extra_info("peername")
            entry = self._limits.admit(Address.from_socket(name) if isinstance(name, tuple) else Address("", 0))
            if entry is not None:
                entry.attach(layer)
                layer.extra["entry"] = entry
        if self._closed or entry is None:
            layer.abort()

    def layer_opened(self, layer: Layer) -> None:
        """It is known; a connection comes next."""
        self._open.pop(layer, None)

    def layer_failed(self, layer: Layer, error: BaseException) -> None:
        """The connection is gone, or speaks in no way that is taken."""
        entry = layer.get_extra_info("entry")
        if entry is not None:
            if isinstance(error, RemoteProtocolError) and self._limits.core.is_waiting(entry.seat):
                self._limits.core.turn_away(entry.seat)
            if "entry" in layer.extra:
                entry.leave()
        self._forget(layer)

    def _forget(self, guest: PeerConnection | Layer) -> None:
        self._open.pop(guest, None)
        if not self._open:
            self._all_gone.set()


class _AtTheGate:
    """The `Opening` of one connection."""

    def __init__(self, reception: Reception, transport: str) -> None:
        self._reception = reception
        self._transport = transport
        self._layer: Layer | None = None

    def make_above(self) -> PeerConnection:
        if self._layer is not None:
            self._reception.layer_opened(self._layer)
        return self._reception.new_peer(self._transport)

    def waits(self, layer: Layer) -> None:
        self._layer = layer
        self._reception.layer_waits(layer)

    def opened(self, transport: asyncio.Transport, protocol: asyncio.BaseProtocol) -> None:
        self._layer = None

    def failed(self, error: BaseException) -> None:
        layer, self._layer = self._layer, None
        if layer is not None:
            self._reception.layer_failed(layer, error)

"""What the connections of a torrent report goes to the part that it concerns."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from bittorrent.dialling.encryption import MSE_COVER
from bittorrent.dialling.paths import UTP
from bittorrent.dialling.peer_list import PeerSource
from bittorrent.swarm.events import (
    DhtNodeFound,
    HashesWanted,
    LayersCompleted,
    LeavesArrived,
    MetadataCompleted,
    PeerBanned,
    PeersNamed,
    PieceCompleted,
    PiecesUnfinished,
    PunchFailed,
    PunchWanted,
    SeenAs,
    ServerLied,
    SwarmEvent,
)
from bittorrent.wire.pex import PexFlags
from kademlia_core.errors import NodeClosedError
from transfer.address import Address

if TYPE_CHECKING:
    from bittorrent.aio.torrent_life import TorrentLife


class SwarmEvents:
    """Routes the events of a `SwarmCore`."""

    def __init__(self, life: TorrentLife) -> None:
        self._life = life

    def receive(self, event: SwarmEvent) -> None:
        """Passes one on."""
        life = self._life
        match event:
            case PieceCompleted():
                life.need_store().put(event)
            case PiecesUnfinished():
                life.need_store().look()
            case MetadataCompleted(info_bytes):
                life.metadata.receive(info_bytes)
            case LayersCompleted(layers):
                life.layers.receive(layers)
            case LeavesArrived():
                life.hashes.judge(event)
            case HashesWanted():
                life.hashes.prepare(event)
            case PeerBanned(address):
                life.swarm.ban(address)
            case ServerLied(server, index):
                if life.sources.web_seeds is not None:
                    life.sources.web_seeds.spoilt(server.url, index)
            case PeersNamed(peers):
                paths = life.swarm.dialling.paths
                for address, flags in peers:  # before it is called
                    if PexFlags.UTP in flags:
                        paths.speaks(address, UTP.transport)
                    if PexFlags.PREFERS_ENCRYPTION in flags:
                        paths.wears(address, MSE_COVER)
                life.swarm.add_addresses([address for address, _ in peers], PeerSource.PEX)
                for address, flags in peers:
                    life.swarm.peers.note_seed(address, PexFlags.SEED in flags)
            case PunchWanted() | PunchFailed():
                life.punching.receive(event)
            case SeenAs(voter, host):
                self._note_seen(voter, host)
            case DhtNodeFound(address):
                if life.dht is not None:
                    with suppress(NodeClosedError):  # it is the caller's, and may be closed first
                        life.dht.add_node(address)

    def _note_seen(self, voter: Address, host: str) -> None:
        reach = self._life.parts.reach
        reach.receive_vote(voter, host)
        if reach.external_host is not None:
            self._life.swarm.peers.set_external(Address(reach.external_host, reach.port))

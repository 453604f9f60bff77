"""The exchange of pieces, once the torrent is known: what peers say about pieces, and what they are told."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from bittorrent.peer.events import ChokeChanged, FastAllowed, PeerEvent, PeerHas, PeerHasMany, PeerLost, RequestRejected
from bittorrent.picker.config import PieceState
from bittorrent.picker.picker import PiecePicker
from bittorrent.pieces.block import Block
from bittorrent.swarm.downloading.downloads import SwarmDownloads
from bittorrent.swarm.events import PieceCompleted
from bittorrent.swarm.peer import Sender, SwarmPeer
from bittorrent.swarm.uploading.uploads import SwarmUploads


class SwarmTransfers:
    """Keeps the taking side, the giving side and the peers in step.

    Args:
        peers: of the swarm, by number: live.
        touch: to be called for a peer that has something to write now.
    """

    def __init__(
        self,
        peers: dict[int, SwarmPeer],
        touch: Callable[[SwarmPeer], None],
        *,
        downloads: SwarmDownloads,
        uploads: SwarmUploads,
    ) -> None:
        self.downloads = downloads
        self._uploads = uploads
        self._peers = peers
        self._touch = touch

    @property
    def picker(self) -> PiecePicker:
        return self.downloads.picker

    # Peers

    def include(self, peer: SwarmPeer) -> None:
        """From now on a peer takes part."""
        self.downloads.include(peer)
        self._uploads.add_peer(peer)
        peer.core.set_geometry(self.picker.geometry)

    def exclude(self, peer: SwarmPeer) -> None:
        """A peer is gone: what it owed is asked from others."""
        self._uploads.remove_peer(peer)
        self.downloads.exclude(peer)

    def handle(self, peer: SwarmPeer, event: PeerEvent) -> bool:
        """What a peer says about pieces and requests; False when the event is about something else."""
        match event:
            case PeerHas(index):
                self.picker.peer_have(peer.number, index)
                self._uploads.peer_has(peer, index)
                self._peer_gained(peer)
            case PeerHasMany(bits):
                self.picker.peer_bitfield(peer.number, bits)
                self._uploads.peer_has(peer, bits)
                self._peer_gained(peer)
            case PeerLost(index):
                self.picker.peer_lost(peer.number, index)
                self._show_interest(peer)
            case ChokeChanged(is_choked):
                peer.is_refusing = False
                if is_choked:
                    self.downloads.choked(peer)
            case RequestRejected(block):
                self.downloads.rejected(peer, block)
            case FastAllowed():
                pass  # requests follow
            case _:
                return False
        return True

    def drop_if_useless(self, peer: SwarmPeer) -> None:
        """Two peers that want nothing, of each other or of any (BEP 21), need no connection."""
        if self.picker.is_finished:
            if self.picker.is_seed(peer.number):
                peer.core.close("both sides have what they want")
            elif peer.core.extensions.upload_only:
                peer.core.close("neither side wants anything")

    # Pieces

    def set_priorities(self, priorities: bytes) -> None:
        """The priority of each piece, from 0 (not wanted) to 7."""
        self.downloads.set_priorities(priorities)
        for peer in list(self._peers.values()):
            self._show_interest(peer)
            peer.core.announce_upload_only(False)
        self.note_finished()
        self.downloads.request_from_all()

    def piece_verified(self, completed: PieceCompleted) -> None:
        """The piece has its hash and is on disk: only now it counts and is offered to others."""
        was_held_back = self.downloads.is_held_back
        satisfied = self.downloads.piece_verified(completed)
        self._tell_all(completed.index, satisfied)
        for number in {sender.number for sender in completed.senders.values()} & self._peers.keys():
            self._peers[number].core.confirm_have(completed.index)
            self._touch(self._peers[number])
        if was_held_back and not self.downloads.is_held_back:  # otherwise a right piece is no reason to ask for more
            self.downloads.request_from_all()
        self.note_finished()

    def piece_found(self, index: int) -> None:
        """A piece that was missing is on disk all the same; nothing if it is being fetched."""
        if self.picker.state(index) is PieceState.MISSING:
            self._tell_all(index, self.picker.mark_have(index))
            self.note_finished()

    def piece_lost(self, index: int) -> None:
        """A verified piece cannot be read back: it is fetched again, and not offered meanwhile (BEP 54)."""
        self.picker.mark_missing(index)
        for peer in self._peers.values():
            peer.core.announce_lost(index)
            self._show_interest(peer)
            self.downloads.request_from(peer)

    def piece_failed(self, completed: PieceCompleted) -> None:
        """The piece has another hash: it is fetched again, and each peer that must have lied is dropped."""
        self.downloads.piece_failed(completed)
        self.downloads.request_from_all()

    def blocks_judged(self, completed: PieceCompleted, bad: int | None) -> dict[Block, Sender]:
        """Which blocks of a piece that failed are bad: they alone are fetched again; returns them and their senders."""
        found = self.downloads.blocks_judged(completed, bad)
        self.downloads.request_from_all()
        return found

    def note_finished(self) -> None:
        """If nothing is wanted any more, each peer hears of it, and those that want nothing either may go."""
        if self.picker.is_finished:
            for peer in self._peers.values():
                peer.core.set_interested(False)
                peer.core.announce_upload_only(not self._uploads.is_super_seeding)
                self.drop_if_useless(peer)
                self._touch(peer)

    def _tell_all(self, index: int, satisfied: Iterable[int]) -> None:
        """We have one piece more: news for peers that lack it, and all that we wanted from the `satisfied`."""
        for peer in self._peers.values():
            bits = peer.core.bits
            if bits is None or index not in bits:
                peer.core.announce_have(index)
                self._touch(peer)
        for number in satisfied:
            self._show_interest(self._peers[number])

    def _peer_gained(self, peer: SwarmPeer) -> None:
        self._show_interest(peer)
        self.drop_if_useless(peer)

    def _show_interest(self, peer: SwarmPeer) -> None:
        peer.core.set_interested(self.picker.is_interesting(peer.number))
        self._touch(peer)

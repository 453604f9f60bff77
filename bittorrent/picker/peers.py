"""Who has which piece, and whether that interests us."""

from __future__ import annotations

from collections.abc import ItemsView

from bittorrent.picker.availability import Availability
from bittorrent.picker.bitfield import Bitfield
from bittorrent.picker.geometry import Block
from transfer.errors import LocalProtocolError


class PeerView:
    """What is known of one peer.

    `pieces` and `interesting` (how many of its pieces we do not have) are not kept up for a seed, which has
    everything. `late` are the latest requests that were withdrawn: their answers may be under way.
    """

    __slots__ = ("id", "interesting", "is_seed", "late", "pieces")

    def __init__(self, peer: int, pieces: Bitfield) -> None:
        self.id = peer
        self.pieces = pieces
        self.is_seed = False
        self.interesting = 0
        self.late: dict[Block, None] = {}

    def has(self, index: int) -> bool:
        return self.is_seed or index in self.pieces

    def remember_late(self, block: Block, limit: int) -> None:
        self.late[block] = None
        if len(self.late) > limit:
            del self.late[next(iter(self.late))]


class PeerPieces:
    """The pieces of every peer, with `availability` kept in step.

    Invariant: `interesting` of each peer that is no seed is the number of its pieces that are not in `have`.
    """

    __slots__ = ("_availability", "_have", "_peers")

    def __init__(self, have: Bitfield, availability: Availability) -> None:
        self._have = have
        self._availability = availability
        self._peers: dict[int, PeerView] = {}

    def __contains__(self, peer: int) -> bool:
        return peer in self._peers

    def __len__(self) -> int:
        return len(self._peers)

    def items(self) -> ItemsView[int, PeerView]:
        return self._peers.items()

    def view(self, peer: int) -> PeerView:
        try:
            return self._peers[peer]
        except KeyError:
            raise LocalProtocolError(f"peer {peer} is not known to the picker: add_peer comes first") from None

    def add(self, peer: int) -> None:
        if peer in self._peers:
            raise LocalProtocolError(f"peer {peer} is already known to the picker")
        self._peers[peer] = PeerView(peer, Bitfield(self._have.size))

    def remove(self, peer: int) -> None:
        self._forget(self._peers.pop(peer))

    def set_piece(self, view: PeerView, index: int) -> None:
        if view.is_seed or not view.pieces.set(index):
            return
        self._availability.add(index)
        view.interesting += index not in self._have
        if view.pieces.is_full:
            self.set_all(view)

    def set_pieces(self, view: PeerView, pieces: Bitfield) -> None:
        if pieces.is_full:
            self.set_all(view)
            return
        self._forget(view)
        view.is_seed = False
        view.pieces = pieces.copy()
        view.interesting = pieces.count_missing_from(self._have)
        self._availability.add_all(view.pieces)

    def set_all(self, view: PeerView) -> None:
        if not view.is_seed:
            self._forget(view)
            view.is_seed = True
            view.pieces = _NOTHING
            view.interesting = 0
            self._availability.add_seed()

    def clear_piece(self, view: PeerView, index: int) -> None:
        if view.is_seed:
            pieces = Bitfield.full(self._have.size)
            pieces.clear(index)
            self.set_pieces(view, pieces)
        elif view.pieces.clear(index):
            self._availability.remove_all(Bitfield(self._have.size, [index]))
            view.interesting -= index not in self._have

    def gained(self, index: int) -> None:
        """We have one piece more."""
        for view in self._peers.values():
            if not view.is_seed and index in view.pieces:
                view.interesting -= 1

    def lost(self, index: int) -> None:
        """We have one piece less."""
        for view in self._peers.values():
            if not view.is_seed and index in view.pieces:
                view.interesting += 1

    def interesting(self, view: PeerView) -> int:
        """How many pieces this peer has that we do not have."""
        return self._have.size - self._have.count if view.is_seed else view.interesting

    def check_invariants(self) -> None:
        for view in self._peers.values():
            wanted = sum(view.has(index) and index not in self._have for index in range(self._have.size))
            assert self.interesting(view) == wanted
        for index in range(self._have.size):
            assert self._availability.count(index) == sum(view.has(index) for view in self._peers.values())

    def _forget(self, view: PeerView) -> None:
        if view.is_seed:
            self._availability.remove_seed()
        elif view.pieces:
            self._availability.remove_all(view.pieces)


_NOTHING = Bitfield(0)

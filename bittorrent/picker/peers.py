"""Which peer has which piece, whether that interests us, and which peers are fast."""

from __future__ import annotations

from collections.abc import ItemsView, Mapping

from bittorrent.picker.availability import Availability
from bittorrent.pieces.bitfield import Bitfield
from bittorrent.pieces.block import Block
from transfer.errors import LocalProtocolError


class PeerView:
    """What is known of one peer.

    `pieces` and `interesting` (how many of its pieces we need) are not kept up for a seed, which has everything.
    `late` are the latest requests that were withdrawn: their answers may be under way. `rate_bytes_per_s` is None
    until the peer has sent something. `head` was the stalest request when the rates were measured, since `head_since`.
    """

    __slots__ = ("head", "head_since", "id", "interesting", "is_seed", "late", "pieces", "rate_bytes_per_s")

    def __init__(self, peer: int, pieces: Bitfield) -> None:
        self.id = peer
        self.pieces = pieces
        self.is_seed = False
        self.interesting = 0
        self.late: dict[Block, None] = {}
        self.rate_bytes_per_s: float | None = None
        self.head: Block | None = None
        self.head_since = 0.0

    def has(self, index: int) -> bool:
        return self.is_seed or index in self.pieces

    def remember_late(self, block: Block, limit: int) -> None:
        self.late[block] = None
        if len(self.late) > limit:
            del self.late[next(iter(self.late))]


class PeerPieces:
    """The pieces of every peer, with `availability` kept in step.

    `by_rate` are the peers whose rate is known, slowest first.

    Invariant: `interesting` of each peer that is no seed is the number of its pieces that are in `needed`.
    """

    __slots__ = ("_availability", "_needed", "_peers", "by_rate", "total_rate_bytes_per_s")

    def __init__(self, needed: Bitfield, availability: Availability) -> None:
        self.by_rate: list[PeerView] = []
        self.total_rate_bytes_per_s = 0.0
        self._needed = needed
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
        self._peers[peer] = PeerView(peer, Bitfield(self._needed.size))

    def remove(self, peer: int) -> None:
        view = self._peers.pop(peer)
        self._forget(view)
        if view.rate_bytes_per_s is not None:
            self.by_rate.remove(view)
            self.total_rate_bytes_per_s -= view.rate_bytes_per_s

    def set_rates(self, rates: Mapping[int, float]) -> None:
        for peer, rate in rates.items():
            self.view(peer).rate_bytes_per_s = rate
        self.by_rate = [view for view in self._peers.values() if view.rate_bytes_per_s is not None]
        self.by_rate.sort(key=lambda view: view.rate_bytes_per_s or 0.0)
        self.total_rate_bytes_per_s = sum(view.rate_bytes_per_s or 0.0 for view in self.by_rate)

    def set_needed(self, needed: Bitfield) -> None:
        """What we need has changed in more than one piece."""
        self._needed = needed
        for view in self._peers.values():
            if not view.is_seed:
                view.interesting = view.pieces.count_common(needed)

    def set_piece(self, view: PeerView, index: int) -> None:
        if view.is_seed or not view.pieces.set(index):
            return
        self._availability.add(index)
        view.interesting += index in self._needed
        if view.pieces.is_full:
            self.set_all(view)

    def set_pieces(self, view: PeerView, pieces: Bitfield) -> None:
        if pieces.is_full:
            self.set_all(view)
            return
        self._forget(view)
        view.is_seed = False
        view.pieces = pieces.copy()
        view.interesting = pieces.count_common(self._needed)
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
            pieces = Bitfield.full(self._needed.size)
            pieces.clear(index)
            self.set_pieces(view, pieces)
        elif view.pieces.clear(index):
            self._availability.remove_all(Bitfield(self._needed.size, [index]))
            view.interesting -= index in self._needed

    def gained(self, index: int) -> list[int]:
        """A piece is needed no longer; returns the peers that have nothing any more that is, but for seeds."""
        satisfied: list[int] = []
        for view in self._peers.values():
            if not view.is_seed and index in view.pieces:
                view.interesting -= 1
                if not view.interesting:
                    satisfied.append(view.id)
        return satisfied

    def lost(self, index: int) -> None:
        """A piece is needed again."""
        for view in self._peers.values():
            if not view.is_seed and index in view.pieces:
                view.interesting += 1

    def interesting(self, view: PeerView) -> int:
        """How many pieces this peer has that we need."""
        return self._needed.count if view.is_seed else view.interesting

    def check_invariants(self) -> None:
        for view in self._peers.values():
            useful = sum(view.has(index) and index in self._needed for index in range(self._needed.size))
            assert self.interesting(view) == useful
        for index in range(self._needed.size):
            assert self._availability.count(index) == sum(view.has(index) for view in self._peers.values())
        rates = [view.rate_bytes_per_s for view in self.by_rate]
        known = [view.rate_bytes_per_s for view in self._peers.values() if view.rate_bytes_per_s is not None]
        assert rates == sorted(known)

    def _forget(self, view: PeerView) -> None:
        if view.is_seed:
            self._availability.remove_seed()
        elif view.pieces:
            self._availability.remove_all(view.pieces)


_NOTHING = Bitfield(0)

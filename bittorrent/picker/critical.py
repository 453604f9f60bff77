"""Blocks that are needed by a certain time, and which peers to ask for them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from math import ceil, inf

from bittorrent.picker.choice import PieceChoice
from bittorrent.picker.config import PickerConfig
from bittorrent.picker.deadlines import Deadlines
from bittorrent.picker.inflight import InFlight
from bittorrent.picker.open_pieces import PieceProgress
from bittorrent.picker.peers import PeerPieces, PeerView
from bittorrent.picker.pieces import PieceTable
from bittorrent.pieces.block import BLOCK_SIZE, Block
from bittorrent.pieces.geometry import Geometry


class CriticalRequests:
    """What to ask of a peer for the sake of deadlines, before anything else.

    The most urgent piece comes first, except that a peer which would be late for it leaves it to those that are many
    times faster. What no peer can deliver in time is shared between all, in proportion to their rates: what is needed
    at once then comes at the rate of the whole swarm. A block that is late, or will be, is asked from another peer
    too, if that one can be expected to have it in half the time.

    Rates are what is measured at each peer; one that has sent nothing yet counts as average. A peer has stopped when
    the request that it has had for longest stays the same.

    Source: libtorrent's documentation of streaming has the problem and the same signs of lateness; it sorts the peers
    by the length of their queues, while here each peer that has room asks what is most urgent for it.
    """

    __slots__ = ("_config", "_deadlines", "_geometry", "_in_flight", "_peers", "_pieces", "_policy")

    def __init__(
        self,
        deadlines: Deadlines,
        pieces: PieceTable,
        peers: PeerPieces,
        in_flight: InFlight,
        policy: PieceChoice,
        *,
        geometry: Geometry,
        config: PickerConfig,
    ) -> None:
        self._deadlines = deadlines
        self._pieces = pieces
        self._peers = peers
        self._in_flight = in_flight
        self._policy = policy
        self._geometry = geometry
        self._config = config

    def assign(self, view: PeerView, count: int, take: Callable[[PieceProgress, int], int], *, now: float) -> None:
        """Hands free blocks of critical pieces to a peer, `count` at most.

        Args:
            take: requests up to so many free blocks of a piece, and returns how many it were.
        """
        ahead = len(self._in_flight.blocks_of(view.id))
        rate = self._rate(view)
        for index in self._deadlines.order:
            if count <= 0:
                return
            begun = self._pieces.partial.get(index)
            if begun is not None and not begun.free:
                continue
            limit = count
            if not rate or now + (ahead + 1) * BLOCK_SIZE / rate > self._deadlines.of[index]:
                if self._is_for_others(view, index, now=now):
                    continue
                limit = ceil(self._pieces.free_blocks(index) * self._share(rate))
            piece = self._policy.named(view, index) if limit else None
            if piece is not None:
                taken = take(piece, min(limit, count))
                count -= taken
                ahead += taken

    def late(self, view: PeerView, *, now: float) -> Iterator[Block]:
        """Blocks of critical pieces that this peer should be asked for besides others, most urgent first.

        Only the first few pieces are looked at. Cost: O(outstanding blocks of these).
        """
        rate = self._rate(view)
        if not rate:
            return
        ahead = len(self._in_flight.blocks_of(view.id))
        fitting = (piece for index in self._deadlines.order if (piece := self._pieces.partial.get(index)) is not None)
        for piece in islice(fitting, LOOKED_AT):
            index = piece.index
            if piece.exclusive or not view.has(index):
                continue
            requested = piece.requested
            while requested:
                lowest = requested & -requested
                requested ^= lowest
                block = self._geometry.block(index, lowest.bit_length() - 1)
                requesters = self._in_flight.requesters(block)
                if view.id in requesters or len(requesters) >= self._config.critical_requesters:
                    continue
                missing_s = min(self._remaining_s(peer, block, now=now) for peer in requesters)
                ours_s = (ahead + 1) * BLOCK_SIZE / rate
                if now + missing_s > self._deadlines.of[index] and 2 * ours_s < missing_s:
                    ahead += 1
                    yield block

    def _is_for_others(self, view: PeerView, index: int, *, now: float) -> bool:
        """Whether a peer that has the piece is so much faster that this one had better do something else."""
        fastest = next((other for other in reversed(self._peers.by_rate) if other.has(index)), view)
        rate = self._rate(view)
        if fastest is not view and fastest.rate_bytes_per_s and self._has_stopped(view, rate, now=now):
            return True
        return rate * self._config.steal_factor < (fastest.rate_bytes_per_s or 0.0)

    def _rate(self, view: PeerView) -> float:
        """Bytes per second; 0 when no peer has sent anything yet."""
        known = len(self._peers.by_rate)
        if view.rate_bytes_per_s is not None or not known:
            return view.rate_bytes_per_s or 0.0
        return self._peers.total_rate_bytes_per_s / known

    def _share(self, rate: float) -> float:
        """Which part of the swarm this peer is."""
        total = self._peers.total_rate_bytes_per_s
        return min(1.0, rate / total) if total and rate else 1 / len(self._peers)

    def _remaining_s(self, peer: int, block: Block, *, now: float) -> float:
        """How long a peer will still need for a block it was asked for; infinite when it seems to have stopped."""
        view = self._peers.view(peer)
        rate = self._rate(view)
        if self._has_stopped(view, rate, now=now):
            return inf
        needed_s = self._in_flight.position(peer, block) * BLOCK_SIZE / rate if rate else 0.0
        waited_s = now - self._in_flight.asked_at(peer, block)
        is_overdue = view.rate_bytes_per_s is None and waited_s > needed_s + self._config.late_after_s
        return inf if is_overdue else needed_s

    def _has_stopped(self, view: PeerView, rate: float, *, now: float) -> bool:
        if view.rate_bytes_per_s == 0:
            return True
        return view.head is not None and now - view.head_since > self._patience_s(rate)

    def _patience_s(self, rate: float) -> float:
        return self._config.late_after_s + (BLOCK_SIZE / rate if rate else 0.0)


LOOKED_AT = 4

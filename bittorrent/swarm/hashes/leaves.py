"""Which peers are asked for the leaves of pieces that failed, and for how long (BEP 52)."""

from __future__ import annotations

from collections.abc import Iterable

from bittorrent.errors import WireError
from bittorrent.merkle.proof import HashRange, check_hashes
from bittorrent.merkle.shape import TreeShape
from bittorrent.merkle.tree import HASH_SIZE
from bittorrent.swarm.hashes.config import HashConfig


class LeafFetch:
    """Fetches the leaves of a few pieces, quickly or not at all: what they save is the rest of a piece.

    Several peers are asked for the same, since one of them may be the liar; who answers rightly first wins. Who refuses
    makes room for the next.

    Invariants:
        each piece is asked of config.leaf_peers peers at a time, besides those that are late
    """

    __slots__ = ("_config", "_pieces", "_waiting")

    def __init__(self, config: HashConfig) -> None:
        self._config = config
        self._pieces: dict[int, _Piece] = {}
        self._waiting: dict[HashRange, dict[int, None]] = {}  # for each range the pieces that need it

    # Inputs

    def want(
        self, index: int, shape: TreeShape, ranges: Iterable[HashRange], peers: Iterable[int], *, now: float
    ) -> None:
        """The leaves of a piece are wanted.

        Args:
            ranges: in which they lie.
            peers: that can be asked, those first that shall be.
        """
        piece = self._pieces[index] = _Piece(shape, tuple(ranges), list(peers), now=now)
        for wanted in piece.ranges:
            self._waiting.setdefault(wanted, {})[index] = None

    def receive(self, number: int, wanted: HashRange, hashes: bytes) -> list[tuple[int, bytes]]:
        """An answer to one of our requests; returns the pieces whose leaves are here by it, with them.

        Raises:
            WireError: it has another size than an answer has.
            HashError: it is not right: the peer lies.
        """
        done: list[tuple[int, bytes]] = []
        for index in list(self._waiting.get(wanted, ())):
            piece = self._pieces[index]
            if len(hashes) != wanted.hash_count * HASH_SIZE:
                raise WireError(f"the peer answered with {len(hashes)} bytes instead of {wanted.hash_count} hashes")
            piece.rows[wanted] = check_hashes(piece.shape, wanted, hashes)
            if len(piece.rows) == len(piece.ranges):
                done.append((index, b"".join(piece.rows[each] for each in piece.ranges)))
        for index, _ in done:
            self.forget(index)
        return done

    def rejected(self, number: int, wanted: HashRange) -> None:
        """A peer will not answer."""
        for index in self._waiting.get(wanted, ()):
            self._pieces[index].asked.pop(number, None)

    def remove_peer(self, number: int) -> None:
        """A peer is gone."""
        for piece in self._pieces.values():
            piece.asked.pop(number, None)
            if number in piece.peers:
                piece.peers.remove(number)

    def forget(self, index: int) -> None:
        """The leaves of a piece are not wanted any more."""
        piece = self._pieces.pop(index)
        for wanted in piece.ranges:
            del self._waiting[wanted][index]
            if not self._waiting[wanted]:
                del self._waiting[wanted]

    # Outputs

    def requests_to_send(self, *, now: float) -> list[tuple[int, HashRange]]:
        """What to ask of which peer now."""
        found: list[tuple[int, HashRange]] = []
        for piece in self._pieces.values():
            while piece.peers and piece.prompt_count(self._config.leaf_timeout_s, now=now) < self._config.leaf_peers:
                number = piece.peers.pop(0)
                piece.asked[number] = now
                found += [(number, wanted) for wanted in piece.ranges if wanted not in piece.rows]
        return found

    def take_given_up(self, *, now: float) -> list[int]:
        """The pieces whose leaves nobody has or sends in time; they are forgotten here."""
        given_up = [
            index
            for index, piece in self._pieces.items()
            if now - piece.began_at >= self._config.leaf_patience_s or not (piece.peers or piece.asked)
        ]
        for index in given_up:
            self.forget(index)
        return given_up

    # Views

    def __contains__(self, wanted: HashRange) -> bool:
        return wanted in self._waiting

    @property
    def is_idle(self) -> bool:
        """Whether nothing is wanted."""
        return not self._pieces

    def check_invariants(self) -> None:
        """Asserts what is always true."""
        for index, piece in self._pieces.items():
            assert all(index in self._waiting[wanted] for wanted in piece.ranges)
            assert len(piece.rows) < len(piece.ranges)
            assert not piece.asked.keys() & set(piece.peers)
        assert all(self._waiting.values())


class _Piece:
    __slots__ = ("asked", "began_at", "peers", "ranges", "rows", "shape")

    def __init__(self, shape: TreeShape, ranges: tuple[HashRange, ...], peers: list[int], *, now: float) -> None:
        self.shape = shape
        self.ranges = ranges
        self.peers = peers  # that were not asked
        self.asked: dict[int, float] = {}  # that may still answer, and since when
        self.rows: dict[HashRange, bytes] = {}
        self.began_at = now

    def prompt_count(self, timeout_s: float, *, now: float) -> int:
        """How many were asked, and are not late."""
        return sum(now - asked_at < timeout_s for asked_at in self.asked.values())

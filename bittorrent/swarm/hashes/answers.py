"""What peers may have of the trees of a torrent, at once or after some reading (BEP 52)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Generic, TypeAlias, TypeVar

from bittorrent.merkle.proof import HashRange, TreeRows
from bittorrent.merkle.shape import TreeShape
from bittorrent.merkle.tree import HASH_SIZE
from bittorrent.pieces.bitfield import Bitfield
from bittorrent.swarm.hashes.config import HashConfig
from bittorrent.swarm.hashes.places import TreePlaces
from bittorrent.swarm.hashes.work import HashWork, Prepared
from bittorrent.wire.hashes import Hashes, HashReject
from transfer.limits.token_bucket import TokenBucket

Answer: TypeAlias = Hashes | HashReject
_Key: TypeAlias = tuple[bytes, range]  # the root of a tree, and the pieces whose leaves are needed
T = TypeVar("T")


class HashAnswers:
    """Answers from what is in memory: small piece layers, and rows and leaves that were asked for lately.

    For all else there is work for a thread, one piece of work at a time, the peers in turn. What cannot be answered is
    refused: no tree of this torrent, no range of it, pieces that are not here, too much at once.

    Args:
        places: the trees, and where their pieces are.
        have: the verified pieces: live.

    Invariants:
        at most config.max_waiting requests of a peer wait
        at most one piece of work is under way
        each request gets one answer, unless the peer is gone
    """

    __slots__ = ("_config", "_have", "_leaves", "_places", "_readers", "_rows", "_waiting", "_working")

    def __init__(self, places: TreePlaces, have: Bitfield, config: HashConfig) -> None:
        self._places = places
        self._have = have
        self._config = config
        self._rows: _Kept[bytes, TreeRows] = _Kept(config.max_kept_nodes)
        self._leaves: _Kept[_Key, bytes] = _Kept(config.max_kept_nodes)
        self._waiting: dict[int, dict[HashRange, _Key]] = {}  # by peer
        self._readers: dict[int, TokenBucket] = {}
        self._working: _Key | None = None

    # Inputs

    def request(self, number: int, wanted: HashRange, *, now: float) -> Answer | None:
        """A peer asks; None when the answer has to be prepared first. The numbers may be anything."""
        shape = self._places.trees.get(wanted.root)
        if shape is None or not wanted.is_within(shape) or self._row_of(wanted.root, shape) is None:
            return HashReject(wanted)
        key = wanted.root, wanted.pieces(shape)
        rows = self._rows_of(wanted.root, shape)
        leaves = self._leaves_of(key)
        if rows is not None and leaves is not None:
            return self._answer(wanted, Prepared(rows, leaves))
        waiting = self._waiting.setdefault(number, {})
        if wanted in waiting or len(waiting) >= self._config.max_waiting or not self._may_read(number, key, now=now):
            return HashReject(wanted)
        waiting[wanted] = key
        return None

    def prepared(self, work: HashWork, found: Prepared | None) -> Iterator[tuple[int, Answer]]:
        """Work is done, or has failed; the answers to all that waited for it, with the peers that they are for."""
        key = work.root, work.pieces
        assert key == self._working
        self._working = None
        if found is not None:
            self._rows.put(work.root, found.rows, sum(map(work.shape.row_count, range(work.shape.height + 1))))
            self._leaves.put(key, found.leaves, len(found.leaves) // HASH_SIZE + 1)
        for number, waiting in list(self._waiting.items()):
            for wanted in [wanted for wanted, needed in waiting.items() if needed == key]:
                del waiting[wanted]
                yield number, self._answer(wanted, found) if found is not None else HashReject(wanted)

    def remove_peer(self, number: int) -> None:
        """A peer is gone."""
        self._waiting.pop(number, None)
        self._readers.pop(number, None)

    # Outputs

    def next_work(self) -> HashWork | None:
        """What is to be done now; `prepared` has to follow. None while something is being done."""
        if self._working is not None:
            return None
        for number, waiting in list(self._waiting.items()):
            del self._waiting[number]
            if waiting:
                self._waiting[number] = waiting  # behind the others
                root, pieces = self._working = next(iter(waiting.values()))
                shape = self._places.trees[root]
                row = self._row_of(root, shape)
                assert row is not None
                return HashWork(root, shape, row, pieces, self._place_of(root, pieces) or 0, self._rows.get(root))
        return None

    # Views

    def check_invariants(self) -> None:
        """Asserts what the class docstring promises."""
        assert all(len(waiting) <= self._config.max_waiting for waiting in self._waiting.values())
        self._rows.check_invariants()
        self._leaves.check_invariants()

    def _answer(self, wanted: HashRange, found: Prepared) -> Answer:
        hashes = found.rows.answer(wanted, leaves=found.leaves)
        return Hashes(wanted, hashes) if hashes is not None else HashReject(wanted)

    def _row_of(self, root: bytes, shape: TreeShape) -> bytes | None:
        return self._places.layers.get(root) if shape.needs_layer else root

    def _rows_of(self, root: bytes, shape: TreeShape) -> TreeRows | None:
        rows = self._rows.get(root)
        if rows is None and shape.piece_count <= FEW_PIECES:
            row = self._row_of(root, shape)
            assert row is not None
            rows = TreeRows(shape, row, shape.subtree_height)
        return rows

    def _leaves_of(self, key: _Key) -> bytes | None:
        return self._leaves.get(key) if key[1] else b""

    def _may_read(self, number: int, key: _Key, *, now: float) -> bool:
        """Whether the pieces are here, and the peer has not had too much read already."""
        root, pieces = key
        if not pieces:
            return True
        shape = self._places.trees[root]
        size = sum(map(shape.piece_size, pieces[: -(-self._config.max_read_bytes // shape.piece_length) + 1]))
        if (size > self._config.max_read_bytes and len(pieces) > 1) or self._place_of(root, pieces) is None:
            return False
        if any(key in waiting.values() for waiting in self._waiting.values()):
            return True  # it is read once for all
        burst = self._config.read_burst_bytes
        reader = self._readers.get(number)
        if reader is None:
            rate = self._config.read_rate_bytes_per_s
            reader = self._readers[number] = TokenBucket(rate_per_s=rate, burst=burst, now=now)
        return reader.spend(min(size, burst), now=now)

    def _place_of(self, root: bytes, pieces: range) -> int | None:
        """The first piece of a file with this tree of which these pieces are here."""
        for first in self._places.first_pieces.get(root, [])[:MAX_TWINS]:
            if all(first + number in self._have for number in pieces):
                return first
        return None


K = TypeVar("K")


class _Kept(Generic[K, T]):
    """The values that were used last, as far as there is room."""

    __slots__ = ("_room", "_used", "_values")

    def __init__(self, room: int) -> None:
        self._room = room
        self._used = 0
        self._values: dict[K, tuple[T, int]] = {}

    def get(self, key: K) -> T | None:
        found = self._values.pop(key, None)
        if found is None:
            return None
        self._values[key] = found
        return found[0]

    def put(self, key: K, value: T, size: int) -> None:
        """Takes the room of those that were not used for longest. One may be larger than all the room."""
        if key in self._values:
            self._used -= self._values.pop(key)[1]
        self._values[key] = value, size
        self._used += size
        while self._used > self._room and len(self._values) > 1:
            self._used -= self._values.pop(next(iter(self._values)))[1]

    def check_invariants(self) -> None:
        assert self._used == sum(size for _, size in self._values.values())
        assert self._used <= self._room or len(self._values) == 1


FEW_PIECES = 64  # of a layer whose rows are made for each answer: some forty microseconds
MAX_TWINS = 16  # files with the same content, one of which must be here

"""Which peer is asked for which part of which piece layer, until all layers are here (BEP 52)."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from itertools import chain, islice

from bittorrent.errors import WireError
from bittorrent.merkle.proof import HashRange, check_hashes, layer_ranges
from bittorrent.merkle.shape import TreeShape
from bittorrent.merkle.tree import HASH_SIZE
from bittorrent.swarm.hashes.config import HashConfig


class LayerFetch:
    """Fetches piece layers from several peers at a time.

    Each range is asked of one peer; when that is silent, refuses it or leaves, of another, and sooner by one that has
    nothing else to do. An answer that comes late counts all the same. Every answer proves itself, so nothing of a liar
    is ever taken up.

    Cost: some steps for each range and for each answer, however many files there are. Ranges are made when their turn
    comes.

    Invariants:
        a range that is not here is asked of one peer or waits in the queue
        no peer has more than config.most_requests requests
    """

    __slots__ = (
        "_asked",
        "_config",
        "_left",
        "_more",
        "_queue",
        "_rows",
        "_shapes",
        "_sources",
        "found",
        "hashes_wanted",
    )

    def __init__(self, config: HashConfig) -> None:
        self.found: dict[bytes, bytes] = {}  # layers, by the root of their tree
        self.hashes_wanted = 0  # of all layers together
        self._config = config
        self._shapes: dict[bytes, TreeShape] = {}  # of the trees whose layer is not here
        self._more: Iterator[bytes] = iter(())  # roots of which no range was made
        self._queue: deque[HashRange] = deque()
        self._asked: dict[HashRange, int] = {}  # all ranges under way: the number of the peer that was asked last
        self._rows: dict[bytes, dict[int, bytes]] = {}  # what has come of a layer, by the number of the first hash
        self._left: dict[bytes, int] = {}  # how many ranges are missing
        self._sources: dict[int, _Source] = {}

    # Inputs

    def want(self, trees: Mapping[bytes, TreeShape]) -> None:
        """The layers of these trees are wanted, by their roots; those that have none are left out."""
        news = {root: shape for root, shape in trees.items() if shape.needs_layer and root not in self._shapes}
        news = {root: shape for root, shape in news.items() if root not in self.found}
        self._shapes |= news
        self._more = chain(self._more, iter(news))
        self.hashes_wanted += sum(shape.piece_count for shape in news.values())

    def add_peer(self, number: int) -> None:
        """A peer can be asked."""
        self._sources.setdefault(number, _Source(self._config))

    def remove_peer(self, number: int) -> None:
        """A peer is gone: others are asked."""
        source = self._sources.pop(number, None)
        for wanted in source.asked if source is not None else ():
            self._put_back(wanted, number)

    def receive(self, number: int, wanted: HashRange, hashes: bytes) -> bool:
        """An answer to one of our requests; True when a layer is complete by it.

        Raises:
            WireError: it has another size than an answer has.
            HashError: it is not right: the peer lies.
        """
        shape = self._shapes.get(wanted.root)
        row = b""
        if shape is not None and wanted in self._asked:  # otherwise it was here already
            if len(hashes) != wanted.hash_count * HASH_SIZE:
                raise WireError(f"the peer answered with {len(hashes)} bytes instead of {wanted.hash_count} hashes")
            row = check_hashes(shape, wanted, hashes)
        source = self._sources.get(number)
        if source is not None:
            source.answered(wanted)
        if not row:
            return False
        del self._asked[wanted]
        rows = self._rows.setdefault(wanted.root, {})
        rows[wanted.index] = row
        self._left[wanted.root] -= 1
        if self._left[wanted.root]:
            return False
        self.found[wanted.root] = b"".join(rows[index] for index in sorted(rows))
        del self._rows[wanted.root], self._left[wanted.root], self._shapes[wanted.root]
        return True

    def rejected(self, number: int, wanted: HashRange, *, now: float) -> None:
        """A peer will not answer: it is asked again later, and for other ranges at once unless it refuses all."""
        source = self._sources.get(number)
        if source is not None:
            source.refused_one(wanted, now=now)
        self._put_back(wanted, number)

    def handle_timer(self, *, now: float) -> None:
        """Gives up on requests that were not answered in time. About once a second."""
        for number, source in self._sources.items():
            for wanted in source.expire(now=now):
                self._put_back(wanted, number)

    # Outputs

    def requests_to(self, number: int, *, now: float) -> list[HashRange]:
        """What to ask of a peer now. Cost: bounded, whatever the peer has refused."""
        source = self._sources.get(number)
        found: list[HashRange] = []
        if source is None or now < source.paused_until:
            return found
        for _ in range(source.room + MAX_PASSED_OVER):
            wanted = self._next() if source.room else None
            if wanted is None:
                break
            if source.refused.get(wanted, 0.0) > now:
                self._queue.append(wanted)
                continue
            source.asked[wanted] = now
            self._asked[wanted] = number
            found.append(wanted)
        if source.room and not self._queue:
            found += self._taken_over(number, source, now=now)
        return found

    # Views

    @property
    def is_complete(self) -> bool:
        """Whether all layers that were wanted are here."""
        return not self._shapes

    @property
    def hashes_found(self) -> int:
        """How many of `hashes_wanted` are here. Cost: a step for each layer that is not."""
        return self.hashes_wanted - sum(shape.piece_count for shape in self._shapes.values())

    def check_invariants(self) -> None:
        """Asserts what the class docstring promises."""
        queued = [wanted for wanted in self._queue if self._asked.get(wanted) == NOBODY]
        assert len(set(queued)) == len(queued)
        for wanted, number in self._asked.items():
            assert (wanted in queued) == (number == NOBODY)
            assert number == NOBODY or wanted in self._sources[number].asked
        for source in self._sources.values():
            assert len(source.asked) <= self._config.most_requests
            assert len(source.refused) <= MAX_REFUSED
        assert self._left.keys() <= self._shapes.keys()
        assert sum(self._left.values()) == len(self._asked)

    def _next(self) -> HashRange | None:
        while True:
            if not self._queue:
                root = next(self._more, None)
                if root is None:
                    return None
                ranges = layer_ranges(self._shapes[root], root)
                self._left[root] = len(ranges)
                self._asked |= dict.fromkeys(ranges, NOBODY)
                self._queue += ranges
            wanted = self._queue.popleft()
            if self._asked.get(wanted) == NOBODY:
                return wanted

    def _taken_over(self, number: int, source: _Source, *, now: float) -> list[HashRange]:
        """Nothing else is left to ask for: ranges that others were asked for, and are slow with."""
        found: list[HashRange] = []
        for wanted, other in islice(self._asked.items(), MAX_PASSED_OVER):
            if other in (NOBODY, number) or wanted in source.asked or source.refused.get(wanted, 0.0) > now:
                continue
            if source.room and now - self._sources[other].asked[wanted] >= self._config.hurry_s:
                source.asked[wanted] = now
                found.append(wanted)
        self._asked |= dict.fromkeys(found, number)
        return found

    def _put_back(self, wanted: HashRange, number: int) -> None:
        if self._asked.get(wanted) == number:
            self._asked[wanted] = NOBODY
            self._queue.appendleft(wanted)


class _Source:
    """One peer: what it was asked for, and how far it is trusted to answer."""

    __slots__ = ("_config", "_has_answered", "_pause_s", "_refusals", "_window", "asked", "paused_until", "refused")

    def __init__(self, config: HashConfig) -> None:
        self.asked: dict[HashRange, float] = {}  # and when, the oldest first
        self.refused: dict[HashRange, float] = {}  # and when it may be asked again
        self.paused_until = 0.0
        self._config = config
        self._window = config.first_requests
        self._pause_s = config.first_pause_s
        self._refusals = 0  # in a row
        self._has_answered = False  # since requests expired last

    @property
    def room(self) -> int:
        """How many requests more it may have."""
        return max(0, self._window - len(self.asked))

    def answered(self, wanted: HashRange) -> None:
        self.asked.pop(wanted, None)
        self._window = min(self._window + 1, self._config.most_requests)
        self._pause_s = self._config.first_pause_s
        self._refusals, self._has_answered = 0, True

    def refused_one(self, wanted: HashRange, *, now: float) -> None:
        self.asked.pop(wanted, None)
        self.refused.pop(wanted, None)
        self.refused[wanted] = now + self._pause_s
        if len(self.refused) > MAX_REFUSED:
            del self.refused[next(iter(self.refused))]
        self._refusals += 1
        if self._refusals >= MAX_REFUSALS:
            self._refusals = 0
            self._pause(now=now)

    def expire(self, *, now: float) -> list[HashRange]:
        late = [wanted for wanted, asked_at in self.asked.items() if now - asked_at >= self._config.timeout_s]
        if late:
            for wanted in late:
                del self.asked[wanted]
            self._window = max(1, self._window // 2)
            if not self._has_answered:
                self._pause(now=now)
            self._has_answered = False
        return late

    def _pause(self, *, now: float) -> None:
        self.paused_until = now + self._pause_s
        self._pause_s = min(2 * self._pause_s, self._config.most_pause_s)


NOBODY = 0  # the number of no peer
MAX_PASSED_OVER = 64  # ranges that a peer has refused, looked at to find others
MAX_REFUSED = 1024  # ranges remembered for a peer
MAX_REFUSALS = 3  # in a row: it has nothing for us

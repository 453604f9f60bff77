"""How many peers have each piece, and the best one to begin: by priority, then the rarest."""

from __future__ import annotations

import sys
from array import array
from random import Random

from bittorrent.picker.rarity import RarityOrder
from bittorrent.pieces.bitfield import PAGE_PIECES, PAGE_SHIFT, Bitfield
from bittorrent.pieces.priority import DEFAULT_PRIORITY, MAX_PRIORITY


class Availability:
    """Counts for every piece, and the candidates (the pieces that are not begun) by priority and rarity.

    Peers that have everything change no order, so they are only counted. Candidates of priority 0 are kept in order
    like the others, but never named.

    Invariants: a candidate is in the order of its priority, in the level of its count; other pieces are in none.
    """

    __slots__ = ("_counts", "_is_candidate", "_orders", "_rng", "_size", "priorities", "seed_count")

    def __init__(self, candidates: Bitfield, *, rng: Random) -> None:
        self.priorities = bytes([DEFAULT_PRIORITY]) * candidates.size
        self.seed_count = 0
        self._size = candidates.size
        self._rng = rng
        self._counts = array("H", bytes(-(-candidates.size // 8) * 8 * LANE_BYTES))
        self._is_candidate = bytearray(candidates.spread(_FLAGS_OF_BYTE))
        self._orders = [RarityOrder(candidates.page_count) for _ in range(MAX_PRIORITY + 1)]
        self._orders[DEFAULT_PRIORITY].put_all(candidates)

    # Which peer has what

    def add_seed(self) -> None:
        """One more peer has everything. Cost: O(1)."""
        self.seed_count += 1

    def remove_seed(self) -> None:
        self.seed_count -= 1

    def add(self, index: int) -> None:
        """A peer got piece `index`. Cost: O(1)."""
        count = self._counts[index]
        self._counts[index] = count + 1
        if self._is_candidate[index]:
            self._orders[self.priorities[index]].raise_one(index, count)

    def add_all(self, pieces: Bitfield) -> None:
        """A peer with these pieces came. Cost: O(pieces / 8), or O(1) for each of a few."""
        if pieces.count <= FEW:
            for index in pieces:
                self.add(index)
            return
        self._add_to_counts(pieces, 1)
        for order in self._orders:
            order.raise_all(pieces)

    def remove_all(self, pieces: Bitfield) -> None:
        """The inverse of `add_all`, and of `add` for each piece."""
        if pieces.count <= FEW:
            for index in pieces:
                count = self._counts[index]
                self._counts[index] = count - 1
                if self._is_candidate[index]:
                    self._orders[self.priorities[index]].lower_one(index, count)
            return
        self._add_to_counts(pieces, -1)
        for order in self._orders:
            order.lower_all(pieces)

    def count(self, index: int) -> int:
        """How many peers have piece `index`, the ones that have everything included."""
        return self._counts[index] + self.seed_count

    # Which pieces are candidates

    def include(self, index: int) -> None:
        """Make a piece a candidate."""
        if not self._is_candidate[index]:
            self._is_candidate[index] = 1
            self._orders[self.priorities[index]].put(index, self._counts[index])

    def exclude(self, index: int) -> None:
        """Make a piece no candidate."""
        if self._is_candidate[index]:
            self._is_candidate[index] = 0
            self._orders[self.priorities[index]].take(index, self._counts[index])

    def set_priorities(self, priorities: bytes) -> None:
        """Give every piece a new priority. Cost: a dozen passes over the pieces, in C."""
        orders = [RarityOrder(len(order.pages)) for order in self._orders]
        for priority in set(priorities):
            pieces = Bitfield.from_flags(priorities.translate(_is_equal_to(priority)))
            for order in self._orders:
                if order.count:
                    orders[priority].absorb(order.part(pieces))
        self.priorities = priorities
        self._orders = orders

    def is_candidate(self, index: int) -> bool:
        return bool(self._is_candidate[index])

    @property
    def has_wanted(self) -> bool:
        """Whether a candidate has a priority above 0."""
        return any(order.count for order in self._orders[1:])

    # Choosing: `pieces` None stands for all

    def rarest(self, pieces: Bitfield | None) -> int | None:
        """A candidate of `pieces` with the highest priority, of these one that the fewest peers have, or None.

        Among equals one is taken at random.
        """
        for order in self._orders[:0:-1]:
            if order.count and (index := self._rarest_of(order, pieces)) is not None:
                return index
        return None

    def random(self, pieces: Bitfield | None) -> int | None:
        """A candidate of `pieces` with the highest priority, at a random place, or None."""
        for order in self._orders[:0:-1]:
            if order.count:
                pages = dict(enumerate(order.pages))
                index = self._pick_from(pages, list(pages), pieces)
                if index is not None:
                    return index
        return None

    def first(self, pieces: Bitfield | None) -> int | None:
        """The first candidate of `pieces` with the highest priority, or None."""
        for order in self._orders[:0:-1]:
            if order.count:
                for number, page in enumerate(order.pages):
                    found = page if pieces is None or not page else page & pieces.page(number)
                    if found:
                        return (number << PAGE_SHIFT) + PAGE_PIECES - found.bit_length()
        return None

    def check_invariants(self) -> None:
        for priority, order in enumerate(self._orders):
            order.check_invariants()
            listed = {
                index: self._counts[index]
                for index in range(self._size)
                if self._is_candidate[index] and self.priorities[index] == priority
            }
            assert dict(order.items()) == listed, f"the order of priority {priority} is wrong"

    def _rarest_of(self, order: RarityOrder, pieces: Bitfield | None) -> int | None:
        """As a rule one of the rarest levels has a fitting piece; if not, only pages with one are looked at."""
        fitting: list[int] | None = None
        tries = 0
        for level in order.levels:
            if not level:
                continue
            if pieces is not None and tries == TRIES:
                fitting = [number for number, page in enumerate(order.pages) if page and page & pieces.page(number)]
                if not fitting:
                    return None
            tries += 1
            index = self._pick_from(level, list(level) if fitting is None else fitting, pieces)
            if index is not None:
                return index
        return None

    def _pick_from(self, level: dict[int, int], numbers: list[int], pieces: Bitfield | None) -> int | None:
        """A random piece of a level, of the pages with these numbers; a page is tried first as often as it is large."""
        start = int(self._rng.random() * self._size) >> PAGE_SHIFT
        if start not in level and len(numbers) > 1:
            start = numbers[int(self._rng.random() * len(numbers))]
        for number in (start, *numbers):
            found = level.get(number, 0)
            if found and pieces is not None:
                found &= pieces.page(number)
            if found:
                return (number << PAGE_SHIFT) + PAGE_PIECES - 1 - self._random_bit(found)
        return None

    def _random_bit(self, page: int) -> int:
        """The number of a random bit of a page that is not empty.

        Few: each is as likely as the other. Many: some probes, which nearly always meet one, and else a piece behind
        a random place, which favours those behind a gap. Peers must not choose alike, above all when few are left.
        """
        count = page.bit_count()
        if count <= EVENLY_CHOSEN:
            for _ in range(int(self._rng.random() * count)):
                page &= page - 1
            return (page & -page).bit_length() - 1
        lowest = (page & -page).bit_length() - 1  # of the last page a part stands for nothing
        width = page.bit_length() - lowest
        for _ in range(PROBES):
            place = lowest + int(self._rng.random() * width)
            if page >> place & 1:
                return place
        return (page & (2 << lowest + int(self._rng.random() * width)) - 1).bit_length() - 1

    def _add_to_counts(self, pieces: Bitfield, sign: int) -> None:
        """All counts at once: they are added as one number, of which each has sixteen bits for itself."""
        order = sys.byteorder
        lanes = int.from_bytes(pieces.spread(_LANES_OF_BYTE), order)
        total = int.from_bytes(self._counts.tobytes(), order) + sign * lanes
        self._counts = array("H", total.to_bytes(len(self._counts) * LANE_BYTES, order))


def _is_equal_to(value: int) -> bytes:
    return bytes(other == value for other in range(256))


EVENLY_CHOSEN = 16
PROBES = 8
TRIES = 3  # levels that are searched before it is found out which pages can have a fitting piece at all
FEW = 64  # pieces: up to here one by one is cheaper than all at once
LANE_BYTES = array("H").itemsize
_FLAGS_OF_BYTE = [bytes(byte >> 7 - bit & 1 for bit in range(8)) for byte in range(256)]
_LANES_OF_BYTE = [array("H", [byte >> 7 - bit & 1 for bit in range(8)]).tobytes() for byte in range(256)]

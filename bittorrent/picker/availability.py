"""How many peers have each piece, and the rarest one among those that may be started."""

from __future__ import annotations

from array import array
from random import Random

from bittorrent.picker.bitfield import Bitfield


class Availability:
    """Counts for every piece, and an order by rarity over the candidates (the pieces nobody has begun to fetch).

    The order is one integer for each count: bit `width - 1 - i` of `_levels[n]` is set when piece `i` is a candidate
    that `n` peers have. A whole bitfield then moves up or down with a few big-integer operations, and "the rarest
    piece that this peer has" is one `&` for each level, about a microsecond at 100,000 pieces. Peers that have
    everything change no order, so they are only counted.

    Invariants: a piece is in exactly one level if it is a candidate and in none otherwise, and that level is its
    count; `candidates` is the union of the levels.
    """

    __slots__ = ("_counts", "_levels", "_rng", "_width", "candidates", "seed_count")

    def __init__(self, piece_count: int, *, rng: Random) -> None:
        everything = Bitfield.full(piece_count)
        self._width = everything.width
        self._rng = rng
        self._counts = array("L", bytes(piece_count * array("L").itemsize))
        self._levels = [everything.mask]
        self.candidates = everything.mask
        self.seed_count = 0

    def add_seed(self) -> None:
        """Somebody has everything. Cost: O(1)."""
        self.seed_count += 1

    def remove_seed(self) -> None:
        self.seed_count -= 1

    def add(self, index: int) -> None:
        """Somebody got piece `index`."""
        count = self._counts[index]
        self._counts[index] = count + 1
        self._move(1 << (self._width - 1 - index), count, count + 1)

    def add_all(self, pieces: Bitfield) -> None:
        """Somebody with these pieces came. Cost: O(pieces) cheap steps, and O(levels) big-integer ones."""
        counts = self._counts
        for index in pieces:
            counts[index] += 1
        for level in range(len(self._levels) - 1, -1, -1):
            self._move(pieces.mask, level, level + 1)

    def remove_all(self, pieces: Bitfield) -> None:
        """The inverse of `add_all`, and of `add` for each piece."""
        counts = self._counts
        for index in pieces:
            counts[index] -= 1
        for level in range(1, len(self._levels)):
            self._move(pieces.mask, level, level - 1)
        while len(self._levels) > 1 and not self._levels[-1]:
            self._levels.pop()

    def include(self, index: int) -> None:
        """Make a piece a candidate."""
        bit = 1 << (self._width - 1 - index)
        if not self.candidates & bit:
            self.candidates |= bit
            self._put(bit, self._counts[index])

    def exclude(self, index: int) -> None:
        """Make a piece no candidate."""
        bit = 1 << (self._width - 1 - index)
        if self.candidates & bit:
            self.candidates ^= bit
            self._levels[self._counts[index]] ^= bit

    def rarest(self, mask: int | None) -> int | None:
        """A candidate of `mask` (None: of all) that the fewest peers have, or None.

        Among equals one is taken at random.
        """
        for level in self._levels:
            found = level if mask is None else level & mask
            if found:
                return self._random_bit(found)
        return None

    def lowest_count(self, mask: int | None) -> int | None:
        """How many peers have the rarest candidate of `mask` (None: of all), or None without one."""
        for count, level in enumerate(self._levels):
            if level if mask is None else level & mask:
                return count + self.seed_count
        return None

    def random(self, mask: int | None) -> int | None:
        """A candidate of `mask` (None: of all) at a random place, or None."""
        found = self.candidates if mask is None else self.candidates & mask
        return self._random_bit(found) if found else None

    def count(self, index: int) -> int:
        """How many peers have piece `index`, the ones that have everything included."""
        return self._counts[index] + self.seed_count

    def check_invariants(self) -> None:
        union = 0
        for level, mask in enumerate(self._levels):
            assert not union & mask, "a piece is in two levels"
            union |= mask
            for index, count in enumerate(self._counts):
                assert not mask >> (self._width - 1 - index) & 1 or count == level, f"piece {index} is misplaced"
        assert union == self.candidates

    def _move(self, mask: int, source: int, target: int) -> None:
        if source < len(self._levels):
            moved = self._levels[source] & mask
            if moved:
                self._levels[source] ^= moved
                self._put(moved, target)

    def _put(self, mask: int, level: int) -> None:
        while level >= len(self._levels):
            self._levels.append(0)
        self._levels[level] |= mask

    def _random_bit(self, mask: int) -> int:
        """The index of a random piece of a set that is not empty.

        Few: each is as likely as the other. Many: some probes, which nearly always meet one, and else a piece behind
        a random place, which favours those behind a gap. Peers must not choose alike, above all when few are left.
        """
        count = mask.bit_count()
        if count <= EVENLY_CHOSEN:
            for _ in range(self._rng.randrange(count)):
                mask &= mask - 1
            return self._width - (mask & -mask).bit_length()
        for _ in range(PROBES):
            place = self._rng.randrange(self._width)
            if mask >> place & 1:
                return self._width - 1 - place
        below = mask & ((1 << self._rng.randrange(1, self._width + 1)) - 1)
        return self._width - (below or mask).bit_length()


EVENLY_CHOSEN = 32
PROBES = 8

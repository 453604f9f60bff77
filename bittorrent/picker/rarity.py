"""Pieces in the order of how many peers have them."""

from __future__ import annotations

from collections.abc import Iterator

from bittorrent.pieces.bitfield import PAGE_MASK, PAGE_SHIFT, Bitfield, page_bit


class RarityOrder:
    """A set of pieces in levels: level `n` holds those that `n` peers have.

    A level is a dictionary of the pages (see `Bitfield.page`) that are not empty. One piece moves in constant time,
    the pieces of a whole bitfield move page by page, and "the rarest that this peer has" is one `&` for each page.

    Invariants: no page of a level is zero; a piece is in at most one level; `pages` are the unions over the levels;
    above level 0 the highest level is not empty.
    """

    __slots__ = ("count", "levels", "pages")

    def __init__(self, page_count: int) -> None:
        self.levels: list[dict[int, int]] = [{}]
        self.pages = [0] * page_count
        self.count = 0

    def put(self, index: int, level: int) -> None:
        """A piece comes in."""
        bit = page_bit(index)
        self.pages[index >> PAGE_SHIFT] |= bit
        self.count += 1
        self._put(index >> PAGE_SHIFT, bit, level)

    def put_all(self, pieces: Bitfield) -> None:
        """These pieces come in, which no peer has; so far there is none."""
        self.pages = [pieces.page(number) for number in range(pieces.page_count)]
        self.levels[0] = {number: bits for number, bits in enumerate(self.pages) if bits}
        self.count = pieces.count

    def take(self, index: int, level: int) -> None:
        """A piece goes out; it is in that level."""
        bit = page_bit(index)
        self.pages[index >> PAGE_SHIFT] ^= bit
        self.count -= 1
        self._take(index >> PAGE_SHIFT, bit, level)
        self._trim()

    def raise_one(self, index: int, level: int) -> None:
        """One peer more has a piece that was in `level`: the hot path of every `have`."""
        levels = self.levels
        page = index >> PAGE_SHIFT
        bit = 1 << (~index & PAGE_MASK)
        pages = levels[level]
        left = pages[page] ^ bit
        if left:
            pages[page] = left
        else:
            del pages[page]
        level += 1
        if level == len(levels):
            levels.append({})
        pages = levels[level]
        pages[page] = pages.get(page, 0) | bit

    def lower_one(self, index: int, level: int) -> None:
        """One peer less has a piece that was in `level`."""
        page, bit = index >> PAGE_SHIFT, page_bit(index)
        self._take(page, bit, level)
        self._put(page, bit, level - 1)
        self._trim()

    def raise_all(self, pieces: Bitfield) -> None:
        """A peer with these pieces came."""
        for level in range(len(self.levels) - 1, -1, -1):
            self._shift(level, level + 1, pieces)
        self._trim()

    def lower_all(self, pieces: Bitfield) -> None:
        """A peer with these pieces left."""
        for level in range(1, len(self.levels)):
            self._shift(level, level - 1, pieces)
        self._trim()

    def part(self, pieces: Bitfield) -> RarityOrder:
        """A new order of those that are in `pieces` too."""
        made = RarityOrder(len(self.pages))
        for level, pages in enumerate(self.levels):
            for page, bits in pages.items():
                common = bits & pieces.page(page)
                if common:
                    made.pages[page] |= common
                    made.count += common.bit_count()
                    made._put(page, common, level)
        return made

    def absorb(self, other: RarityOrder) -> None:
        """Everything that is in another order, which has no piece in common with this one, comes in."""
        for level, pages in enumerate(other.levels):
            for page, bits in pages.items():
                self._put(page, bits, level)
        self.pages = [one | two for one, two in zip(self.pages, other.pages, strict=True)]
        self.count += other.count

    def check_invariants(self) -> None:
        union = [0] * len(self.pages)
        for pages in self.levels:
            for page, bits in pages.items():
                assert bits, "an empty page is listed"
                assert not bits & union[page], "a piece is in two levels"
                union[page] |= bits
        assert union == self.pages
        assert self.count == sum(bits.bit_count() for bits in union)
        assert len(self.levels) == 1 or self.levels[-1], "the highest level is empty"

    def items(self) -> Iterator[tuple[int, int]]:
        """Each piece with its level. Cost: O(pieces), for tests."""
        for level, pages in enumerate(self.levels):
            for page, bits in pages.items():
                for index in range(page << PAGE_SHIFT, (page + 1) << PAGE_SHIFT):
                    if bits & page_bit(index):
                        yield index, level

    def _shift(self, source: int, target: int, pieces: Bitfield) -> None:
        while target >= len(self.levels):
            self.levels.append({})
        leaves, joins = self.levels[source], self.levels[target]
        for page, bits in list(leaves.items()):
            moved = bits & pieces.page(page)
            if moved:
                if left := bits ^ moved:
                    leaves[page] = left
                else:
                    del leaves[page]
                joins[page] = joins.get(page, 0) | moved

    def _put(self, page: int, bits: int, level: int) -> None:
        while level >= len(self.levels):
            self.levels.append({})
        pages = self.levels[level]
        pages[page] = pages.get(page, 0) | bits

    def _take(self, page: int, bits: int, level: int) -> None:
        pages = self.levels[level]
        left = pages[page] ^ bits
        if left:
            pages[page] = left
        else:
            del pages[page]

    def _trim(self) -> None:
        while len(self.levels) > 1 and not self.levels[-1]:
            self.levels.pop()

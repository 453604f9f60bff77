"""The trees of a torrent by their roots: what is known of them, and where their pieces are (BEP 52)."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping

from bittorrent.merkle.proof import HashRange, layer_ranges, leaf_ranges
from bittorrent.merkle.shape import TreeShape
from bittorrent.merkle.tree import HASH_SIZE


class TreePlaces:
    """Read only, but for `layers`, which may come later. Files that are alike share one tree.

    Args:
        trees: by their roots.
        layers: the piece layers that are known, by the roots: live.
        files: of each file that has a tree, the number of its first piece, and its root.

    Cost: of making it some steps for each file.
    """

    __slots__ = ("_first_pieces", "_roots", "first_pieces", "layers", "request_count", "trees")

    def __init__(
        self, trees: Mapping[bytes, TreeShape], layers: Mapping[bytes, bytes], files: Iterable[tuple[int, bytes]]
    ) -> None:
        self.trees = trees
        self.layers = layers
        found = sorted(files)
        self._first_pieces = [first for first, _ in found]
        self._roots = [root for _, root in found]
        self.first_pieces: dict[bytes, list[int]] = {}  # by root, of all files that have it
        for first, root in found:
            self.first_pieces.setdefault(root, []).append(first)
        self.request_count = sum(len(layer_ranges(shape, root)) for root, shape in trees.items())  # for all layers

    def place_of(self, index: int) -> tuple[bytes, int] | None:
        """The root of the file that a piece belongs to, and the number of the piece in it."""
        at = bisect_right(self._first_pieces, index) - 1
        if at < 0:
            return None
        root, number = self._roots[at], index - self._first_pieces[at]
        return (root, number) if number < self.trees[root].piece_count else None

    def leaves_of(self, index: int) -> tuple[TreeShape, list[HashRange]] | None:
        """What to ask for to have the leaves of a piece; None when there is nothing that could be asked for."""
        place = self.place_of(index)
        if place is None:
            return None
        root, number = place
        shape = self.trees[root]
        ranges = leaf_ranges(shape, root, number)
        return (shape, ranges) if ranges else None

    def known_leaf(self, index: int) -> bytes | None:
        """The only leaf of a piece that is no higher than that: what stands for the piece. None for others."""
        place = self.place_of(index)
        if place is None:
            return None
        root, number = place
        shape = self.trees[root]
        if shape.subtree_height:
            return None
        row = self.layers.get(root) if shape.needs_layer else root
        return row[number * HASH_SIZE : (number + 1) * HASH_SIZE] if row is not None else None

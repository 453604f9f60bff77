"""Pieces that are needed by a certain time: what a reader is about to read."""

from __future__ import annotations

from collections.abc import Mapping


class Deadlines:
    """The deadlines of several readers; the earliest one of a piece counts.

    Invariants: `of` holds the earliest deadline of each piece that a reader waits for; `order` are these pieces, the
    most urgent first, equally urgent ones in the order of the torrent.
    """

    __slots__ = ("_by_reader", "_max_pieces", "of", "order")

    def __init__(self, *, max_pieces: int) -> None:
        self.of: dict[int, float] = {}
        self.order: tuple[int, ...] = ()
        self._by_reader: dict[int, dict[int, float]] = {}
        self._max_pieces = max_pieces

    def replace(self, reader: int, deadlines: Mapping[int, float]) -> None:
        """The deadlines of one reader, instead of those it had. None at all: it waits for nothing any more."""
        if deadlines:
            self._by_reader[reader] = dict(deadlines)
        else:
            self._by_reader.pop(reader, None)
        self._refresh()

    def discard(self, index: int) -> None:
        """A piece is here."""
        if index in self.of:
            for deadlines in self._by_reader.values():
                deadlines.pop(index, None)
            self._refresh()

    def check_invariants(self) -> None:
        earliest: dict[int, float] = {}
        for deadlines in self._by_reader.values():
            for index, at in deadlines.items():
                earliest[index] = min(at, earliest.get(index, at))
        ranked = sorted(earliest, key=lambda index: (earliest[index], index))[: self._max_pieces]
        assert list(self.order) == ranked
        assert self.of == {index: earliest[index] for index in ranked}

    def _refresh(self) -> None:
        earliest: dict[int, float] = {}
        for deadlines in self._by_reader.values():
            for index, at in deadlines.items():
                known = earliest.get(index)
                if known is None or at < known:
                    earliest[index] = at
        ranked = sorted((at, index) for index, at in earliest.items())[: self._max_pieces]
        self.of = {index: at for at, index in ranked}
        self.order = tuple(self.of)

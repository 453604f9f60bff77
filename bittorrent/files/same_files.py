"""Files that are the same in several torrents, or several times in one.

They are known by the roots of their trees (BEP 52). Where torrents say that they are related (BEP 38), files of the
same length are worth a look.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Generic, TypeVar

from bittorrent.files.entry import FileEntry
from bittorrent.pieces.bitfield import Bitfield
from bittorrent.pieces.block import Block
from bittorrent.pieces.geometry import Geometry

OwnerT = TypeVar("OwnerT")


class SameFiles(Generic[OwnerT]):
    """Which torrents have files with which content. All files of a torrent come and go with it.

    Args:
        most: how many others a file is said to have at once: a torrent may be nothing but a file many times over.

    Invariant: no root without a file.
    """

    __slots__ = ("_most", "_owners", "_related", "_relations", "_roots")

    def __init__(self, *, most: int = 8) -> None:
        self._most = most
        self._owners: dict[bytes, list[tuple[OwnerT, FileEntry]]] = {}
        self._roots: dict[OwnerT, set[bytes]] = {}
        self._related: dict[Hashable, dict[OwnerT, None]] = {}
        self._relations: dict[OwnerT, tuple[Hashable, ...]] = {}

    def add(self, owner: OwnerT, files: Iterable[FileEntry]) -> None:
        """The files of a torrent; those without a root are left out."""
        roots = self._roots.setdefault(owner, set())
        for entry in files:
            if entry.pieces_root is not None:
                roots.add(entry.pieces_root)
                self._owners.setdefault(entry.pieces_root, []).append((owner, entry))

    def relate(self, owner: OwnerT, relations: Iterable[Hashable]) -> None:
        """What a torrent has in common with related ones."""
        self._relations[owner] = tuple(relations)
        for relation in self._relations[owner]:
            self._related.setdefault(relation, {})[owner] = None

    def related(self, owner: OwnerT) -> list[OwnerT]:
        """Some of the torrents that are related to one. Those known first."""
        found = dict.fromkeys(other for key in self._relations.get(owner, ()) for other in self._related[key])
        found.pop(owner, None)
        return list(islice(found, self._most))

    def discard(self, owner: OwnerT) -> None:
        """The torrent is gone, if it was here."""
        for relation in self._relations.pop(owner, ()):
            del self._related[relation][owner]
            if not self._related[relation]:
                del self._related[relation]
        for root in self._roots.pop(owner, ()):
            left = [(other, entry) for other, entry in self._owners[root] if other is not owner]
            if left:
                self._owners[root] = left
            else:
                del self._owners[root]

    def twins(self, owner: OwnerT, entry: FileEntry) -> list[tuple[OwnerT, FileEntry]]:
        """Some of the other files with the content of one: of other torrents, or of the same. Those known first."""
        if entry.pieces_root is None:
            return []
        known: Collection[tuple[OwnerT, FileEntry]] = self._owners.get(entry.pieces_root, ())
        if len(known) < 2:
            return []
        others = ((other, twin) for other, twin in known if other is not owner or twin.offset != entry.offset)
        return list(islice(others, self._most))

    def __len__(self) -> int:
        return len(self._owners) + len(self._related)


@dataclass(frozen=True, slots=True)
class Held:
    """What is there of a torrent."""

    geometry: Geometry
    have: Bitfield


@dataclass(frozen=True, slots=True)
class PieceCopy:
    """A piece that another torrent has the bytes of.

    Attributes:
        index: the piece that is missing.
        blocks: where its bytes are in the other torrent, in order. What is missing behind them is padding.
    """

    index: int
    blocks: Sequence[Block]


def copies(
    target: Held, wanted: FileEntry, source: Held, twin: FileEntry, *, offset: int, length: int
) -> Iterator[PieceCopy]:
    """The missing pieces of a file that reach into a range of it, and are there as a whole in a file that is the same.

    Args:
        wanted, twin: the file in the torrent that lacks it, and the same file in the one that may have it. Their pieces
            may differ in length. Those of version 1 may begin anywhere: pieces that have bytes of other files, too, are
            left out.
        offset, length: the range, in the file.
    """
    geometry = target.geometry
    for index in geometry.pieces_of(wanted.offset + offset, length):
        if index in target.have:
            continue
        begin = geometry.offset_of(index) - wanted.offset
        size = min(geometry.piece_size(index), wanted.length - begin)
        if begin < 0 or (wanted.pieces_root is None and size < geometry.piece_size(index)):
            continue
        place = twin.offset + begin
        if all(piece in source.have for piece in source.geometry.pieces_of(place, size)):
            yield PieceCopy(index, tuple(source.geometry.parts_of(place, size)))

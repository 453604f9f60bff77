"""Which torrent writes where: two of them must not overwrite each other's files."""

from __future__ import annotations

import os
from collections.abc import Hashable, Iterable, Sequence
from typing import TypeAlias

from bittorrent.errors import StorageError

# Paths by folder and first element, case ignored, so that most claims need no look at single files.
Places: TypeAlias = dict[tuple[str, str], list[tuple[str, ...]]]


class PathClaims:
    """The places on disk that the torrents of a session use.

    Several may read one file; a place where a torrent writes is that torrent's alone. Names that differ only in case
    count as one: on some file systems they are.

    Invariants:
        no path is claimed by two owners of which one writes
    """

    __slots__ = ("_claims", "_owners")

    def __init__(self) -> None:
        self._claims: dict[tuple[str, str], dict[Hashable, _Claim]] = {}
        self._owners: dict[Hashable, list[tuple[str, str]]] = {}

    def claim(
        self,
        owner: Hashable,
        root: str | os.PathLike[str],
        paths: Sequence[tuple[str, ...]],
        *,
        name: str,
        writable: bool,
    ) -> None:
        """`claim_places` of `group_places(root, paths)`."""
        self.claim_places(owner, group_places(root, paths), name=name, writable=writable)

    def claim_places(self, owner: Hashable, places: Places, *, name: str, writable: bool) -> None:
        """`owner`, called `name` in errors, uses `places` from now on, and nothing else.

        Raises:
            StorageError: another one uses one of them; what `owner` had before stays.

        Cost: a step for each folder or file directly in the download directory; a look at single paths only where
            another owner has one with the same beginning.
        """
        for key, own in places.items():
            folded: frozenset[tuple[str, ...]] | None = None
            for other, claim in self._claims.get(key, {}).items():
                if other == owner or not (writable or claim.writable):
                    continue
                folded = folded if folded is not None else _folded(own)
                common = folded & _folded(claim.paths)
                if common:
                    place = os.path.join(key[0], *next(path for path in own if _fold(path) in common))
                    raise StorageError(
                        f"{name} and {claim.name} would both be stored in {place};"
                        " choose another directory for one of them",
                        path=place,
                    )
        self.release(owner)
        for key, own in places.items():
            self._claims.setdefault(key, {})[owner] = _Claim(name, own, writable)
        self._owners[owner] = list(places)

    def release(self, owner: Hashable) -> None:
        """`owner` uses nothing any more."""
        for key in self._owners.pop(owner, ()):
            claims = self._claims[key]
            del claims[owner]
            if not claims:
                del self._claims[key]


def group_places(root: str | os.PathLike[str], paths: Iterable[tuple[str, ...]]) -> Places:
    """Paths below `root` by that folder and their first element. Cost: a step for each, and a look at `root`."""
    folder = os.path.realpath(root)
    groups: dict[str, list[tuple[str, ...]]] = {}
    for path in paths:
        groups.setdefault(path[0], []).append(path)
    places: Places = {}
    for first, group in groups.items():
        key = (folder, first.casefold())
        places[key] = [*places[key], *group] if key in places else group
    return places


class _Claim:
    __slots__ = ("name", "paths", "writable")

    def __init__(self, name: str, paths: Sequence[tuple[str, ...]], writable: bool) -> None:
        self.name = name
        self.paths = paths
        self.writable = writable


def _fold(path: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(element.casefold() for element in path)


def _folded(paths: Sequence[tuple[str, ...]]) -> frozenset[tuple[str, ...]]:
    return frozenset(map(_fold, paths))

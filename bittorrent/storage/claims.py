"""Who writes where: two torrents must not overwrite each other's files."""

from __future__ import annotations

import os
from collections.abc import Hashable, Sequence

from bittorrent.errors import StorageError


class PathClaims:
    """The places on disk that the torrents of a session use.

    Several may read one file; a place where somebody writes is theirs alone. Names that differ only in case count as
    one: on some file systems they are.

    Invariants:
        no path is claimed by two owners of whom one writes
    """

    __slots__ = ("_claims", "_owners")

    def __init__(self) -> None:
        # By folder and first element of the path, so that most claims need no look at single files.
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
        """`owner`, called `name` in errors, uses `paths` below `root` from now on, and nothing else.

        Raises:
            StorageError: another one uses one of them; what `owner` had before stays.
        """
        folder = os.path.realpath(root)
        wanted: dict[tuple[str, str], list[tuple[str, ...]]] = {}
        for path in paths:
            wanted.setdefault((folder, path[0].casefold()), []).append(path)
        for key, own in wanted.items():
            folded: frozenset[tuple[str, ...]] | None = None
            for other, claim in self._claims.get(key, {}).items():
                if other == owner or not (writable or claim.writable):
                    continue
                folded = folded if folded is not None else _folded(own)
                common = folded & _folded(claim.paths)
                if common:
                    place = os.path.join(folder, *next(path for path in own if _fold(path) in common))
                    raise StorageError(
                        f"{name} and {claim.name} would both be stored in {place};"
                        " choose another directory for one of them",
                        path=place,
                    )
        self.release(owner)
        for key, own in wanted.items():
            self._claims.setdefault(key, {})[owner] = _Claim(name, tuple(own), writable)
        self._owners[owner] = list(wanted)

    def release(self, owner: Hashable) -> None:
        """`owner` uses nothing any more."""
        for key in self._owners.pop(owner, ()):
            claims = self._claims[key]
            del claims[owner]
            if not claims:
                del self._claims[key]


class _Claim:
    __slots__ = ("name", "paths", "writable")

    def __init__(self, name: str, paths: tuple[tuple[str, ...], ...], writable: bool) -> None:
        self.name = name
        self.paths = paths
        self.writable = writable


def _fold(path: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(element.casefold() for element in path)


def _folded(paths: Sequence[tuple[str, ...]]) -> frozenset[tuple[str, ...]]:
    return frozenset(map(_fold, paths))

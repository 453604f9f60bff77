"""Torrents by everything that they are known by."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Protocol, TypeVar

from bittorrent.errors import TorrentCollisionError
from bittorrent.identity.torrent_id import TorrentId


class Named(Protocol):
    """What is called by a name in errors."""

    @property
    def name(self) -> str: ...


TorrentT = TypeVar("TorrentT", bound=Named)


class TorrentRegistry(Mapping[bytes, TorrentT]):
    """A mapping from hashes to torrents: each is listed once, by its `info_hash`, and found by any of its aliases.

    Attributes:
        changes: how often a torrent came or went: what was made of all of them is right as long as it stands.

    Invariant: no alias is that of two torrents.
    """

    __slots__ = ("_ids", "_owners", "_torrents", "changes")

    def __init__(self) -> None:
        self._torrents: dict[bytes, TorrentT] = {}
        self._ids: dict[bytes, TorrentId] = {}
        self.changes = 0
        self._owners: dict[bytes, bytes] = {}  # the info-hash that each alias stands for

    def find(self, torrent_id: TorrentId, *, name: str) -> TorrentT | None:
        """The torrent that is known by one of these hashes.

        Args:
            name: of the torrent that is looked for, for the error.

        Raises:
            TorrentCollisionError: one of the hashes is that of another torrent.
        """
        found: TorrentT | None = None
        for alias in torrent_id.aliases:
            owner = self._owners.get(alias)
            if owner is None:
                continue
            torrent = self._torrents[owner]
            if (found is not None and torrent is not found) or not self._ids[owner].is_same_as(torrent_id):
                raise TorrentCollisionError(
                    f"{name} is not {torrent.name}, and both are known by {alias.hex()}; only one of them can be here",
                    alias=alias,
                )
            found = torrent
        return found

    def add(self, torrent_id: TorrentId, torrent: TorrentT) -> None:
        """A torrent that was not found is here now.

        Raises:
            TorrentCollisionError: one of the hashes is that of another torrent.
        """
        before = self.find(torrent_id, name=torrent.name)
        if before is not None:
            raise TorrentCollisionError(f"{before.name} is here already", alias=torrent_id.info_hash)
        info_hash = torrent_id.info_hash
        self.changes += 1
        self._torrents[info_hash] = torrent
        self._ids[info_hash] = torrent_id
        for alias in torrent_id.aliases:
            self._owners[alias] = info_hash

    def discard(self, torrent_id: TorrentId, torrent: TorrentT) -> None:
        """A torrent is here no more. Nothing if another one has taken its place."""
        info_hash = torrent_id.info_hash
        if self._torrents.get(info_hash) is torrent:
            self.changes += 1
            del self._torrents[info_hash]
            for alias in self._ids.pop(info_hash).aliases:
                del self._owners[alias]

    def short_names(self) -> list[bytes]:
        """Each hash of 20 bytes that a torrent may be known by."""
        return [alias for known in self._ids.values() for alias in known.short]

    def __getitem__(self, alias: bytes) -> TorrentT:
        return self._torrents[self._owners[alias]]

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._torrents)

    def __len__(self) -> int:
        return len(self._torrents)

    def check_invariants(self) -> None:
        """Asserts what the class says about itself."""
        assert self._torrents.keys() == self._ids.keys()
        aliases = [(alias, owner) for owner, known in self._ids.items() for alias in known.aliases]
        assert len(aliases) == len(self._owners)
        assert dict(aliases) == self._owners

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

    What is learnt of a torrent later adds aliases; it stays listed under the hash that it was added with.

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
            if found is not None and torrent is not found and self._ids[owner].is_same_as(torrent_id):
                raise TorrentCollisionError(
                    f"{found.name} and {torrent.name} are one torrent, {name}, and both are here; remove one of them",
                    alias=alias,
                )
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

    def learn(self, torrent_id: TorrentId) -> None:
        """A torrent that is here turned out to have these hashes: those that it was added with, and others.

        It stays listed under the same one.

        Raises:
            TorrentCollisionError: one is that of another torrent, or differs from what was known. Nothing changes.
        """
        owner = next(self._owners[alias] for alias in torrent_id.aliases if alias in self._owners)
        known = self._ids[owner]
        if torrent_id == known:
            self._ids[owner] = torrent_id  # of which it is known now that there is no other version
            return
        if not known.describes(torrent_id):
            raise TorrentCollisionError(f"{self._torrents[owner].name} has other hashes", alias=owner)
        self.find(torrent_id, name=self._torrents[owner].name)
        self.changes += 1
        self._ids[owner] = torrent_id
        for alias in torrent_id.aliases:
            self._owners[alias] = owner

    def discard(self, torrent_id: TorrentId, torrent: TorrentT) -> None:
        """A torrent is here no more. Nothing if another one has taken its place."""
        owner = self._owners.get(torrent_id.info_hash)
        if owner is not None and self._torrents[owner] is torrent:
            self.changes += 1
            del self._torrents[owner]
            for alias in self._ids.pop(owner).aliases:
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

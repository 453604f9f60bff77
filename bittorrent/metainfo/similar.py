"""Torrents that share files with others, as they say themselves (BEP 38)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from bittorrent.identity.torrent_id import TorrentId
from transfer.wire import bencode

if TYPE_CHECKING:
    from transfer.wire.bencode import Value

MAX_SIMILAR = 100
MAX_COLLECTIONS = 100
_KEYS = (b"similar", b"collections")


def parse_similar(*dictionaries: Mapping[bytes, Value]) -> tuple[bytes, ...]:
    """The short hashes of similar torrents, each once; what is no hash is left out. They stand inside or outside."""
    found = [value[:20] for value in _texts(b"similar", dictionaries) if len(value) in (20, 32)]
    return tuple(dict.fromkeys(found))[:MAX_SIMILAR]


def parse_collections(*dictionaries: Mapping[bytes, Value]) -> tuple[bytes, ...]:
    """The collections that a torrent is in, each once, as they are written."""
    found = [value for value in _texts(b"collections", dictionaries) if value]
    return tuple(dict.fromkeys(found))[:MAX_COLLECTIONS]


def relations_of(
    torrent_id: TorrentId, similar: tuple[bytes, ...], collections: tuple[bytes, ...]
) -> frozenset[tuple[str, bytes]]:
    """Two torrents are related when they have one of these in common: a collection, or one names the other."""
    hashes = {("torrent", value) for value in (*torrent_id.short, *similar)}
    return frozenset(hashes | {("collection", name) for name in collections})


def without_known(
    info_bytes: bytes, similar: tuple[bytes, ...], collections: tuple[bytes, ...]
) -> dict[bytes, list[bytes]]:
    """What has to stand outside the info dictionary, because it is not in it."""
    if not similar and not collections:
        return {}
    spans = bencode.spans(info_bytes)
    inside = {key: bencode.decode(info_bytes[slice(*spans[key])]) for key in _KEYS if key in spans}
    known = {b"similar": set(parse_similar(inside)), b"collections": set(parse_collections(inside))}
    outside = {b"similar": similar, b"collections": collections}
    found = {key: [value for value in values if value not in known[key]] for key, values in outside.items()}
    return {key: values for key, values in found.items() if values}


def _texts(key: bytes, dictionaries: tuple[Mapping[bytes, Value], ...]) -> list[bytes]:
    listed = [dictionary.get(key) for dictionary in dictionaries]
    return [value for values in listed if isinstance(values, list) for value in values if isinstance(value, bytes)]

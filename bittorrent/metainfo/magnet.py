"""Magnet links: info-hashes (BEP 9, 52) and hints where to find peers, and which files are wanted (BEP 53)."""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass
from urllib.parse import quote, unquote, unquote_plus

from bittorrent.errors import MagnetError
from bittorrent.files.paths import has_unsafe_characters, shorten, without_unsafe_characters
from bittorrent.identity.torrent_id import TorrentId
from transfer.address import Address, AddressError

MAX_LINK_CHARACTERS = 64 << 10
MAX_NAME_CHARACTERS = 255
MAX_TRACKERS = 200
MAX_PEERS = 200
MAX_WEB_SEEDS = 200
MAX_SELECTIONS = 1000
MAX_EXACT_LENGTH = 2**63 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Magnet:
    """What a magnet link says. `name` is for people only, until the metadata is here; `peers` may be host names.

    `v1` (20 bytes) and `v2` (32 bytes) are the info-hashes of both versions: one of them at least is there, and a link
    to a hybrid torrent should have both. `selected` are the numbers of the files that are wanted (`Metainfo.files`
    counts the same way); nothing means all.
    """

    v1: bytes | None = None
    v2: bytes | None = None
    name: str | None = None
    trackers: tuple[str, ...] = ()
    peers: tuple[Address, ...] = ()
    web_seeds: tuple[str, ...] = ()
    exact_length: int | None = None
    selected: tuple[range, ...] = ()

    def __post_init__(self) -> None:
        try:
            _ = self.torrent_id
        except ValueError as error:
            raise MagnetError(str(error)) from None

    @property
    def torrent_id(self) -> TorrentId:
        """What is known of the hashes of the torrent. A link to 20 bytes may be to a torrent of version 2, cut off."""
        return TorrentId(self.v1, self.v2, is_either=self.v2 is None)

    @property
    def info_hash(self) -> bytes:
        """The 20 bytes that it is known by everywhere; see `TorrentId.info_hash`."""
        return self.torrent_id.info_hash

    @classmethod
    def parse(cls, text: str) -> Magnet:
        """Reads `magnet:?xt=urn:btih:…` and `magnet:?xt=urn:btmh:…`. Unknown parameters and broken hints are ignored.

        Raises:
            MagnetError: not a magnet link, without a usable info-hash, or with two different ones of one version.
        """
        text = text.strip()
        if len(text) > MAX_LINK_CHARACTERS:
            raise MagnetError(f"the magnet link is longer than {MAX_LINK_CHARACTERS} characters")
        if text[:8].lower() != "magnet:?":
            raise MagnetError(f"{shorten(text)} is not a magnet link: it does not begin with magnet:?")
        topics: list[str] = []
        name, exact_length = None, None
        selected: tuple[range, ...] = ()
        # Dictionaries keep the first of equal values and their order.
        trackers: dict[str, None] = {}
        peers: dict[Address, None] = {}
        web_seeds: dict[str, None] = {}
        for parameter in text[8:].split("&"):
            key, _, raw = parameter.partition("=")
            key, value = _NUMBERED.sub("", unquote(key).lower()), unquote(raw)
            if key == "xt":
                topics.append(value.strip())
            elif key == "dn" and name is None:
                name = without_unsafe_characters(unquote_plus(raw))[:MAX_NAME_CHARACTERS].strip() or None
            elif key == "tr" and _is_url(value) and len(trackers) < MAX_TRACKERS:
                trackers[value.strip()] = None
            elif key == "ws" and _is_url(value) and len(web_seeds) < MAX_WEB_SEEDS:
                web_seeds[value.strip()] = None
            elif key == "x.pe" and (peer := _peer(value)) is not None and len(peers) < MAX_PEERS:
                peers[peer] = None
            elif key == "xl" and exact_length is None:
                exact_length = _length(value)
            elif key == "so" and not selected:
                selected = _selection(value)
        known = _torrent_id_of(topics)
        return cls(
            v1=known.v1,
            v2=known.v2,
            name=name,
            trackers=tuple(trackers),
            peers=tuple(peers),
            web_seeds=tuple(web_seeds),
            exact_length=exact_length,
            selected=selected,
        )

    def __str__(self) -> str:
        parts = [f"xt=urn:btih:{self.v1.hex()}"] if self.v1 is not None else []
        if self.v2 is not None:
            parts.append(f"xt=urn:btmh:{_SHA256_PREFIX}{self.v2.hex()}")
        if self.name is not None:
            parts.append(f"dn={quote(self.name, safe='')}")
        if self.exact_length is not None:
            parts.append(f"xl={self.exact_length}")
        parts += (f"tr={quote(url, safe='')}" for url in self.trackers)
        parts += (f"ws={quote(url, safe='')}" for url in self.web_seeds)
        parts += (f"x.pe={quote(str(peer), safe=':[]')}" for peer in self.peers)
        if self.selected:
            parts.append("so=" + ",".join(map(_selected_text, self.selected)))
        return "magnet:?" + "&".join(parts)


def parse_info_hash(text: str) -> bytes:
    """The 20 bytes of an info-hash written as 40 hexadecimal or 32 base32 characters, in any case.

    Raises:
        MagnetError: anything else.
    """
    try:
        if len(text) == 40 and text.isascii():
            digits = bytes.fromhex(text)
            if len(digits) == 20:  # fromhex skips spaces
                return digits
        elif len(text) == 32 and text.isascii():
            return base64.b32decode(text.upper())
    except ValueError:
        pass
    raise MagnetError(f"{shorten(text)} is not an info-hash: it needs 40 hexadecimal or 32 base32 characters")


def parse_torrent_id(text: str) -> TorrentId:
    """What a bare info-hash says: as `parse_info_hash`, or one of version 2 of 64 hexadecimal digits.

    The latter may have the prefix 1220 of a multihash, as in a magnet link.

    Raises:
        MagnetError: anything else.
    """
    if found := _V2_HASH.fullmatch(text):
        return TorrentId(v2=bytes.fromhex(found[1]))
    return TorrentId(parse_info_hash(text))


def _torrent_id_of(topics: list[str]) -> TorrentId:
    v1 = {parse_info_hash(topic[9:]) for topic in topics if topic[:9].lower() == "urn:btih:"}
    tagged = [topic[9:] for topic in topics if topic[:9].lower() == "urn:btmh:"]
    # A multihash says itself of what kind it is: others than SHA-256 are not for us.
    v2 = {_parse_multihash(text) for text in tagged if text[:4] == _SHA256_PREFIX}
    if len(v1) > 1 or len(v2) > 1:
        raise MagnetError("the magnet link names two different torrents; use one link for each")
    if v1 or v2:
        return TorrentId(next(iter(v1), None), next(iter(v2), None))
    if tagged:
        raise MagnetError(f"{shorten(tagged[0])} is not an info-hash: version 2 has 1220 and 64 hexadecimal digits")
    raise MagnetError("the magnet link has no info-hash (xt=urn:btih:… or xt=urn:btmh:…)")


def _parse_multihash(text: str) -> bytes:
    found = _V2_HASH.fullmatch(text)
    if found is None:
        raise MagnetError(f"{shorten(text)} is not an info-hash: version 2 has 1220 and 64 hexadecimal digits")
    return bytes.fromhex(found[1])


def _is_url(value: str) -> bool:
    return "://" in value and not has_unsafe_characters(value)


def _peer(value: str) -> Address | None:
    try:
        peer = Address.parse(value)
    except AddressError:
        return None
    return peer if peer.port and not has_unsafe_characters(peer.host) else None


def _length(value: str) -> int | None:
    if not _DECIMAL.fullmatch(value):
        return None
    return length if (length := int(value)) <= MAX_EXACT_LENGTH else None


def _selection(value: str) -> tuple[range, ...]:
    """`0,2,4-6`; what is none of both is left out."""
    found: dict[range, None] = {}
    for item in value.split(",")[:MAX_SELECTIONS]:
        match = _NUMBERS.fullmatch(item.strip())
        if match is not None:
            first, last = int(match[1]), int(match[2] or match[1])
            if first <= last:
                found[range(first, last + 1)] = None
    return tuple(found)


def _selected_text(numbers: range) -> str:
    return f"{numbers[0]}" if len(numbers) == 1 else f"{numbers[0]}-{numbers[-1]}"


_SHA256_PREFIX = "1220"  # of a multihash: SHA-256, 32 bytes
_V2_HASH = re.compile(r"(?:1220)?([0-9A-Fa-f]{64})")
_NUMBERS = re.compile(r"([0-9]{1,9})(?:-([0-9]{1,9}))?")
_NUMBERED = re.compile(r"\.[0-9]+\Z")  # tr.1, tr.2: the numbering of some clients
_DECIMAL = re.compile(r"[0-9]{1,19}")

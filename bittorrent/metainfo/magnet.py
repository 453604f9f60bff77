"""Magnet links: an info-hash and hints where to find peers (BEP 9), and which files are wanted (BEP 53)."""

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

    `selected` are the numbers of the files that are wanted (`Metainfo.files` counts the same way); nothing means all.
    """

    info_hash: bytes
    name: str | None = None
    trackers: tuple[str, ...] = ()
    peers: tuple[Address, ...] = ()
    web_seeds: tuple[str, ...] = ()
    exact_length: int | None = None
    selected: tuple[range, ...] = ()

    def __post_init__(self) -> None:
        if len(self.info_hash) != 20:
            raise MagnetError(f"an info-hash has 20 bytes, not {len(self.info_hash)}")

    @property
    def torrent_id(self) -> TorrentId:
        """What is known of the hashes of the torrent."""
        return TorrentId(self.info_hash)

    @classmethod
    def parse(cls, text: str) -> Magnet:
        """Reads `magnet:?xt=urn:btih:…`. Unknown parameters and broken hints are ignored.

        Raises:
            MagnetError: not a magnet link, without a usable info-hash, or with two different ones.
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
        return cls(
            info_hash=_info_hash_of(topics),
            name=name,
            trackers=tuple(trackers),
            peers=tuple(peers),
            web_seeds=tuple(web_seeds),
            exact_length=exact_length,
            selected=selected,
        )

    def __str__(self) -> str:
        parts = [f"xt=urn:btih:{self.info_hash.hex()}"]
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


def _info_hash_of(topics: list[str]) -> bytes:
    found = {parse_info_hash(topic[9:]) for topic in topics if topic[:9].lower() == "urn:btih:"}
    if len(found) == 1:
        return found.pop()
    if found:
        raise MagnetError("the magnet link names two different torrents; use one link for each")
    if any(topic[:9].lower() == "urn:btmh:" for topic in topics):
        raise MagnetError("not supported yet: BitTorrent v2 (this magnet link has no version 1 info-hash)")
    raise MagnetError("the magnet link has no info-hash (xt=urn:btih:…)")


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


_NUMBERS = re.compile(r"([0-9]{1,9})(?:-([0-9]{1,9}))?")
_NUMBERED = re.compile(r"\.[0-9]+\Z")  # tr.1, tr.2: the numbering of some clients
_DECIMAL = re.compile(r"[0-9]{1,19}")

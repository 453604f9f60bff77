"""What SOURCE may be: a .torrent file, its http(s) URL, a magnet link, or a bare info-hash."""

from __future__ import annotations

import os
import re
from pathlib import Path

from bittorrent import Magnet, Metainfo, ResumeStore, parse_torrent_id
from fileshare.service.errors import NotKeptError, ServiceError
from fileshare.text import one_line
from kademlia_core import PointerLink


def read_source(text: str) -> Metainfo | Magnet | PointerLink:
    """What a .torrent path, a magnet link or an info-hash stands for; URLs are for `fetch_torrent`.

    Raises:
        MetainfoError, MagnetError, PointerError: it is malformed.
        StorageError: the file cannot be read.
        ServiceError: it is none of them.
    """
    link = parse_link(text)
    if link is not None:
        return link
    scheme = _SCHEME.match(text)
    if scheme is not None and not os.path.lexists(text):
        raise ServiceError(f"{scheme[0]} is not supported: name a .torrent file, its http(s) URL or a magnet link")
    return Metainfo.from_file(Path(text))


def parse_link(text: str) -> Magnet | PointerLink | None:
    """The magnet link that `text` is, or for a bare info-hash could be; None when it is neither.

    A file that has an info-hash for a name is meant as a file. A link that names a torrent is to that torrent, even
    if it also names the owner of one that changes (BEP 46).

    Raises:
        MagnetError, PointerError: it is meant as a link or an info-hash, and is not usable.
    """
    if is_magnet(text):
        return PointerLink.parse(text) if _CHANGES.search(text) and not _NAMES.search(text) else Magnet.parse(text)
    word = text.strip()
    if os.path.lexists(text):
        return None
    if not _INFO_HASH.fullmatch(word):
        return None
    known = parse_torrent_id(word)
    return Magnet(v1=known.v1, v2=known.v2)


def kept_torrent(magnet: Magnet, directory: Path, *, state_dir: Path | None = None) -> Metainfo:
    """The torrent that was kept when a magnet link was downloaded: in `state_dir`, or beside the content.

    In the second case it is in both afterwards.

    Raises:
        NotKeptError: there is none.
        StorageError: it cannot be read, or not be written.
    """
    beside = ResumeStore(directory)
    state = ResumeStore(directory, state_dir=state_dir)
    metainfo = state.load(magnet.torrent_id, Metainfo.from_file)
    if metainfo is not None:
        return metainfo
    metainfo = beside.load(magnet.torrent_id, Metainfo.from_file)
    if metainfo is not None:
        state.save(metainfo)
        return metainfo
    name = one_line(magnet.name or magnet.info_hash.hex())
    raise NotKeptError(name, directory.absolute())


def is_magnet(text: str) -> bool:
    return text.lstrip()[:7].lower() == "magnet:"


def is_url(text: str) -> bool:
    """Whether it has to be fetched with `fetch_torrent`."""
    return _URL.match(text) is not None


_URL = re.compile(r"\s*https?://", re.IGNORECASE)
_CHANGES = re.compile(r"[?&]xs(?:\.[0-9]+)?=urn(?::|%3a)btpk(?::|%3a)", re.IGNORECASE)
_NAMES = re.compile(r"[?&]xt(?:\.[0-9]+)?=urn(?::|%3a)bt(?:ih|mh)(?::|%3a)", re.IGNORECASE)
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_INFO_HASH = re.compile(r"[0-9A-Fa-f]{40}|[A-Za-z2-7]{32}|(?:1220)?[0-9A-Fa-f]{64}")  # version 2 as in urn:btmh

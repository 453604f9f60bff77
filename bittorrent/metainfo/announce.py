"""Where a torrent says peers can be found: trackers (BEP 3, 12), DHT nodes (BEP 5) and web seeds (BEP 19).

None of it is needed to use the torrent, so a broken entry is left out and never an error.
"""

from __future__ import annotations

import re
from itertools import islice
from typing import TYPE_CHECKING

from bittorrent.files.paths import has_unsafe_characters
from transfer.address import Address, is_host

if TYPE_CHECKING:
    from collections.abc import Iterator

    from transfer.wire.bencode import Value

MAX_URL_BYTES = 4096


def parse_trackers(top: dict[bytes, Value], *, limit: int) -> tuple[tuple[str, ...], ...]:
    """Tiers of announce URLs in order, none twice. `announce` counts only without `announce-list` (BEP 12)."""
    seen: set[str] = set()
    tiers: list[tuple[str, ...]] = []
    listed = top.get(b"announce-list")
    for raw_tier in listed if isinstance(listed, list) else []:
        urls = raw_tier if isinstance(raw_tier, list) else [raw_tier]
        tier: list[str] = []
        for url in map(parse_url, urls):
            if url is not None and url not in seen and len(seen) < limit:
                seen.add(url)
                tier.append(url)
        if tier:
            tiers.append(tuple(tier))
    if not tiers and limit:
        announce = parse_url(top.get(b"announce"))
        tiers = [(announce,)] if announce is not None else []
    return tuple(tiers)


def parse_nodes(top: dict[bytes, Value], *, limit: int) -> tuple[Address, ...]:
    """The `nodes` of a trackerless torrent: pairs of host (an address or a name) and port, none twice."""
    listed = top.get(b"nodes")
    return tuple(islice(dict.fromkeys(_valid_nodes(listed)), limit)) if isinstance(listed, list) else ()


def parse_web_seeds(top: dict[bytes, Value], *, limit: int) -> tuple[str, ...]:
    """`url-list`, which is one string or a list of strings."""
    listed = top.get(b"url-list")
    urls = map(parse_url, listed if isinstance(listed, list) else [listed])
    return tuple(islice(dict.fromkeys(url for url in urls if url is not None), limit))


def parse_url(raw: Value | None) -> str | None:
    """The text of a URL, or None for what cannot be one; the scheme is for its user to judge."""
    if not isinstance(raw, bytes) or len(raw) > MAX_URL_BYTES:
        return None
    try:
        url = raw.decode().strip()
    except UnicodeDecodeError:
        return None
    return url if "://" in url and not has_unsafe_characters(url) else None


def _valid_nodes(listed: list[Value]) -> Iterator[Address]:
    for item in listed:
        if not isinstance(item, list) or len(item) != 2:
            continue
        host, port = item
        if not isinstance(host, bytes) or not isinstance(port, int) or not 0 < port <= 65535:
            continue
        if host[:1] == b"[" and host[-1:] == b"]":  # as in a URL, which some programs write for IPv6
            host = host[1:-1]
        if _HOST.fullmatch(host) and is_host(host.decode()):
            yield Address(host.decode(), port)


_HOST = re.compile(rb"[A-Za-z0-9.:_-]{1,253}")

"""Asking a tracker how many peers a torrent has, without joining (BEP 48); the HTTP form.

The UDP form is in `bittorrent.tracker.udp`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import quote, urlsplit, urlunsplit

from bittorrent.errors import TrackerError
from bittorrent.tracker.messages import decode_answer
from bittorrent.urls import escaped_url

MAX_HASHES = 74  # what one UDP packet holds (BEP 15)


@dataclass(frozen=True, slots=True, kw_only=True)
class ScrapeStats:
    """What a tracker knows about one torrent. `downloads` are those that were ever completed."""

    seeders: int
    leechers: int
    downloads: int


def scrape_url(url: str, info_hashes: Iterable[bytes]) -> str:
    """The URL to fetch, made from that of the announcements.

    Raises:
        TrackerError: the last part of its path does not begin with `announce`, so there is no such URL (BEP 48).
    """
    parts = urlsplit(url)
    folder, slash, last = parts.path.rpartition("/")
    if not slash or not last.startswith("announce"):
        raise TrackerError("it cannot be asked for numbers alone: its URL does not end in /announce")
    path = f"{folder}/scrape{last.removeprefix('announce')}"
    base = escaped_url(urlunsplit((parts.scheme, parts.netloc, path, parts.query, "")))
    query = "&".join(f"info_hash={quote(info_hash, safe='')}" for info_hash in info_hashes)
    return f"{base}{'&' if parts.query else '?'}{query}"


def parse_scrape(body: bytes, info_hashes: Iterable[bytes]) -> dict[bytes, ScrapeStats]:
    """What an HTTP tracker's answer says about those of the torrents that it knows.

    Raises:
        TrackerError: it refuses, or this is no answer to a scrape.
    """
    files = decode_answer(body).get(b"files")
    if not isinstance(files, dict):
        raise TrackerError("the answer is not one to a scrape: it lists no files")
    found: dict[bytes, ScrapeStats] = {}
    for info_hash in info_hashes:
        entry = files.get(info_hash)
        if isinstance(entry, dict):
            numbers = [_count(entry.get(key)) for key in (b"complete", b"incomplete", b"downloaded")]
            found[info_hash] = ScrapeStats(seeders=numbers[0], leechers=numbers[1], downloads=numbers[2])
    return found


def _count(value: object) -> int:
    return value if isinstance(value, int) and 0 <= value < 1 << 32 else 0

"""Web seeds without a network: where the bytes of a torrent are on an HTTP server, and when to ask it (BEP 19)."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple
from urllib.parse import quote

from bittorrent.errors import WebSeedError
from bittorrent.files.entry import FileEntry
from bittorrent.files.spans import FileSpans
from bittorrent.metainfo.torrent import Metainfo
from bittorrent.pieces.block import Block
from bittorrent.pieces.geometry import Geometry
from bittorrent.urls import escaped_url
from transfer.limits.backoff import Backoff


@dataclass(frozen=True, slots=True, kw_only=True)
class WebSeedConfig:
    """How web seeds are used.

    Attributes:
        max_seeds: URLs used of one torrent; further ones wait until one of these was given up for good.
        requests: HTTP requests to one of them at a time.
        max_request_bytes: of one HTTP request, at least a block.
        max_skipped_bytes: in front of what was asked for, which a server that knows no ranges sends, too.
        backoff_s: the wait after a failure; it doubles with each in a row.
        max_backoff_s: see `backoff_s`.
        file_backoff_s: the same for a file that the server does not have as the torrent has it.
        spoilt_backoff_s: the first wait when its content was another one, which costs a piece to find out.
        max_file_backoff_s: see `file_backoff_s`.
        max_probes: files that are looked for in vain before a server is left alone.
    """

    max_seeds: int = 8
    requests: int = 2
    max_request_bytes: int = 16 << 20
    max_skipped_bytes: int = 16 << 20
    backoff_s: float = 5.0
    max_backoff_s: float = 600.0
    file_backoff_s: float = 60.0
    spoilt_backoff_s: float = 1800.0
    max_file_backoff_s: float = 6 * 3600.0
    max_probes: int = 20

    def __post_init__(self) -> None:
        if min(self.max_seeds, self.requests, self.max_request_bytes, self.max_probes) < 1:
            raise ValueError("max_seeds, requests, max_request_bytes and max_probes must be positive")
        if self.max_skipped_bytes < 0:
            raise ValueError("max_skipped_bytes must be at least 0")
        if not 0 < self.backoff_s <= self.max_backoff_s:
            raise ValueError("backoff_s must be positive, and at most max_backoff_s")
        patience_s = (self.file_backoff_s, self.spoilt_backoff_s)
        if not 0 < min(patience_s) <= max(patience_s) <= self.max_file_backoff_s:
            raise ValueError("file_backoff_s and spoilt_backoff_s must be positive, and at most max_file_backoff_s")


class WebRange(NamedTuple):
    """A part of one file: `length` bytes from `start` on of the `file_length` at `url`; padding has no URL.

    `file` is its number in `metainfo.files`.
    """

    url: str | None
    start: int
    length: int
    file_length: int
    file: int = 0


class WebFiles:
    """Where each byte of a torrent is on one server.

    The URL of a torrent with one file is that of the file, or of the folder it is in when it ends with a slash. For
    several files it is the folder that the torrent's own folder is in (BEP 19), and the slash is added when it is
    missing, as other clients do.
    """

    __slots__ = ("_base", "_files", "_single", "_spans", "url")

    def __init__(self, url: str, metainfo: Metainfo) -> None:
        self.url = url
        base = escaped_url(url)
        is_single = len(metainfo.files) == 1 and len(metainfo.files[0].path) == 1
        self._single = base if is_single and not base.endswith("/") else None
        self._base = base if base.endswith("/") else base + "/"
        self._spans = FileSpans.of(metainfo.files)
        self._files = metainfo.files

    def ranges(self, offset: int, length: int) -> Iterator[WebRange]:
        """The parts of files that a range of the torrent consists of, in order."""
        for number, start, size in self._spans.cut(offset, length):
            entry = self._files[number]
            yield WebRange(None if entry.is_padding else self._url(entry), start, size, entry.length, number)

    def probe(self, number: int) -> WebRange:
        """One byte of a file, to see whether the server has it, in the right size."""
        entry = self._files[number]
        return WebRange(self._url(entry), 0, 1, entry.length, number)

    def _url(self, entry: FileEntry) -> str:
        """With the names that the torrent has, whatever the file is called here."""
        if self._single is not None:
            return self._single
        return self._base + "/".join(quote(element, safe="") for element in entry.original or entry.path)


def take_run(queue: deque[Block], geometry: Geometry, *, max_bytes: int) -> list[Block]:
    """Takes the first block off a queue, and all around it that are next to each other in the torrent.

    They may be anywhere in the queue, and come in the order of the torrent. Cost: O(queue).
    """
    starts = {geometry.offset_of(block.piece, block.begin): block for block in queue}
    ends = {start + block.length: start for start, block in starts.items()}
    first = start = geometry.offset_of(queue[0].piece, queue[0].begin)
    end = first + queue[0].length
    while start in ends and end - ends[start] <= max_bytes:
        start = ends[start]
    run: list[Block] = []
    begin = start
    while (block := starts.get(start)) is not None and (start <= first or start + block.length - begin <= max_bytes):
        run.append(block)
        start += block.length
    taken = set(run)
    left = [block for block in queue if block not in taken]
    queue.clear()
    queue.extend(left)
    return run


def check_answer(
    wanted: WebRange,
    status: int,
    *,
    content_range: str | None = None,
    content_length: int | None = None,
    content_encoding: str | None = None,
    max_skipped_bytes: int = 0,
) -> int:
    """Checks by its head that an HTTP answer is what was asked for.

    That is the wanted range, or the beginning of it (RFC 9110, section 15.3.7), or the whole file.

    Returns:
        How many bytes come before the range.

    Raises:
        WebSeedError: it is something else. `is_final` says whether asking again is of no use.
    """
    if (content_encoding or "").strip().lower() not in ("", "identity"):
        raise WebSeedError(f"it compresses what it sends ({content_encoding:.20})", is_final=True)
    if status == 200 and content_length not in (None, wanted.file_length):
        raise _another_file(str(content_length), wanted)
    if status == 200 and wanted.start <= max_skipped_bytes:
        return wanted.start  # the whole file
    if status == 200:
        raise WebSeedError("it does not know ranges", is_final=True)
    if status != 206:
        is_final = 400 <= status < 500 and status not in (408, 425, 429)
        raise WebSeedError(f"it answered HTTP {status}", is_final=is_final)
    match = _CONTENT_RANGE.fullmatch(content_range or "")
    if match is None or int(match[1]) != wanted.start or not wanted.start <= int(match[2]) < wanted.file_length:
        raise WebSeedError("it sends another range than was asked for", is_final=True)
    if match[3] != "*" and int(match[3]) != wanted.file_length:
        raise _another_file(match[3], wanted)
    return 0


def _another_file(size: str, wanted: WebRange) -> WebSeedError:
    text = f"its file has {size} bytes but the torrent says {wanted.file_length}, so it is another file"
    return WebSeedError(text, is_final=True)


class WebSeedSchedule:
    """When a web seed may be asked again.

    Invariants:
        is_dropped never becomes False again
    """

    __slots__ = ("_config", "_failures", "dropped_because", "last_error", "retry_at")

    def __init__(self, config: WebSeedConfig) -> None:
        self.retry_at = 0.0
        self.dropped_because: str | None = None
        self.last_error: str | None = None
        self._config = config
        self._failures = 0

    @property
    def is_dropped(self) -> bool:
        return self.dropped_because is not None

    def succeeded(self) -> None:
        """A request was answered as it should be."""
        self._failures = 0
        self.last_error = None

    def failed(self, error: WebSeedError, *, now: float, retry_after_s: float | None = None) -> None:
        """A request was not; the server may have said when to come again, which is heeded within bounds."""
        self.last_error = str(error)
        if error.is_final:
            self.dropped_because = str(error)
            return
        self._failures += 1
        backoff = Backoff(first_s=self._config.backoff_s, max_s=self._config.max_backoff_s)
        wait_s = max(backoff.delay_s(self._failures), min(retry_after_s or 0.0, backoff.max_s))
        self.retry_at = max(self.retry_at, now + wait_s)

    def drop(self, reason: str) -> None:
        """It is never asked again."""
        self.dropped_because = self.dropped_because or reason


_CONTENT_RANGE = re.compile(r"bytes +([0-9]{1,19})-([0-9]{1,19})/([0-9]{1,19}|\*)", re.IGNORECASE)

"""A torrent's pieces from the files of others in the session that have the same content: read, verified and written."""

from __future__ import annotations

import asyncio
from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from bittorrent.aio.storage.content import Content
from bittorrent.errors import StorageError
from bittorrent.files.entry import FileEntry
from bittorrent.files.same_files import Held, PieceCopy, SameFiles, copies
from bittorrent.metainfo.similar import relations_of
from bittorrent.metainfo.torrent import Metainfo
from bittorrent.pieces.bitfield import Bitfield
from transfer.aio.tasks import TaskSet

if TYPE_CHECKING:
    from bittorrent.aio.torrent_life import TorrentLife


class _News(NamedTuple):
    """A part of a file that another file with the same content may have now."""

    wanted: FileEntry
    source: TorrentLife
    twin: FileEntry
    offset: int
    length: int


class Twins:
    """What one torrent takes from others that have the same files, and lets them know.

    Files of the torrent itself that are the same are others, too. Nothing is taken from a torrent before its files were
    checked, and all of it is verified once more.

    Args:
        life: the torrent.
        known: the files of all torrents of the session.
        tasks: where it is done.
    """

    def __init__(self, life: TorrentLife, known: SameFiles[TorrentLife], tasks: TaskSet) -> None:
        self._life = life
        self._known = known
        self._tasks = tasks
        self._files: list[FileEntry] = []  # that have a root, in order
        self._first_pieces: list[int] = []  # of those
        self._news: deque[_News] = deque()
        self._has_news = asyncio.Event()
        self._content: Content | None = None  # where to write to

    async def begin(self, metainfo: Metainfo, content: Content, have: Bitfield, priorities: bytes) -> None:
        """Takes what others have already; `have` gains those pieces."""
        self._known.relate(self._life, relations_of(metainfo.torrent_id, metainfo.similar, metainfo.collections))
        self._files = [entry for entry in metainfo.files if entry.pieces_root is not None]
        self._first_pieces = [metainfo.geometry.piece_at(entry.offset) for entry in self._files]
        self._known.add(self._life, self._files)
        if self._life.options.seed_only:
            return
        self._content = content
        for entry in self._files:
            for source, twin in self._known.twins(self._life, entry):
                self._news.append(_News(entry, source, twin, 0, entry.length))
        self._news.extend(self._alike(metainfo))
        while self._news:
            await self._take(self._news.popleft(), Held(metainfo.geometry, have), priorities, have.set)

    def follow(self) -> None:
        """The exchange has begun: from now on takes what others get, and tells them what there is."""
        if not self._files:
            return
        for entry in self._files:
            self._tell(entry, 0, entry.length)
        if self._content is not None:
            self._tasks.start(self._follow(), name=f"same files as in {self._life.info_hash.hex()}")

    def verified(self, index: int) -> None:
        """A piece is right and on disk."""
        place = bisect_right(self._first_pieces, index) - 1
        if place >= 0:
            picker = self._life.core.picker
            assert picker is not None
            entry, geometry = self._files[place], picker.geometry
            begin = geometry.offset_of(index) - entry.offset
            self._tell(entry, begin, min(geometry.piece_length, entry.length - begin))

    def hear(self, news: _News) -> None:
        """Another file has something that one of this torrent may lack."""
        if self._content is not None:
            self._news.append(news)
            self._has_news.set()

    def end(self) -> None:
        """The torrent is over: its files may be closed."""
        self._known.discard(self._life)
        self._content = None
        self._news.clear()

    def _alike(self, metainfo: Metainfo) -> Iterator[_News]:
        """Files of related torrents that have the length of one of ours."""
        related = [(other, other.metainfo) for other in self._known.related(self._life) if other.metainfo is not None]
        if not related:
            return
        lengths: dict[int, list[FileEntry]] = {}
        for entry in metainfo.visible_files:
            if entry.length and len(lengths.setdefault(entry.length, [])) < _MAX_ALIKE:
                lengths[entry.length].append(entry)
        for source, other in related:
            for twin in other.visible_files:
                for entry in lengths.get(twin.length, ()):
                    if entry.pieces_root is None or twin.pieces_root is None:  # otherwise their roots would tell
                        yield _News(entry, source, twin, 0, entry.length)

    def _tell(self, entry: FileEntry, offset: int, length: int) -> None:
        for other, twin in self._known.twins(self._life, entry):
            other.twins.hear(_News(twin, self._life, entry, offset, length))

    async def _follow(self) -> None:
        while True:
            await self._has_news.wait()
            self._has_news.clear()
            while self._news:
                picker = self._life.core.picker
                assert picker is not None
                held = Held(picker.geometry, picker.have)
                await self._take(self._news.popleft(), held, picker.priorities, self._found)

    def _found(self, index: int) -> None:
        """A piece that was copied. Nothing if peers are sending it all the same."""
        life = self._life
        assert life.core.picker is not None
        life.guard.note_stored(index)
        life.core.piece_found(index, now=asyncio.get_running_loop().time())
        if index in life.core.picker.have:
            life.note_verified(index)
            life.note_pieces()
            life.swarm.pump()

    async def _take(self, news: _News, held: Held, priorities: bytes, on_stored: Callable[[int], object]) -> None:
        """Copies what is missing and wanted; what cannot be read or written is left to be fetched."""
        source, picker = news.source, news.source.core.picker
        if source is self._life:
            there = held
        elif picker is not None and source.content is not None:
            there = Held(picker.geometry, picker.have)
        else:
            return
        found = copies(held, news.wanted, there, news.twin, offset=news.offset, length=news.length)
        chosen = [copy for copy in found if priorities[copy.index]]
        size = max(1, _BATCH_BYTES // held.geometry.piece_length)
        with suppress(StorageError):
            for start in range(0, len(chosen), size):
                batch = chosen[start : start + size]
                pieces = [(copy.index, await self._read(source, copy, held)) for copy in batch]
                if self._content is None:
                    return
                stored = await self._content.disk.store(pieces)
                for copy, is_right in zip(batch, stored, strict=True):
                    if is_right:
                        on_stored(copy.index)

    async def _read(self, source: TorrentLife, copy: PieceCopy, held: Held) -> bytearray:
        parts = await source.need_content("read").disk.read(copy.blocks)
        return bytearray(b"".join(parts)).ljust(held.geometry.piece_size(copy.index), b"\0")


_BATCH_BYTES = 8 << 20
_MAX_ALIKE = 4  # files of one length in a torrent that are compared with those of related ones

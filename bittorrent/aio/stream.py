"""Reading a file of a torrent while it is being downloaded."""

from __future__ import annotations

import asyncio
import os
from itertools import takewhile
from types import TracebackType
from typing import TYPE_CHECKING, Self

from bittorrent.errors import SelectionError
from bittorrent.files.entry import FileEntry
from bittorrent.metainfo.selection import FileName
from bittorrent.picker.read_ahead import ReadAhead, ReadAheadConfig
from transfer.errors import LocalProtocolError

if TYPE_CHECKING:
    from bittorrent.aio.torrent_life import TorrentLife


class FileStream:
    """A file of a torrent, open for reading: see `Torrent.open`.

    Only verified data is returned; a read waits for it. While the stream is open, what lies ahead of it is fetched
    before anything else, from several peers where one is late; closing takes that back. Several streams of one torrent
    do not know of each other, and the earliest deadline of each piece counts. One stream is for one task at a time.
    """

    def __init__(self, life: TorrentLife, name: FileName, *, number: int, config: ReadAheadConfig) -> None:
        self._life = life
        self._name = name
        self._reader = number
        self._config = config
        self._loop = asyncio.get_running_loop()
        self._entry: FileEntry | None = None
        self._ahead: ReadAhead | None = None
        self._told: tuple[int, float] | None = None  # the first piece and the time of the deadlines that stand
        self._closed = False

    async def __aenter__(self) -> Self:
        """Waits for the metadata and until it is known what is on disk.

        Raises:
            SelectionError: there is no such file, or several, or it is not wanted.
            TransferError: what stopped the torrent before.
        """
        if self._ahead is not None or self._closed:
            raise LocalProtocolError("a stream can be entered only once; open another one")
        await self._life.begun.wait()
        metainfo = self._life.metainfo
        assert metainfo is not None
        selection = self._life.wanted.selection(metainfo)
        numbers = selection.numbers_of([self._name])
        if len(numbers) > 1:
            raise SelectionError(f"{self._name} means {len(numbers)} files; name one of them")
        self._entry = metainfo.files[numbers.pop()]
        entry, self._geometry = self._entry, metainfo.geometry
        self._ahead = ReadAhead(self._geometry, offset=entry.offset, size=entry.length, config=self._config)
        if entry.length:
            for index in self._geometry.pieces_of(entry.offset, entry.length):
                self._check_wanted(index)
            self._set_deadlines(is_urgent=True)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Takes the deadlines back. May be called twice."""
        if not self._closed:
            self._closed = True
            if self._told is not None:
                self._life.set_deadlines(self._reader, {}, is_urgent=False)
            self._life.arrivals.reconsider()  # a read that waits in another task

    @property
    def path(self) -> str:
        """Of the file in the torrent."""
        return str(self._need_open()[0])

    @property
    def size(self) -> int:
        """Bytes of the file."""
        return self._need_open()[1].size

    def tell(self) -> int:
        """Where the next read begins."""
        return self._need_open()[1].position

    async def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Moves to another place, which is fetched at once; returns where that is. Never waits for data.

        Raises:
            ValueError: that is before the beginning or behind the end.
        """
        _, ahead = self._need_open()
        base = {os.SEEK_SET: 0, os.SEEK_CUR: ahead.position, os.SEEK_END: ahead.size}[whence]
        before = ahead.piece
        ahead.seek(base + offset)
        if ahead.piece != before:
            self._set_deadlines(is_urgent=True)
        return ahead.position

    async def read(self, size: int = -1) -> bytes:
        """Up to `size` bytes (-1: as many as one read gives), at least one unless the end is reached.

        Raises:
            SelectionError: the file is not wanted any more.
            StorageError: what is on disk cannot be read.
            TransferError: what stopped the torrent.

        Cancellation: the position stays where it was.
        """
        _, ahead = self._need_open()
        index = ahead.piece
        if not size or index is None:
            return b""
        self._set_deadlines()
        while not self._has(index):
            self._check_wanted(index)
            await self._life.arrivals.wait(index)
            self._need_open()
        data = await self._read_disk(min(size if size > 0 else self._config.read_bytes, self._config.read_bytes))
        ahead.read(len(data), now=self._loop.time())
        self._set_deadlines()
        return data

    async def _read_disk(self, size: int) -> bytes:
        """What is here from the position on, as far as there is no gap."""
        entry, ahead = self._need_open()
        content = self._life.content
        assert content is not None
        start, length = entry.offset + ahead.position, min(size, entry.length - ahead.position)
        blocks = list(takewhile(lambda part: self._has(part.piece), self._geometry.parts_of(start, length)))
        return b"".join(await content.disk.read(blocks))

    def _set_deadlines(self, *, is_urgent: bool = False) -> None:
        """Says what is needed next: not at each small read, but when a piece was read or time has passed."""
        _, ahead = self._need_open()
        now = self._loop.time()
        first = ahead.piece
        if first is None:
            deadlines = {}
        elif not is_urgent and self._told is not None and self._told[0] == first and now - self._told[1] < REFRESH_S:
            return
        else:
            deadlines = ahead.deadlines(now=now)
        self._told = (first if first is not None else -1, now)
        self._life.set_deadlines(self._reader, deadlines, is_urgent=is_urgent)

    def _has(self, index: int) -> bool:
        picker = self._life.core.picker
        return picker is not None and index in picker.have

    def _check_wanted(self, index: int) -> None:
        """A reader must not wait for what will never come."""
        picker = self._life.core.picker
        assert picker is not None
        if self._life.lifecycle.error is not None:
            raise self._life.lifecycle.error
        if not self._has(index) and not picker.priorities[index]:
            raise SelectionError(f"{self._entry} is not selected: select it before it is read")

    def _need_open(self) -> tuple[FileEntry, ReadAhead]:
        if self._entry is None or self._ahead is None:
            raise LocalProtocolError("the stream is not open: use `async with torrent.open(…)`")
        if self._closed:
            raise LocalProtocolError("the stream is closed")
        return self._entry, self._ahead


REFRESH_S = 1.0

"""Whether the files of a torrent are still those that were checked and written."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from bittorrent.errors import FilesChangedError, StorageError
from bittorrent.metainfo.file_progress import FileProgress
from bittorrent.pieces.bitfield import Bitfield
from bittorrent.storage.ports import FileChange
from bittorrent.storage.whereabouts import explain_absence

if TYPE_CHECKING:
    from bittorrent.aio.torrent_life import TorrentLife


class FileGuard:
    """Notices what others do to the files of a torrent, and checks again what is concerned.

    A file that is gone ends the torrent: it may lie elsewhere now, or its disk is missing, and the user asked for no
    second copy. One that became shorter, is another one or was changed is hashed again, and what is wrong in it is
    fetched again; a torrent that is only seeded ends.
    """

    def __init__(self, life: TorrentLife) -> None:
        self._life = life
        self._stored: set[int] = set()  # since the last check began, which may have missed them
        self._has_lost = False

    async def watch(self) -> None:
        """Looks now and then, more often while bytes are moved; never for more than a hundredth of the time.

        Raises:
            StorageError: a file is gone or cannot be used, or what is seeded is not complete any more.
        """
        loop, config = asyncio.get_running_loop(), self._life.config
        moved_bytes, took_s = 0, 0.0
        while True:
            before, moved_bytes = moved_bytes, self._life.core.downloaded_bytes + self._life.core.uploaded_bytes
            is_idle = moved_bytes == before
            interval_s = config.idle_file_look_interval_s if is_idle else config.file_look_interval_s
            await asyncio.sleep(max(interval_s, 100 * took_s))
            started_at = loop.time()
            await self.look()
            took_s = loop.time() - started_at

    async def look(self, *, doubtful: Collection[int] = (), is_last: bool = False) -> bool:
        """Whether every file is as it was. If not, what is there has been checked when this returns.

        Args:
            doubtful: numbers of files to be checked in any case.
            is_last: before success is told: nothing that was written may be missing, either.

        Raises:
            StorageError: as `watch`.
        """
        life = self._life
        async with life.wanted.changing:
            content, picker = life.need_content("look at"), life.core.picker
            assert picker is not None
            changes = await content.changes()
            for change in changes:
                if change.is_gone and self._is_wanted(change):
                    raise StorageError(
                        f"{change.path} was removed or renamed while {life.name} was using it; put it back, or start"
                        " again to fetch what is missing",
                        path=change.path,
                    )
            numbers = sorted({*doubtful, *(change.number for change in changes)})
            if numbers:
                await content.look_again(numbers)
                replaced = {*doubtful, *(change.number for change in changes if change.is_another)}
                with self._checking():
                    right, _ = await self._check(content.pieces_of(numbers))
                    await content.judge(right, replaced)
            else:
                lost = await content.lost_in_holes(picker.have) if is_last else []
                if not lost:
                    return True
                with self._checking():
                    await self._check(lost)
        self._life.go_on()
        return False

    async def flush(self) -> bool:
        """Brings everything to the disk; whether it is where it was written to.

        Raises:
            StorageError: as `watch`, or the disk refused.
        """
        doubtful = []
        try:
            await self._life.need_content("finish").disk.flush()  # a disk that is full may say so only now
        except FilesChangedError as error:
            doubtful.append(error.number)
        return await self.look(doubtful=doubtful, is_last=True)

    async def incomplete_error(self, have: Bitfield) -> StorageError:
        """Why a torrent that shall only be seeded is not."""
        metainfo, directory = self._life.metainfo, self._life.options.download_dir
        assert metainfo is not None
        reason = await self._life.jobs.run(lambda: explain_absence(metainfo, directory))
        missing = have.size - have.count
        return StorageError(
            reason
            or f"{missing} of {have.size} pieces of {metainfo.name} are missing or damaged in {directory};"
            " fetch them with `kad get`, or name the directory that holds the files"
        )

    async def recheck(self) -> int:
        """Hashes everything again, beside the exchange; returns how many pieces turned out to be lost.

        Raises:
            StorageError: the files are not open, or cannot be read.
        """
        async with self._life.wanted.changing:
            content = self._life.need_content("check")
            new = await content.look_again(None)
            with self._checking():
                right, lost = await self._check(content.pieces_of(None))
                await content.judge(right, new)
        self._life.go_on()
        return lost

    def note_stored(self, index: int) -> None:
        """A piece was verified and written."""
        if self._life.lifecycle.is_checking:
            self._stored.add(index)

    @contextmanager
    def _checking(self) -> Iterator[None]:
        """The time of a check, which may be given up."""
        self._stored.clear()
        self._has_lost = False
        self._life.do(self._life.lifecycle.check_started())
        try:
            yield
        finally:
            self._life.check_ended(has_lost=self._has_lost)

    def _is_wanted(self, change: FileChange) -> bool:
        content = self._life.content
        assert content is not None
        return not content.priorities or content.priorities[change.number] > 0

    async def _check(self, pieces: Sequence[int]) -> tuple[Bitfield, int]:
        """Hashes pieces again.

        Returns:
            Which are right (those elsewhere that are verified included), and how many are lost.
        """
        life = self._life
        content, picker = life.need_content("check"), life.core.picker
        assert picker is not None
        believed = picker.have.size - len(pieces)
        life.checked_pieces = believed
        lost = 0
        found = await content.disk.verify(pieces, lambda count: life.note_checked(believed + count))
        now = asyncio.get_running_loop().time()
        for index in pieces:
            if index in found:
                life.core.piece_found(index, now=now)
            elif index in picker.have and index not in self._stored:
                life.core.piece_lost(index, now=now)
                lost += 1
        self._has_lost = lost > 0
        if life.lifecycle.must_end(is_complete=picker.is_complete):
            error = await self.incomplete_error(picker.have)
            life.stop(error)
            raise error
        assert life.metainfo is not None
        files, geometry, have = life.metainfo.files, picker.geometry, picker.have.copy()
        progress = await life.jobs.compute(lambda: FileProgress(files, geometry, have))
        for index in picker.have.without(have):  # which came meanwhile
            progress.verified(index)
        life.files = progress
        right = picker.have.copy()  # what was found while it is being fetched is not taken, but tells whose a file is
        for index in found:
            right.set(index)
        return right, lost

"""The files of one torrent, from the first check to the state that is left for the next start."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from bittorrent.aio.storage.disk import Disk, DiskJobs
from bittorrent.aio.storage.file_watch import FileWatch
from bittorrent.aio.storage.kept_state import KeptState, Totals
from bittorrent.errors import StorageError
from bittorrent.files.file_set import FileSet
from bittorrent.pieces.bitfield import Bitfield
from bittorrent.storage.claims import PathClaims
from bittorrent.storage.held_places import HeldPlaces
from bittorrent.storage.ownership import begun_by_us, foreign_error
from bittorrent.storage.ports import FileBacked, FileChange, OpenStorage, Storage, Watched
from bittorrent.storage.resume_state import ResumeState


class Content:
    """Opens, checks, changes and remembers what a torrent has on disk. To be closed with `aclose`.

    Args:
        torrent: what there should be.
        download_dir: where.
        state_dir: where the state is kept for good; without it only while a download is unfinished, beside the files.
        seed_only: nothing is ever written, except to `state_dir`.
        overwrite: files that belong to others are replaced: True for all, or the absolute paths of some.
        open_storage: makes the storage.
        claims: which torrent of the session uses which place, by info-hash; to be released afterwards.
        jobs: run what blocks.
        names: the short hashes of the torrent, each of which something may be kept under.
    """

    def __init__(
        self,
        torrent: FileSet,
        *,
        download_dir: Path,
        state_dir: Path | None,
        seed_only: bool,
        overwrite: bool | frozenset[Path],
        open_storage: OpenStorage,
        claims: PathClaims,
        jobs: DiskJobs,
        state: ResumeState | None,
        names: tuple[bytes, ...] = (),
    ) -> None:
        self.download_dir = download_dir
        self.priorities: tuple[int, ...] = ()
        self.totals = Totals()
        self._torrent = torrent
        self._seed_only = seed_only
        self._overwrite = overwrite
        self._has_begun = False
        self._found: Bitfield | None = None  # in the check, and with certainty until the first write
        self._open_storage = open_storage
        self._jobs = jobs
        self._state = state if state is not None and state.fits(torrent) else None
        files = torrent.files
        if self._state is not None:
            self.priorities = self._state.priorities
            self.totals = Totals(
                downloaded_bytes=self._state.downloaded_bytes, uploaded_bytes=self._state.uploaded_bytes
            )
            paths = self._state.paths
            if paths:
                moved = [replace(entry, path=paths.get(number, entry.path)) for number, entry in enumerate(files)]
                files = tuple(moved)
        self._storage: Storage = open_storage(files, download_dir, writable=not seed_only)
        self._files = self._storage if isinstance(self._storage, FileBacked) else None
        self._places = HeldPlaces(
            torrent.files,
            download_dir,
            info_hash=torrent.info_hash,
            name=torrent.name,
            writable=not seed_only,
            claims=claims,
        )
        self._first_places = self._places.group(self._files.paths, download_dir) if self._files is not None else {}
        self.disk = Disk(torrent, self._storage, jobs)
        watched = self._storage if isinstance(self._storage, Watched) else None
        self._watch = (
            FileWatch(torrent, watched, self.disk, jobs, may_replace=self._may_replace) if watched is not None else None
        )
        self._kept = KeptState(
            torrent,
            self._files,
            self._watch,
            self.disk,
            jobs,
            directory=download_dir,
            state_dir=state_dir,
            seed_only=seed_only,
            names=names,
        )

    @classmethod
    async def open(cls, torrent: FileSet, *, jobs: DiskJobs, **options: Any) -> Content:
        """Makes one, and claims its places; `options` are those of the constructor.

        Raises:
            StorageError: another torrent uses one of them.
        """
        content = await jobs.compute(lambda: cls(torrent, jobs=jobs, **options))
        if content._files is not None:
            content._places.claim(content._first_places)
        return content

    async def check(self, on_piece: Callable[[int], None]) -> Bitfield:
        """The pieces that are there. What was remembered of files that have not changed since is believed.

        Raises:
            StorageError: what is there is not usable.
        """
        files, state, watch = self._files, self._state, self._watch
        if files is None:
            return await self.disk.check(on_piece)
        if not self._seed_only:
            await self._jobs.run(lambda: self._places.check(files.paths))
            await self._select_as_remembered()
            if self._overwrite and watch is not None:
                await watch.cut()
        if state is None:
            have = await self.disk.check(on_piece)
            begun = set()
        else:
            await self.disk.run(self._storage.prepare)
            stamps = await self.disk.run(files.stamps)
            have, doubtful = await self._jobs.compute(lambda: state.trusted(self._torrent, stamps))
            believed = self._torrent.geometry.piece_count - len(doubtful)
            for index in await self.disk.verify(doubtful, lambda count: on_piece(believed + count)):
                have.set(index)
            begun = await self._jobs.compute(lambda: begun_by_us(state.begun, state.stamps, stamps))
        if not self._seed_only and watch is not None:
            self._has_begun = bool(begun)
            await self.judge(have, await watch.met() - begun)
            self._found = have.copy()
            await self.disk.run(partial(self._note_before_writing, self._found))
        return have

    async def judge(self, have: Bitfield, numbers: Collection[int]) -> None:
        """Decides which are ours, of some files that were not begun by this torrent.

        Args:
            have: the pieces that are right.

        Raises:
            StorageError: a file of others is in the way; it is not touched.
        """
        watch = self._watch
        if watch is None or self._seed_only:
            return
        if self._places.is_shared:  # the files of the same torrent in another process, which may just write to them
            numbers = ()
        verdict = await watch.judge(have, numbers)
        in_the_way = [number for number in verdict.foreign if self._is_wanted(number)]
        self._refuse(in_the_way)
        if watch.decide(numbers, verdict, taken=in_the_way):
            await self.select(self.priorities)

    @property
    def is_watched(self) -> bool:
        """Whether `changes` could ever find one."""
        return self._watch is not None

    async def changes(self) -> list[FileChange]:
        """What others did to the files.

        Raises:
            StorageError: the system refused.
        """
        return await self._watch.changes() if self._watch is not None else []

    def pieces_of(self, numbers: Collection[int] | None) -> Sequence[int]:
        """The pieces that reach into some files, in order; None stands for all files.

        The part file comes after the others, and has to do with all that are not wanted.
        """
        files = self._torrent.files
        if numbers is None or not files:
            return range(self._torrent.geometry.piece_count)
        unwanted = {number for number, priority in enumerate(self.priorities) if not priority}
        chosen = {number for number in numbers if number < len(files)} | (unwanted if len(files) in numbers else set())
        geometry, entries = self._torrent.geometry, [files[number] for number in chosen]
        return sorted({index for entry in entries for index in geometry.pieces_of(entry.offset, entry.length)})

    async def lost_in_holes(self, have: Bitfield) -> list[int]:
        """The pieces of `have` that were written, and of which the disk has nothing.

        Zeros may well be stored so, and are not lost.

        Raises:
            StorageError: the system refused.
        """
        if self._watch is None or self._seed_only:
            return []
        return await self._watch.lost_in_holes(have)

    async def look_again(self, numbers: Collection[int] | None) -> set[int]:
        """Takes some files, or all, as they are now; returns those that are new.

        Raises:
            StorageError: what is there belongs to something else.
        """
        watch = self._watch
        if watch is None:
            return set()
        known = await watch.met()
        await watch.look_again(range(len(self._torrent.files) + 1) if numbers is None else numbers)
        if not self._seed_only and 0 in self.priorities:
            await self.select(self.priorities)  # for files that are gone
        return await watch.met() - known

    async def select(self, priorities: Sequence[int]) -> None:
        """Files of priority 0 are not created; see `FileBacked.select`. Other storages keep everything.

        Raises:
            StorageError: the system refused; the call can be repeated.
        """
        files, watch = self._files, self._watch
        if files is None or self._seed_only:
            self.priorities = tuple(priorities)
            return
        wanted = [priority > 0 for priority in priorities]
        in_the_way = [number for number in sorted(watch.left) if wanted[number]] if watch is not None else []
        self._refuse(in_the_way)
        newly = [number for number, is_wanted in enumerate(wanted) if is_wanted and not self._is_wanted(number)]
        if newly and self._found is not None and watch is not None and (foreign := await watch.meet(newly)):
            raise self._foreign_error(foreign)
        if in_the_way and watch is not None:
            watch.take(in_the_way)

        def change() -> None:
            files.select(wanted, part_file=self._kept.part_file)
            self.priorities = tuple(priorities)
            if self._found is not None:
                self._note_before_writing(self._found)

        await self.disk.change(change)

    async def allocate(self) -> None:
        """Reserves room for all wanted files.

        Raises:
            StorageError: there is not enough.
        """
        files = self._need_files("reserve room for")

        def allocate() -> None:
            self.disk.begin_writing()
            files.allocate()

        await self.disk.change(allocate)

    async def move(self, directory: Path) -> None:
        """Brings all files below another directory; transfers wait meanwhile.

        Raises:
            StorageError: something is there already, or the system refused; everything is where it was.
        """
        files = self._need_files("move")
        old, paths = self.download_dir, files.paths
        self._places.claim(await self._jobs.compute(lambda: self._places.group(paths, directory)))

        def move() -> None:
            files.move(directory)
            self._places.move_lock(directory)
            self.download_dir = self._kept.directory = directory
            self._begin_anew()

        try:
            await self.disk.change(move)
        except StorageError:
            self._places.claim(await self._jobs.compute(lambda: self._places.group(paths, old)))
            raise
        await self._kept.move(old)

    async def rename(self, number: int, path: tuple[str, ...]) -> None:
        """Gives one file another path below the download directory.

        Raises:
            StorageError: no safe path, something is there already, or the system refused.
        """
        files = self._need_files("rename")
        if not 0 <= number < len(self._torrent.files) or self._torrent.files[number].is_padding:
            raise StorageError(f"cannot rename file {number} of {self._torrent.name}: there is none")
        old = files.paths
        new = [*old[:number], path, *old[number + 1 :]] if path else old
        self._places.claim(await self._jobs.compute(lambda: self._places.group(new, self.download_dir)))

        def rename() -> None:
            files.rename(number, path)
            self._begin_anew()

        try:
            await self.disk.change(rename)
        except StorageError:
            self._places.claim(await self._jobs.compute(lambda: self._places.group(old, self.download_dir)))
            raise

    async def remember(self, have: Bitfield, totals: Totals, *, is_last: bool = False) -> None:
        """Stores what was verified, for the next start. When that is not worth a file, there is none afterwards.

        Args:
            is_last: nothing is written any more.

        Raises:
            StorageError: what was written could not be brought to the disk, or the state not stored.
        """
        await self._kept.save(have, totals, self.priorities, has_begun=self._has_begun, is_last=is_last)

    def _note_before_writing(self, have: Bitfield) -> None:
        """Sees to it that what is begun will be known as such, even after a kill. Blocks; to be called in a thread.

        Args:
            have: the pieces that are certainly right, as files are now.
        """
        assert self._files is not None
        state = self._kept.now(have, self._files.stamps(), self.totals, self.priorities, is_last=False)
        store = self._kept.store

        def note() -> None:
            assert self._files is not None
            self._places.lock(self._files.paths)
            self._has_begun = True
            self._found = Bitfield(have.size)
            with suppress(StorageError):  # then the right pieces have to tell
                store.save_state(state)

        self.disk.before_writing = note

    def _may_replace(self, number: int) -> bool:
        if isinstance(self._overwrite, bool) or self._files is None:
            return self._overwrite is True
        path = os.path.abspath(self.download_dir.joinpath(*self._files.paths[number]))
        return Path(path) in self._overwrite

    def _refuse(self, numbers: Sequence[int]) -> None:
        """Raises StorageError if one of these files, which belong to others, may not be replaced."""
        refused = [number for number in numbers if not self._may_replace(number)]
        if refused:
            raise self._foreign_error(refused)

    def _is_wanted(self, number: int) -> bool:
        return not self.priorities or self.priorities[number] > 0

    def _foreign_error(self, numbers: Sequence[int]) -> StorageError:
        assert self._files is not None
        paths = self._files.paths
        return foreign_error(
            [os.path.join(self.download_dir, *paths[number]) for number in numbers], self._torrent.name
        )

    async def delete(self) -> None:
        """Removes all files, and what is remembered of them, once everything is closed.

        Raises:
            StorageError: the system refused, or these are not ours to delete.
        """
        files = self._need_files("delete")

        def delete() -> None:
            moved = zip(self._torrent.files, files.paths, strict=True)
            entries = tuple(entry if entry.path == path else replace(entry, path=path) for entry, path in moved)
            storage = self._open_storage(entries, self.download_dir, writable=True)
            assert isinstance(storage, FileBacked)
            try:
                storage.delete()
            finally:
                storage.close()
            self._kept.forget()

        await self._jobs.run(delete)

    async def rest(self) -> None:
        """All is there, and nothing is written until something is lost or wanted again: others may have the files."""
        if self._found is not None:
            await self.disk.change(self._begin_anew)

    def _begin_anew(self) -> None:
        """Before the next write, the lock is to be taken and everything to be noted again."""
        self._places.unlock()
        if self._found is not None:
            self._found = Bitfield(self._torrent.geometry.piece_count)
            self._note_before_writing(self._found)

    async def aclose(self) -> None:
        """Waits for what runs and closes the files."""
        await self.disk.aclose()
        if self._places.is_locked:
            await self._jobs.run(self._places.unlock)

    @property
    def info_hash(self) -> bytes:
        return self._torrent.info_hash

    @property
    def blocks_path(self) -> str | None:
        """Where blocks of unfinished pieces are kept; None when they are not: there is no place that is ours."""
        return self._kept.blocks_path

    async def _select_as_remembered(self) -> None:
        files = self._files
        assert files is not None
        has_parts = (self.download_dir / self._kept.part_file).exists
        if any(priority == 0 for priority in self.priorities) or await self.disk.run(has_parts):
            await self.select(self.priorities or [1] * len(self._torrent.files))

    def _need_files(self, action: str) -> FileBacked:
        if self._files is None or self._seed_only:
            reason = "it is only seeded" if self._seed_only else "its storage is not made of files"
            raise StorageError(f"cannot {action} {self._torrent.name}: {reason}")
        return self._files

"""The files of one torrent, from the first check to the state that is left for the next start."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from bittorrent.aio.storage.disk import Disk, DiskJobs
from bittorrent.errors import StorageError
from bittorrent.metainfo.files import pieces_of
from bittorrent.metainfo.paths import STATE_FOLDER
from bittorrent.metainfo.torrent import Metainfo
from bittorrent.pieces.bitfield import Bitfield
from bittorrent.storage.claims import PathClaims, Places, group_places
from bittorrent.storage.durable import remove_file
from bittorrent.storage.locks import WriteLock
from bittorrent.storage.ownership import AT_REST, BEING_WRITTEN, begun_by_us, foreign_error, judge
from bittorrent.storage.ports import FileBacked, FileChange, FileStamp, OpenStorage, Storage, Watched
from bittorrent.storage.resume import ResumeStore
from bittorrent.storage.resume_state import ResumeState


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """What is remembered beside the pieces: bytes over all runs."""

    downloaded_bytes: int = 0
    uploaded_bytes: int = 0


class Content:
    """Opens, checks, changes and remembers what a torrent has on disk. To be closed with `aclose`.

    Args:
        metainfo: what there should be.
        download_dir: where.
        state_dir: where the state is kept for good; without it only while a download is unfinished, beside the files.
        seed_only: nothing is ever written, except to `state_dir`.
        overwrite: files that are somebody else's are replaced.
        open_storage: makes the storage.
        claims: who uses which place, over all torrents of the session, by their info-hash; to be released afterwards.
        jobs: run what blocks.
    """

    def __init__(
        self,
        metainfo: Metainfo,
        *,
        download_dir: Path,
        state_dir: Path | None,
        seed_only: bool,
        overwrite: bool,
        open_storage: OpenStorage,
        claims: PathClaims,
        jobs: DiskJobs,
        state: ResumeState | None,
    ) -> None:
        self.download_dir = download_dir
        self.priorities: tuple[int, ...] = ()
        self.totals = Totals()
        self._metainfo = metainfo
        self._state_dir = state_dir
        self._seed_only = seed_only
        self._overwrite = overwrite
        self._left: frozenset[int] = frozenset()  # the files that are somebody else's
        self._compared: frozenset[int] = frozenset()  # those that may be
        self._has_begun = False
        self._lock = WriteLock(download_dir, metainfo.info_hash, name=metainfo.name)
        self._found: Bitfield | None = None  # in the check, and with certainty until the first write
        self._open_storage = open_storage
        self._claims = claims
        self._jobs = jobs
        self._remembered: object = None
        self._state = state if state is not None and state.fits(metainfo) else None
        files = metainfo.files
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
        self._watched = self._storage if isinstance(self._storage, Watched) else None
        self._places = self._group(self._files.paths, download_dir) if self._files is not None else {}
        self.disk = Disk(metainfo, self._storage, jobs)

    @classmethod
    async def open(cls, metainfo: Metainfo, *, jobs: DiskJobs, **options: Any) -> Content:
        """Makes one, and claims its places; `options` are those of the constructor.

        Raises:
            StorageError: another torrent uses one of them.
        """
        content = await jobs.compute(lambda: cls(metainfo, jobs=jobs, **options))
        if content._files is not None:
            content._claim(content._places)
        return content

    async def check(self, on_piece: Callable[[int], None]) -> Bitfield:
        """The pieces that are there. What was remembered of files that have not changed since is believed.

        Raises:
            StorageError: what is there is not usable.
        """
        files, state, watched = self._files, self._state, self._watched
        if files is None:
            return await self.disk.check(on_piece)
        if not self._seed_only:
            await self._jobs.run(lambda: self._lock.check(self._own_paths(files.paths)))
            await self._select_as_remembered()
            if self._overwrite and watched is not None:
                await self.disk.run(watched.cut)
        if state is None:
            have = await self.disk.check(on_piece)
            begun = set()
        else:
            await self.disk.run(self._storage.prepare)
            stamps = await self.disk.run(files.stamps)
            have, doubtful = await self._jobs.compute(lambda: state.trusted(self._metainfo, stamps))
            believed = self._metainfo.piece_count - len(doubtful)
            for index in await self.disk.verify(doubtful, lambda count: on_piece(believed + count)):
                have.set(index)
            begun = await self._jobs.compute(lambda: begun_by_us(state.begun, state.stamps, stamps))
        if not self._seed_only and watched is not None:
            self._has_begun = bool(begun)
            await self.judge(have, await self.disk.run(watched.met) - begun)
            self._found = have.copy()
            await self.disk.run(partial(self._note_before_writing, self._found))
        return have

    async def judge(self, have: Bitfield, numbers: Collection[int]) -> None:
        """Decides whose some files are that were not begun by this torrent.

        Args:
            have: the pieces that are right.

        Raises:
            StorageError: somebody else's is in the way; it is not touched.
        """
        watched = self._watched
        if watched is None or self._seed_only:
            return
        if self._lock.is_shared():  # the files of the same torrent in another process, which may just write to them
            numbers = ()
        found = await self.disk.run(lambda: watched.holding(numbers))
        verdict = await self._jobs.compute(lambda: judge(self._metainfo, have, found))
        in_the_way = [number for number in verdict.foreign if self._is_wanted(number)]
        if in_the_way and not self._overwrite:
            raise self._foreign_error(in_the_way)
        old = self._left
        self._left = (old - {*numbers}) | ({*verdict.foreign} - {*in_the_way})
        self._compared = (self._compared - {*numbers}) | {*(() if self._overwrite else verdict.unclear)}
        watched.leave(self._left, self._compared)
        if self._left != old:
            await self.select(self.priorities)

    @property
    def is_watched(self) -> bool:
        """Whether `changes` could ever find one."""
        return self._watched is not None

    async def changes(self) -> list[FileChange]:
        """What others did to the files.

        Raises:
            StorageError: the system refused.
        """
        return await self.disk.run(self._watched.changes) if self._watched is not None else []

    def pieces_of(self, numbers: Collection[int] | None) -> Sequence[int]:
        """The pieces that reach into some files, in order; None stands for all files. The part file comes after the
        others, and has to do with all that are not wanted."""
        files = self._metainfo.files
        if numbers is None or not files:
            return range(self._metainfo.piece_count)
        unwanted = {number for number, priority in enumerate(self.priorities) if not priority}
        chosen = {number for number in numbers if number < len(files)} | (unwanted if len(files) in numbers else set())
        return sorted({index for number in chosen for index in pieces_of(files[number], self._metainfo.piece_length)})

    async def lost_in_holes(self, have: Bitfield) -> list[int]:
        """The pieces of `have` that were written, and of which the disk has nothing. Zeros may well be stored so, and
        are not lost.

        Raises:
            StorageError: the system refused.
        """
        if self._watched is None or self._seed_only:
            return []
        length = self._metainfo.piece_length
        holes = await self.disk.run(self._watched.holes)
        pieces = {
            index: None for start, size in holes for index in range(start // length, -(-(start + size) // length))
        }
        hollow = [index for index in pieces if index in have]
        right = await self.disk.verify(hollow) if hollow else ()
        return [index for index in hollow if index not in right]

    async def look_again(self, numbers: Collection[int] | None) -> set[int]:
        """Takes some files, or all, as they are now; returns those that are new.

        Raises:
            StorageError: what is there belongs to something else.
        """
        watched = self._watched
        if watched is None:
            return set()
        again = range(len(self._metainfo.files) + 1) if numbers is None else numbers
        known = await self.disk.run(watched.met)
        await self.disk.change(lambda: watched.look_again(again))
        if not self._seed_only and 0 in self.priorities:
            await self.select(self.priorities)  # for files that are gone
        return await self.disk.run(watched.met) - known

    async def select(self, priorities: Sequence[int]) -> None:
        """Files of priority 0 are not created; see `FileBacked.select`. Other storages keep everything.

        Raises:
            StorageError: the system refused; the call can be repeated.
        """
        files, watched = self._files, self._watched
        if files is None or self._seed_only:
            self.priorities = tuple(priorities)
            return
        wanted = [priority > 0 for priority in priorities]
        in_the_way = [number for number in sorted(self._left) if wanted[number]]
        if in_the_way and not self._overwrite:
            raise self._foreign_error(in_the_way)
        newly = [number for number, is_wanted in enumerate(wanted) if is_wanted and not self._is_wanted(number)]
        if newly and self._found is not None and watched is not None:
            await self._meet(watched, newly)
        if in_the_way and watched is not None:
            self._left -= {*in_the_way}
            watched.leave(self._left, self._compared)

        def change() -> None:
            files.select(wanted, part_file=self._part_file)
            self.priorities = tuple(priorities)
            if self._found is not None:
                self._note_before_writing(self._found)

        await self.disk.change(change)

    async def _meet(self, watched: Watched, newly: Sequence[int]) -> None:
        """What is in the place of files that were not wanted so far may be somebody else's."""
        known = await self.disk.run(watched.met)
        unknown = [number for number in newly if number not in known]
        if unknown:
            await self.disk.change(lambda: watched.look_again(unknown))
            new = await self.disk.run(watched.met) - known
            right = await self.disk.verify(self.pieces_of(new))
            found = await self.disk.run(lambda: watched.holding(new))
            verdict = judge(self._metainfo, right, found)
            if not self._overwrite:
                self._left |= {*verdict.foreign}
            watched.leave(self._left, self._compared)
            if verdict.foreign and not self._overwrite:
                raise self._foreign_error(verdict.foreign)

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
        self._claim(await self._jobs.compute(lambda: self._group(paths, directory)))

        def move() -> None:
            files.move(directory)
            self._lock.release()
            self._lock = WriteLock(directory, self._metainfo.info_hash, name=self._metainfo.name)
            self.download_dir = directory
            self._begin_anew()

        try:
            await self.disk.change(move)
        except StorageError:
            self._claim(await self._jobs.compute(lambda: self._group(paths, old)))
            raise
        self._remembered = None
        with suppress(StorageError):  # it would only be believed where it is looked for
            left, store = self._store_at(old), self._store_at(directory)
            await self._jobs.run(lambda: left.move_to(store, self._metainfo.info_hash))

    async def rename(self, number: int, path: tuple[str, ...]) -> None:
        """Gives one file another path below the download directory.

        Raises:
            StorageError: no safe path, something is there already, or the system refused.
        """
        files = self._need_files("rename")
        if not 0 <= number < len(self._metainfo.files) or self._metainfo.files[number].is_padding:
            raise StorageError(f"cannot rename file {number} of {self._metainfo.name}: there is none")
        old = files.paths
        new = [*old[:number], path, *old[number + 1 :]] if path else old
        self._claim(await self._jobs.compute(lambda: self._group(new, self.download_dir)))

        def rename() -> None:
            files.rename(number, path)
            self._begin_anew()

        try:
            await self.disk.change(rename)
        except StorageError:
            self._claim(await self._jobs.compute(lambda: self._group(old, self.download_dir)))
            raise

    async def remember(self, have: Bitfield, totals: Totals, *, is_last: bool = False) -> None:
        """Stores what was verified, for the next start. When that is not worth a file, there is none afterwards.

        Args:
            is_last: nothing is written any more.

        Raises:
            StorageError: what was written could not be brought to the disk, or the state not stored.
        """
        files, directory = self._files, self.download_dir
        store = self._store_at(directory)
        if files is None or (self._seed_only and not store.is_lasting):
            return
        if not store.is_lasting and (have.is_full or not (have.count or self._has_begun)):
            await self._jobs.run(lambda: store.forget_state(self._metainfo.info_hash))
            return
        verified = have.copy()  # now: what is verified during the flush may not be part of it
        paths = await self._jobs.compute(lambda: hash(files.paths))
        news = (verified.count, totals, self.priorities, paths, is_last)
        if news == self._remembered:
            return
        if not self._seed_only:
            await self.disk.flush()
        for index in await self.lost_in_holes(verified):
            verified.clear(index)
        stamps = list(await self.disk.run(files.stamps))
        for change in await self.changes():
            stamps[change.number] = None  # what is there now has not been verified
        state = await self._jobs.compute(partial(self._state_now, verified, stamps, totals, is_last=is_last))
        if (store.is_lasting or await self._jobs.run(directory.is_dir)) and self.download_dir == directory:
            await self._jobs.run(lambda: store.save_state(state))  # no folder that is gone, or was left, is made again
            self._remembered = news

    def _note_before_writing(self, have: Bitfield) -> None:
        """Sees to it that what is begun will be known as such, even after a kill. Blocks; to be called in a thread.

        Args:
            have: the pieces that are certainly right, as files are now.
        """
        assert self._files is not None
        state = self._state_now(have, self._files.stamps(), self.totals, is_last=False)
        store = self._store_at(self.download_dir)

        def note() -> None:
            assert self._files is not None
            self._lock.acquire(self._own_paths(self._files.paths))
            self._has_begun = True
            self._found = Bitfield(have.size)
            with suppress(StorageError):  # then the right pieces have to tell
                store.save_state(state)

        self.disk.before_writing = note

    def _state_now(
        self, have: Bitfield, stamps: Sequence[FileStamp | None], totals: Totals, *, is_last: bool
    ) -> ResumeState:
        assert self._files is not None
        paths = self._files.paths
        moved = zip(self._metainfo.files, paths, strict=True)
        begun = bytearray(len(paths))
        for number, stamp in enumerate(stamps[:-1]):
            if number in self._left or number in self._compared or (stamp is None and not self._is_wanted(number)):
                continue
            begun[number] = (AT_REST if stamp is not None else 0) if is_last else BEING_WRITTEN
        return ResumeState(
            info_hash=self._metainfo.info_hash,
            have=have.to_wire(),
            stamps=tuple(stamps),
            priorities=self.priorities,
            paths={number: path for number, (entry, path) in enumerate(moved) if entry.path != path},
            downloaded_bytes=totals.downloaded_bytes,
            uploaded_bytes=totals.uploaded_bytes,
            begun=b"" if self._seed_only else bytes(begun),
        )

    def _is_wanted(self, number: int) -> bool:
        return not self.priorities or self.priorities[number] > 0

    def _foreign_error(self, numbers: Sequence[int]) -> StorageError:
        assert self._files is not None
        paths = self._files.paths
        return foreign_error(
            [os.path.join(self.download_dir, *paths[number]) for number in numbers], self._metainfo.name
        )

    async def delete(self) -> None:
        """Removes all files, and what is remembered of them, once everything is closed.

        Raises:
            StorageError: the system refused, or these are not ours to delete.
        """
        files = self._need_files("delete")

        def delete() -> None:
            moved = zip(self._metainfo.files, files.paths, strict=True)
            entries = tuple(entry if entry.path == path else replace(entry, path=path) for entry, path in moved)
            storage = self._open_storage(entries, self.download_dir, writable=True)
            assert isinstance(storage, FileBacked)
            try:
                storage.delete()
            finally:
                storage.close()
            remove_file(str(self.download_dir / self._part_file))
            self._store_at(self.download_dir).forget(self._metainfo.info_hash)

        await self._jobs.run(delete)

    async def rest(self) -> None:
        """All is there, and nothing is written until something is lost or wanted again: others may have the files."""
        if self._found is not None:
            await self.disk.change(self._begin_anew)

    def _begin_anew(self) -> None:
        """Before the next write, the lock is to be taken and everything to be noted again."""
        self._lock.release()
        if self._found is not None:
            self._found = Bitfield(self._metainfo.piece_count)
            self._note_before_writing(self._found)

    async def aclose(self) -> None:
        """Waits for what runs and closes the files."""
        await self.disk.aclose()
        if self._lock.is_held:
            await self._jobs.run(self._lock.release)

    @property
    def info_hash(self) -> bytes:
        return self._metainfo.info_hash

    @property
    def blocks_path(self) -> str | None:
        """Where blocks of unfinished pieces are kept; None when they are not: there is no place that is ours."""
        if self._seed_only or (self._files is None and self._state_dir is None):
            return None
        return self._store_at(self.download_dir).blocks_path(self._metainfo.info_hash)

    @property
    def _part_file(self) -> str:
        return f"{STATE_FOLDER}/{self._metainfo.info_hash.hex()}.parts"

    async def _select_as_remembered(self) -> None:
        files = self._files
        assert files is not None
        has_parts = (self.download_dir / self._part_file).exists
        if any(priority == 0 for priority in self.priorities) or await self.disk.run(has_parts):
            await self.select(self.priorities or [1] * len(self._metainfo.files))

    def _own_paths(self, paths: Sequence[tuple[str, ...]]) -> list[tuple[str, ...]]:
        entries = zip(paths, self._metainfo.files, strict=True)
        return [path for path, entry in entries if not entry.is_padding]

    def _group(self, paths: Sequence[tuple[str, ...]], directory: Path) -> Places:
        """Cost: a step for each file."""
        return group_places(directory, self._own_paths(paths))

    def _claim(self, places: Places) -> None:
        metainfo = self._metainfo
        self._claims.claim_places(metainfo.info_hash, places, name=metainfo.name, writable=not self._seed_only)

    def _store_at(self, directory: Path) -> ResumeStore:
        return ResumeStore(directory, state_dir=self._state_dir)

    def _need_files(self, action: str) -> FileBacked:
        if self._files is None or self._seed_only:
            reason = "it is only seeded" if self._seed_only else "its storage is not made of files"
            raise StorageError(f"cannot {action} {self._metainfo.name}: {reason}")
        return self._files

"""What was verified of a torrent's files outlives the process."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from bittorrent.aio.storage.disk import Disk, DiskJobs
from bittorrent.aio.storage.file_watch import FileWatch
from bittorrent.errors import StorageError
from bittorrent.files.file_set import FileSet
from bittorrent.files.paths import STATE_FOLDER
from bittorrent.pieces.bitfield import Bitfield
from bittorrent.storage.durable import remove_file
from bittorrent.storage.ownership import marks_of
from bittorrent.storage.ports import FileBacked, FileStamp
from bittorrent.storage.resume import ResumeStore
from bittorrent.storage.resume_state import ResumeState


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """What is remembered beside the pieces: bytes over all runs."""

    downloaded_bytes: int = 0
    uploaded_bytes: int = 0


class KeptState:
    """Stores what a torrent knows of its files, for the next start.

    Args:
        files: None when the storage is not made of files: then nothing is stored.
        watch: None when the storage does not notice what others do.
        directory: where the files are; to be set anew when they are moved.
        state_dir: where the state is kept for good; without it only while a download is unfinished, beside the files.
        seed_only: nothing is ever written, except to `state_dir`.
        names: the short hashes of the torrent, each of which something may be kept under.
    """

    def __init__(
        self,
        torrent: FileSet,
        files: FileBacked | None,
        watch: FileWatch | None,
        disk: Disk,
        jobs: DiskJobs,
        *,
        directory: Path,
        state_dir: Path | None,
        seed_only: bool,
        names: tuple[bytes, ...] = (),
    ) -> None:
        self.directory = directory
        self._torrent = torrent
        self._files = files
        self._watch = watch
        self._disk = disk
        self._jobs = jobs
        self._state_dir = state_dir
        self._seed_only = seed_only
        self._names = names or (torrent.info_hash,)
        self._stored: object = None

    async def save(
        self, have: Bitfield, totals: Totals, priorities: tuple[int, ...], *, has_begun: bool, is_last: bool
    ) -> None:
        """Stores what was verified. When that is not worth a file, there is none afterwards.

        Args:
            has_begun: something was written.
            is_last: nothing is written any more.

        Raises:
            StorageError: what was written could not be brought to the disk, or the state not stored.
        """
        files, directory, store = self._files, self.directory, self.store
        if files is None or (self._seed_only and not store.is_lasting):
            return
        if not store.is_lasting and (have.is_full or not (have.count or has_begun)):
            await self._jobs.run(lambda: store.forget_state(self._torrent.info_hash))
            return
        verified = have.copy()  # now: what is verified during the flush may not be part of it
        paths = await self._jobs.compute(lambda: hash(files.paths))
        news = (verified.count, totals, priorities, paths, is_last)
        if news == self._stored:
            return
        if not self._seed_only:
            await self._disk.flush()
            if self._watch is not None:
                for index in await self._watch.lost_in_holes(verified):
                    verified.clear(index)
        stamps = list(await self._disk.run(files.stamps))
        if self._watch is not None:
            for change in await self._watch.changes():
                stamps[change.number] = None  # what is there now has not been verified
        state = await self._jobs.compute(partial(self.now, verified, stamps, totals, priorities, is_last=is_last))
        if (store.is_lasting or await self._jobs.run(directory.is_dir)) and self.directory == directory:
            await self._jobs.run(lambda: store.save_state(state))  # no folder that is gone, or was left, is made again
            self._stored = news

    async def move(self, old: Path) -> None:
        """The files were below another directory so far: a stored torrent follows them, the state holds no longer."""
        self._stored = None
        with suppress(StorageError):  # it would only be believed where it is looked for
            left, store = self._store_at(old), self.store
            await self._jobs.run(lambda: left.move_to(store, *self._names))

    def forget(self) -> None:
        """Removes everything about the torrent. Blocks.

        Raises:
            StorageError: the system refused.
        """
        remove_file(str(self.directory / self.part_file))
        self.store.forget(*self._names)

    def now(
        self,
        have: Bitfield,
        stamps: Sequence[FileStamp | None],
        totals: Totals,
        priorities: tuple[int, ...],
        *,
        is_last: bool,
    ) -> ResumeState:
        """What is to be stored. Cost: a few steps for each file."""
        assert self._files is not None
        moved = zip(self._torrent.files, self._files.paths, strict=True)
        marks = b""
        if not self._seed_only:
            not_ours = self._watch.left | self._watch.compared if self._watch is not None else frozenset()
            marks = marks_of(stamps, priorities, not_ours=not_ours, is_last=is_last)
        return ResumeState(
            info_hash=self._torrent.info_hash,
            have=have.to_wire(),
            stamps=tuple(stamps),
            priorities=priorities,
            paths={number: path for number, (entry, path) in enumerate(moved) if entry.path != path},
            downloaded_bytes=totals.downloaded_bytes,
            uploaded_bytes=totals.uploaded_bytes,
            begun=marks,
        )

    @property
    def store(self) -> ResumeStore:
        """Where it is stored."""
        return self._store_at(self.directory)

    @property
    def blocks_path(self) -> str | None:
        """Where blocks of unfinished pieces are kept; None when they are not: there is no place that is ours."""
        if self._seed_only or (self._files is None and self._state_dir is None):
            return None
        return self.store.blocks_path(self._torrent.info_hash)

    @property
    def part_file(self) -> str:
        """Where the bytes of unwanted files are, relative to the directory."""
        return f"{STATE_FOLDER}/{self._torrent.info_hash.hex()}.parts"

    def _store_at(self, directory: Path) -> ResumeStore:
        return ResumeStore(directory, state_dir=self._state_dir)

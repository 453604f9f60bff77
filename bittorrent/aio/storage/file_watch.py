"""Which files of a torrent are ours, and what others do to them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from bittorrent.aio.storage.disk import Disk, DiskJobs
from bittorrent.files.file_set import FileSet
from bittorrent.pieces.bitfield import Bitfield
from bittorrent.storage.ownership import Verdict, judge_files
from bittorrent.storage.ports import FileChange, Watched


class FileWatch:
    """Knows which files belong to others, and finds out what has become of ours.

    All coroutines raise StorageError when the system refuses.

    Args:
        watched: the storage.
        disk: runs what it does.
        may_replace: whether the file of this number may be replaced where it belongs to others.

    Attributes:
        left: the numbers of the files that belong to others.
        compared: the numbers of those that may do so: what is to be written there has to be there already.
    """

    def __init__(
        self, torrent: FileSet, watched: Watched, disk: Disk, jobs: DiskJobs, *, may_replace: Callable[[int], bool]
    ) -> None:
        self.left: frozenset[int] = frozenset()
        self.compared: frozenset[int] = frozenset()
        self._torrent = torrent
        self._watched = watched
        self._disk = disk
        self._jobs = jobs
        self._may_replace = may_replace

    async def cut(self) -> None:
        """Shortens wanted files that may be replaced and are longer than in the torrent."""
        numbers = [number for number in range(len(self._torrent.files)) if self._may_replace(number)]
        await self._disk.run(lambda: self._watched.cut(numbers))

    async def changes(self) -> list[FileChange]:
        """What others did to the files."""
        return await self._disk.run(self._watched.changes)

    async def met(self) -> set[int]:
        """The files that are there and were looked at."""
        return await self._disk.run(self._watched.met)

    async def look_again(self, numbers: Collection[int]) -> None:
        """Takes some files as they are now. Nothing else uses the storage meanwhile."""
        await self._disk.change(lambda: self._watched.look_again(numbers))

    async def lost_in_holes(self, have: Bitfield) -> list[int]:
        """The pieces of `have` that were written, and of which the disk has nothing."""
        geometry = self._torrent.geometry
        holes = await self._disk.run(self._watched.holes)
        pieces = dict.fromkeys(index for start, size in holes for index in geometry.pieces_of(start, size))
        hollow = [index for index in pieces if index in have]
        right = await self._disk.verify(hollow) if hollow else ()
        return [index for index in hollow if index not in right]

    async def judge(self, have: Bitfield, numbers: Collection[int]) -> Verdict:
        """Which of these files are ours, as far as the right pieces tell. `decide` makes it so."""
        found = await self._disk.run(lambda: self._watched.holding(numbers))
        return await self._jobs.compute(lambda: judge_files(self._torrent, have, found))

    def decide(self, numbers: Collection[int], verdict: Verdict, *, taken: Collection[int]) -> bool:
        """Settles which of these files are ours; returns whether there are others than before that are left alone.

        Args:
            taken: files of others that are to be overwritten.
        """
        before = self.left
        self.left = (before - {*numbers}) | ({*verdict.foreign} - {*taken})
        kept = {number for number in verdict.unclear if not self._may_replace(number)}
        self.compared = (self.compared - {*numbers}) | kept
        self._watched.leave(self.left, self.compared)
        return self.left != before

    def take(self, numbers: Collection[int]) -> None:
        """Files of others are to be overwritten."""
        self.left -= {*numbers}
        self._watched.leave(self.left, self.compared)

    async def meet(self, numbers: Sequence[int]) -> tuple[int, ...]:
        """Looks at files that were not wanted so far, and what is in their place.

        Returns:
            Those that belong to others and are not to be overwritten.
        """
        known = await self.met()
        unknown = [number for number in numbers if number not in known]
        if not unknown:
            return ()
        await self.look_again(unknown)
        new = await self.met() - known
        entries = [self._torrent.files[number] for number in new]
        geometry = self._torrent.geometry
        pieces = {index for entry in entries for index in geometry.pieces_of(entry.offset, entry.length)}
        right = await self._disk.verify(sorted(pieces))
        found = await self._disk.run(lambda: self._watched.holding(new))
        verdict = judge_files(self._torrent, right, found)
        foreign = tuple(number for number in verdict.foreign if not self._may_replace(number))
        self.left |= {*foreign}
        self._watched.leave(self.left, self.compared)
        return foreign

"""What the files of a torrent were like when they were last used, by which others in their place are noticed."""

from __future__ import annotations

import os

from bittorrent.storage.ports import FileStamp


class KnownFiles:
    """For each file of a torrent: which file it is, how far it reaches, and when it was last changed.

    Which file it is stays known until `forget`. How long ago it was changed is known of a file that is at rest: not
    written to since it was last brought to the disk. Threads may call anything at the same time.
    """

    __slots__ = ("_reaches", "_same", "_settled")

    def __init__(self, count: int) -> None:
        self._same: list[tuple[int, int] | None] = [None] * count
        self._reaches = [0] * count
        self._settled: list[FileStamp | None] = [None] * count

    def is_known(self, number: int) -> bool:
        return self._same[number] is not None

    def identity(self, number: int) -> tuple[int, int] | None:
        """Device and number of the file, which no other file has at the same time."""
        return self._same[number]

    def meet(self, number: int, status: os.stat_result) -> bool:
        """Whether the file that was opened is the one that is known; the first to be met becomes known."""
        same = (status.st_dev, status.st_ino)
        if self._same[number] is None:
            self._same[number] = same
            self._reaches[number] = max(self._reaches[number], status.st_size)
        return self._same[number] == same

    def wrote(self, number: int, end: int) -> None:
        """It reaches at least up to `end` from now on."""
        if end > self._reaches[number]:
            self._reaches[number] = end

    def unsettle(self, number: int) -> None:
        """It is being written to."""
        self._settled[number] = None

    def settle(self, number: int, status: os.stat_result) -> None:
        """It is at rest."""
        self._settled[number] = FileStamp(status.st_size, status.st_mtime_ns)

    def settled(self, number: int) -> FileStamp | None:
        return self._settled[number]

    def forget(self, number: int) -> None:
        """The next file in its place is as good."""
        self._same[number] = self._settled[number] = None
        self._reaches[number] = 0

    def is_another(self, number: int, status: os.stat_result) -> bool:
        return self._same[number] != (status.st_dev, status.st_ino)

    def has_changed(self, number: int, status: os.stat_result, settled: FileStamp | None, *, length: int) -> bool:
        """Whether another program changed what is in it, as far as its size and time tell.

        Args:
            settled: what `settled` said before `status` was asked for, or None while it is written to.
            length: how long it may be.
        """
        if not self._reaches[number] <= status.st_size <= length:
            return True
        if settled is None or settled is not self._settled[number]:
            return False
        return settled != FileStamp(status.st_size, status.st_mtime_ns)

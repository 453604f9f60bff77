"""Where the files of a torrent are, and which files these are: another one in their place is not taken for them."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterable, Sequence
from contextlib import suppress

from bittorrent.errors import FilesChangedError, JobInterruptedError, MissingDataError, StorageError
from bittorrent.files.entry import FileEntry
from bittorrent.storage.durable import data_extents, make_folders
from bittorrent.storage.file_facts import check_status, mode_of
from bittorrent.storage.known_files import KnownFiles
from bittorrent.storage.places import find_places
from bittorrent.storage.ports import FileChange, FileStamp
from bittorrent.storage.safe_folder import Making, SafeFolder, symbolic_link


class PlacedFiles:
    """Opens files by their number in the torrent, below `folder`.

    From `prepare` on, a file that was not there is made anew, and one that was there stays the same: whatever else is
    found in its place when it is opened raises FilesChangedError, until `meet_again`. Threads may do anything at the
    same time except what changes a place. Once `is_interrupted`, files are neither looked at nor made any more:
    JobInterruptedError.
    """

    __slots__ = ("_is_prepared", "_making", "files", "folder", "is_interrupted", "known", "paths")

    def __init__(self, files: Sequence[FileEntry], folder: SafeFolder) -> None:
        self.files = list(files)
        self.folder = folder
        self.paths = find_places(files, folder.root)
        self.known = KnownFiles(len(files))
        self._is_prepared = self.is_interrupted = False
        self._making: dict[int, list[None]] = {}  # an entry for each thread that began to make a file

    def prepare(self, number: int, *, checked: set[str]) -> bool:
        """Checks what is in the place of a file, and takes it for the file; whether there is something.

        Args:
            checked: folders that need no second look; this one is added.

        Raises:
            StorageError: it belongs to something else, or cannot be used.
        """
        self._check_wanted()
        entry, path = self.files[number], self.paths[number]
        folder = os.path.dirname(path)
        if self.folder.writable and folder not in checked:
            self.folder.resolve(folder)
            checked.add(folder)
        try:
            status = os.lstat(path)
            if stat.S_ISLNK(status.st_mode) and not entry.link_to:
                status = os.stat(self.folder.resolve(path) if self.folder.writable else path)
        except FileNotFoundError:
            return False
        except OSError as error:
            raise StorageError.from_os_error("use", path, error) from None
        if not entry.link_to:
            check_status(path, status, entry.length, writable=self.folder.writable)
            self.known.meet(number, status)
            self.known.settle(number, status)
        return True

    def end_preparation(self) -> None:
        """All files were looked at."""
        self._is_prepared = True

    def open(self, number: int, *, for_writing: bool) -> int:
        """A new descriptor.

        Raises:
            FilesChangedError: another file is there, or none any more, or one that was not there before.
            MissingDataError: there is no file to be read.
            StorageError: the system refused, or it is no file.
        """
        path = self.paths[number]
        try:
            descriptor, status = self._open_to_write(number) if for_writing else self.folder.open_to_read(path)
        except StorageError:
            raise
        except OSError as error:
            if error.errno == errno.ELOOP:
                raise symbolic_link(path) from None
            failure = MissingDataError if error.errno == errno.ENOENT and not for_writing else StorageError
            raise failure.from_os_error("write" if for_writing else "read", path, error) from None
        # What is only read tells nothing of a file that has appeared since `prepare`.
        is_to_be_known = for_writing or not self._is_prepared or self.known.is_known(number)
        if is_to_be_known and not self.known.meet(number, status):
            os.close(descriptor)
            raise FilesChangedError(f"{path} was replaced by another file", path=path, number=number)
        return descriptor

    def make(self, number: int) -> None:
        """A file without bytes, or a symbolic link: no write would ever make it."""
        self._check_wanted()
        entry, path = self.files[number], self.paths[number]
        try:
            if entry.link_to:
                self._make_link(path, self.folder.path(entry.link_to))
            else:
                descriptor, status = self.folder.open_to_write(path, mode=mode_of(entry))
                os.close(descriptor)
                self.known.meet(number, status)
                self.known.settle(number, status)
        except (StorageError, FileExistsError):
            if not entry.link_to:
                raise
        except OSError as error:
            if not entry.link_to:  # the content is whole without links, which some systems do not have
                raise StorageError.from_os_error("write", path, error) from None

    def changes(self) -> list[FileChange]:
        """As `Watched.changes`, of all files that were met."""
        found = []
        for number, entry in enumerate(self.files):
            if not self.known.is_known(number):
                continue
            path, settled = self.paths[number], self.known.settled(number)
            try:
                status = os.stat(path)
            except OSError as error:
                if error.errno not in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
                    raise StorageError.from_os_error("use", path, error) from None
                found.append(FileChange(number, path, is_gone=True))
                continue
            # Some file systems number their files anew now and then: what looks the same is the same.
            looks_the_same = settled == FileStamp(status.st_size, status.st_mtime_ns)
            is_another = self.known.is_another(number, status) and not looks_the_same
            if is_another or self.known.has_changed(number, status, settled, length=entry.length):
                found.append(FileChange(number, path, is_another=is_another))
        return found

    def holding(self, numbers: Iterable[int]) -> dict[int, int]:
        """As `Watched.holding`, of files that were met."""
        found: dict[int, int] = {}
        for number in numbers:
            path = self.paths[number]
            if not self.known.is_known(number):
                continue
            try:
                size = os.stat(path).st_size
                if not size:
                    continue
                descriptor, _ = self.folder.open_to_read(path)
                try:
                    is_blank = not data_extents(descriptor, size)
                finally:
                    os.close(descriptor)
            except OSError as error:
                raise StorageError.from_os_error("read", path, error) from None
            if not is_blank:
                found[number] = size
        return found

    def cut(self, numbers: Iterable[int]) -> None:
        """As `Watched.cut`, of these."""
        for number in numbers:
            path, length = self.paths[number], self.files[number].length
            try:
                with suppress(FileNotFoundError, NotADirectoryError):
                    if os.stat(path).st_size > length:
                        descriptor, status = self.folder.open_to_write(path, making=Making.NEVER)
                        try:
                            if status.st_size > length:
                                os.truncate(descriptor, length)
                        finally:
                            os.close(descriptor)
            except OSError as error:
                raise StorageError.from_os_error("write", path, error) from None

    def is_usable(self, number: int) -> bool:
        """Whether what is in the place of a file could be that file."""
        try:
            status = os.stat(self.paths[number])
        except OSError:
            return False
        return stat.S_ISREG(status.st_mode) and status.st_size <= self.files[number].length

    def forget(self, number: int) -> None:
        """What is in the place of a file now is as good as what was."""
        self.known.forget(number)
        self._making.pop(number, None)

    def meet_again(self, numbers: Iterable[int]) -> None:
        """Takes files as they are now; those that are not there shall be made."""
        for number in numbers:
            if not self.files[number].is_padding and not self.files[number].link_to:
                self.forget(number)
                with suppress(OSError):
                    status = os.stat(self.paths[number])
                    self.known.meet(number, status)
                    self.known.settle(number, status)

    def _check_wanted(self) -> None:
        if self.is_interrupted:
            raise JobInterruptedError(f"{self.folder.root}: given up")

    def _open_to_write(self, number: int) -> tuple[int, os.stat_result]:
        path, mode = self.paths[number], mode_of(self.files[number])
        if self.known.is_known(number):
            try:
                return self.folder.open_to_write(path, mode=mode, making=Making.NEVER)
            except FileNotFoundError:
                raise FilesChangedError(f"{path} was removed or renamed", path=path, number=number) from None
        if not self._is_prepared:
            return self.folder.open_to_write(path, mode=mode)
        threads = self._making.setdefault(number, [])
        threads.append(None)
        try:
            return self.folder.open_to_write(path, mode=mode, making=Making.ALWAYS)
        except FileExistsError:
            if len(threads) == 1:
                message = f"{path} was made by somebody else"
                raise FilesChangedError(message, path=path, number=number) from None
            return self.folder.open_to_write(path, mode=mode)  # another thread did just that

    def _make_link(self, path: str, target: str) -> None:
        """A relative one, from and to where the folders really are: the user may have links on the way."""
        folder = os.path.dirname(path)
        self.folder.resolve(folder)
        make_folders(folder)
        target = os.path.join(os.path.realpath(os.path.dirname(target)), os.path.basename(target))
        os.symlink(os.path.relpath(target, os.path.realpath(folder)), path)

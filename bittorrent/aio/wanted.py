"""Which files of a torrent are wanted: what was asked for first, and every change of mind."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from contextlib import suppress

from bittorrent.aio.storage.content import Content
from bittorrent.errors import SelectionError
from bittorrent.metainfo.selection import FileName, Selection
from bittorrent.metainfo.torrent import Metainfo
from bittorrent.pieces.priority import DEFAULT_PRIORITY


class Wanted:
    """Keeps the selection of one torrent and its content in step.

    Args:
        asked_for: by the caller that added the torrent; nothing at all means what was wanted before.
        suggested: by the magnet link, for a torrent that nothing is known of.
    """

    def __init__(self, *, asked_for: tuple[FileName, ...], suggested: tuple[range, ...]) -> None:
        self.changing = asyncio.Lock()  # held from the first look at the files until the exchange has begun, too
        self._asked_for = asked_for
        self._suggested = suggested
        self._selection: Selection | None = None
        self._was_changed = False

    def selection(self, metainfo: Metainfo) -> Selection:
        """The selection as it is now; before the first look at the files it can be changed freely."""
        if self._selection is None:
            self._selection = Selection(metainfo.files, metainfo.geometry)
            if self._asked_for:
                self._selection.set_files(self._selection.only(self._asked_for))
        return self._selection

    def decide(self, metainfo: Metainfo, content: Content) -> Selection:
        """What is wanted at the start, which the content takes over.

        Raises:
            SelectionError: a file was asked for that is not there.
        """
        selection = self.selection(metainfo)
        if not self._was_changed and not self._asked_for:
            if content.priorities:
                selection.set_files(dict(enumerate(content.priorities)))
            elif self._suggested:
                with suppress(SelectionError):  # the link came from others
                    selection.set_files(selection.only(self._suggested))
        is_usual = set(selection.files) == {DEFAULT_PRIORITY}
        content.priorities = () if is_usual else selection.files
        return selection

    def change(
        self, metainfo: Metainfo, files: Mapping[FileName, int] | None, pieces: Mapping[int, int] | None
    ) -> Selection:
        """Takes note of new priorities; the content has to hear of them.

        Raises:
            ValueError, SelectionError: as the methods of `Selection`; nothing has changed.
        """
        selection = self.selection(metainfo)
        self._was_changed = True
        if files:
            selection.set_files(
                {number: priority for name, priority in files.items() for number in selection.numbers_of([name])}
            )
        if pieces:
            selection.set_pieces(pieces)
        return selection

    def only(self, metainfo: Metainfo, names: Iterable[FileName]) -> dict[FileName, int]:
        """The priorities with which just these files are wanted.

        Raises:
            SelectionError: one of them means no file.
        """
        return dict(self.selection(metainfo).only(names).items())

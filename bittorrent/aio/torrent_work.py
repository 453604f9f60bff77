"""What takes its time in the life of a torrent: its metadata, the first look at its files, and their coming to rest."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from bittorrent.aio.storage.block_hashing import leaf_of
from bittorrent.lifecycle.table import Action
from bittorrent.metainfo.file_progress import FileProgress
from bittorrent.metainfo.torrent import Metainfo

if TYPE_CHECKING:
    from bittorrent.aio.torrent_life import TorrentLife


class TorrentWork:
    """Does one after the other, for as long as the torrent lives: see the actions of `TorrentLifecycle`."""

    def __init__(self, life: TorrentLife) -> None:
        self._life = life
        self._to_do: dict[Action, None] = {}  # each once, in this order
        self._has_more = asyncio.Event()

    def add(self, action: Action) -> None:
        """It is to be done; once, however often that is said meanwhile."""
        self._to_do[action] = None
        self._has_more.set()

    async def run(self) -> None:
        """Does it.

        Raises:
            TransferError: what ends the torrent: the metadata or the disk is of no use, files are gone, ….
        """
        while True:
            while not self._to_do:
                self._has_more.clear()
                await self._has_more.wait()
            action = next(iter(self._to_do))
            del self._to_do[action]
            match action:
                case Action.FETCH_METADATA:
                    await self._fetch_metadata()
                case Action.CHECK_FILES:
                    await self._check_files()
                case Action.SETTLE:
                    await self._settle()
                case _:
                    raise AssertionError(f"nothing that takes its time: {action.value}")

    async def _fetch_metadata(self) -> None:
        life = self._life
        metainfo = await life.metadata.run(life.sources.start)
        if metainfo.private:
            life.become_private()  # before anybody hears of another hash
        life.learn(metainfo.torrent_id)
        if not metainfo.is_verifiable:
            life.sources.start()
            metainfo = await life.layers.run(metainfo)
        life.metainfo = metainfo
        life.do(life.lifecycle.metadata_completed())

    async def _check_files(self) -> None:
        life, metainfo = self._life, self._life.metainfo
        assert metainfo is not None
        if metainfo.private:
            life.become_private()
        life.jobs.files = len(metainfo.files)
        async with life.wanted.changing:
            await self._begin(metainfo)
        life.check_ended()

    async def _begin(self, metainfo: Metainfo) -> None:
        """Finds out what is on disk, and what is to be exchanged."""
        life = self._life
        content = await life.on_disk.open(metainfo)
        selection = await life.jobs.compute(lambda: life.wanted.decide(metainfo, content))
        have = await content.check(life.note_checked)
        if life.lifecycle.must_end(is_complete=have.is_full):
            raise await life.guard.incomplete_error(have)
        life.note_checked(metainfo.piece_count)
        geometry = metainfo.geometry
        store = life.open_store(content, geometry)
        priorities = await life.jobs.compute(selection.pieces)
        await life.twins.begin(metainfo, content, have, priorities)
        unfinished = await store.load(have, priorities)
        life.files = await life.jobs.compute(lambda: FileProgress(metainfo.files, geometry, have))
        life.core.begin(
            geometry,
            have,
            metainfo.info_bytes,
            priorities=priorities,
            is_sequential=life.sequential,
            private=metainfo.private,
            super_seed=life.options.super_seed,
            unfinished=unfinished,
            trees=life.trees_of(metainfo),
            leaf_of=leaf_of(metainfo),
            now=asyncio.get_running_loop().time(),
        )
        life.twins.follow()
        if not metainfo.has_layers:
            life.complete(metainfo)

    async def _settle(self) -> None:
        life, content = self._life, self._life.content
        assert content is not None
        await life.need_store().tidy()
        is_complete = life.core.is_complete
        if not life.options.seed_only and not await life.guard.flush():
            return  # the check that this led to has said what is missing, and asks for it again in time
        await life.on_disk.remember(life.core)
        if is_complete:
            await content.rest()
        life.do(life.lifecycle.settled(is_finished=life.core.is_finished, is_complete=is_complete))
        if is_complete:
            life.layers.make(content.disk)

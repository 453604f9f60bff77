"""The reading and hashing that the exchange of hashes needs, in threads (BEP 52)."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

from bittorrent.aio.storage.disk import Disk
from bittorrent.errors import StorageError
from bittorrent.events import BadBlock, BlocksFailed
from bittorrent.swarm.core import SwarmCore
from bittorrent.swarm.events import HashesWanted, LeavesArrived
from bittorrent.swarm.peer import NOBODY
from transfer.aio.tasks import TaskSet


class HashDesk:
    """Does what a `SwarmCore` asks for, and tells it.

    Args:
        need_disk: what is read from.
        pump: carries out what the core decided.
        on_bad: told of the blocks of a piece that turned out to be bad.
        tasks: where the work is done.

    Attributes:
        bad_blocks: the latest.
    """

    def __init__(
        self,
        core: SwarmCore,
        *,
        need_disk: Callable[[], Disk],
        pump: Callable[[], None],
        on_bad: Callable[[BlocksFailed], None],
        tasks: TaskSet,
    ) -> None:
        self.bad_blocks: deque[BadBlock] = deque(maxlen=MAX_BAD_BLOCKS)
        self._core = core
        self._need_disk = need_disk
        self._pump = pump
        self._on_bad = on_bad
        self._tasks = tasks
        self._loop = asyncio.get_running_loop()

    def prepare(self, event: HashesWanted) -> None:
        """A peer asks for hashes that are not in memory."""
        self._tasks.start(self._prepare(event), name="prepare hashes")

    def judge(self, event: LeavesArrived) -> None:
        """It can be found out which blocks of a piece are bad."""
        self._tasks.start(self._judge(event), name=f"judge piece {event.completed.index}")

    async def _prepare(self, event: HashesWanted) -> None:
        try:
            found = await self._need_disk().prepare_hashes(event.work)
        except StorageError:  # whoever needs the piece itself will say so; a peer can ask another
            found = None
        self._core.hashes.prepared(event.work, found)
        self._pump()

    async def _judge(self, event: LeavesArrived) -> None:
        completed = event.completed
        bad = await self._need_disk().bad_blocks(completed.index, completed.buffer, event.leaves)
        blocks = self._core.blocks_judged(completed, bad, now=self._loop.time())
        if blocks:
            bad_blocks = tuple(
                BadBlock(block.piece, block.begin, block.length, sender.address if sender is not NOBODY else None)
                for block, sender in blocks.items()
            )
            self.bad_blocks += bad_blocks
            self._on_bad(BlocksFailed(completed.index, bad_blocks))
        self._pump()


MAX_BAD_BLOCKS = 1000

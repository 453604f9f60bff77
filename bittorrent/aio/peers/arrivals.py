"""Waiting for pieces to be verified."""

from __future__ import annotations

import asyncio


class Arrivals:
    """Wakes the tasks that wait for a piece, when it is here or can no longer be counted on."""

    def __init__(self) -> None:
        self._waiting: dict[int, dict[asyncio.Future[None], None]] = {}

    async def wait(self, index: int) -> None:
        """Returns when something has happened to the piece: look again.

        Cancellation: nothing is left behind.
        """
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(index, {})[future] = None
        try:
            await future
        finally:
            others = self._waiting.get(index)
            if others is not None:
                others.pop(future, None)
                if not others:
                    del self._waiting[index]

    def arrived(self, index: int) -> None:
        """A piece is verified and on disk."""
        self._wake(self._waiting.pop(index, {}))

    def reconsider(self) -> None:
        """Every task looks again: other pieces may be wanted now, or the torrent has stopped."""
        waiting, self._waiting = self._waiting, {}
        for futures in waiting.values():
            self._wake(futures)

    def __len__(self) -> int:
        """How many pieces are waited for."""
        return len(self._waiting)

    def _wake(self, futures: dict[asyncio.Future[None], None]) -> None:
        for future in futures:
            if not future.done():
                future.set_result(None)

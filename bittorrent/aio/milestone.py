"""Something that happens once in a life, or never."""

from __future__ import annotations

import asyncio


class Milestone:
    """Reached, missed for a reason, or still ahead. What came first stays."""

    __slots__ = ("_error", "_event")

    def __init__(self) -> None:
        self._event = asyncio.Event()
        self._error: BaseException | None = None

    @property
    def is_reached(self) -> bool:
        return self._event.is_set() and self._error is None

    @property
    def is_ahead(self) -> bool:
        return not self._event.is_set()

    def reach(self) -> None:
        """It has happened."""
        self._event.set()

    def miss(self, error: BaseException) -> None:
        """It will not happen any more; `error` says why."""
        if self.is_ahead:
            self._error = error
            self._event.set()

    async def wait(self) -> None:
        """Returns when it is reached.

        Raises:
            BaseException: the error it was missed for.

        Cancellation: only this wait ends.
        """
        await self._event.wait()
        if self._error is not None:
            raise self._error

"""An optional extension of the plug: protocols that let one read fill several buffers."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence


class ScatterProtocol(asyncio.BufferedProtocol):
    """A `BufferedProtocol` that knows where the next bytes belong, and may know it for more than one buffer's worth.

    A transport that can fill several buffers in one read (`recvmsg_into`) calls `get_buffers` and `buffers_updated`;
    any other calls `get_buffer` and `buffer_updated`. Both kinds of calls may alternate on one connection, but never
    between a call and its answer.
    """

    def get_buffers(self) -> Sequence[memoryview]:
        """Where the next bytes go, filled in this order: at least one byte of room, at most `MAX_BUFFERS` buffers."""
        raise NotImplementedError

    def buffers_updated(self, nbytes: int) -> None:
        """`nbytes` bytes, more than none, were put into what `get_buffers` last returned."""
        raise NotImplementedError


MAX_BUFFERS = 1000  # Linux, macOS and the BSDs take 1024 in one call

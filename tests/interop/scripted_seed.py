"""A seed that lies or dawdles on request: written byte by byte, so that it shares no code with ours."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Callable
from types import TracebackType
from typing import Self

from bittorrent.metainfo.torrent import Metainfo
from transfer.address import Address


class ScriptedSeed:
    """Listens on 127.0.0.2 and serves `content`.

    Args:
        corrupts: which blocks, by piece and offset, are sent with one bit wrong.
        rate_bytes_per_s: for each connection; None is as fast as it goes.
    """

    def __init__(
        self,
        metainfo: Metainfo,
        content: bytes,
        *,
        corrupts: Callable[[int, int], bool] = lambda piece, begin: False,
        rate_bytes_per_s: float | None = None,
    ) -> None:
        self.sent_bytes: list[int] = []  # for each connection
        self._metainfo = metainfo
        self._content = content
        self._corrupts = corrupts
        self._rate_bytes_per_s = rate_bytes_per_s
        self._lied = asyncio.Event()
        self._dropped = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.2", 0)
        self.address = Address(*self._server.sockets[0].getsockname())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    async def wait_lied(self) -> None:
        """Returns once a wrong block was sent."""
        await self._lied.wait()

    async def wait_dropped(self) -> None:
        """Returns once the other side ended a connection."""
        await self._dropped.wait()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        number = len(self.sent_bytes)
        self.sent_bytes.append(0)
        try:
            await reader.readexactly(68)
            writer.write(b"\x13BitTorrent protocol" + bytes(8) + self._metainfo.info_hash + b"-SS0001-" + b"x" * 12)
            count = self._metainfo.piece_count
            bits = ((1 << count) - 1 << (-count % 8)).to_bytes(-(-count // 8), "big")
            writer.write(struct.pack(">IB", 1 + len(bits), 5) + bits + struct.pack(">IB", 1, 1))
            while True:
                (length,) = struct.unpack(">I", await reader.readexactly(4))
                message = await reader.readexactly(length)
                if message[:1] == b"\x06":
                    await self._answer(number, writer, *struct.unpack(">III", message[1:]))
        except (asyncio.IncompleteReadError, ConnectionError):
            self._dropped.set()
        finally:
            writer.close()

    async def _answer(self, number: int, writer: asyncio.StreamWriter, piece: int, begin: int, length: int) -> None:
        offset = piece * self._metainfo.piece_length + begin
        data = bytearray(self._content[offset : offset + length])
        if self._corrupts(piece, begin):
            data[length // 2] ^= 1
            self._lied.set()
        writer.write(struct.pack(">IBII", 9 + length, 7, piece, begin) + data)
        self.sent_bytes[number] += length
        await writer.drain()
        if self._rate_bytes_per_s is not None:
            await asyncio.sleep(length / self._rate_bytes_per_s)

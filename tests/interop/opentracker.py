"""opentracker as an async context manager: a real HTTP and UDP tracker on a free loopback port."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import quote

from tests.interop.programs import end_process, free_port, wait_until
from tests.interop.require import require_program
from transfer.address import Address


class OpenTracker:
    """Tracks the torrents with these info-hashes, and no others, at `address` over HTTP and UDP alike.

    Debian's opentracker serves a whitelist only. It changes its root to the directory it is given and becomes
    `nobody`, so the whitelist lies in a directory that everybody may read, and is named relative to it.
    """

    def __init__(self, info_hashes: Iterable[bytes], *, host: str = "127.0.0.1") -> None:
        self.address = Address(host, free_port())
        self._info_hashes = tuple(info_hashes)
        self._directory: Path | None = None
        self._process: asyncio.subprocess.Process | None = None

    @property
    def http_url(self) -> str:
        return f"http://{self.address}/announce"

    @property
    def udp_url(self) -> str:
        return f"udp://{self.address}/announce"

    async def __aenter__(self) -> Self:
        program = require_program("opentracker", "opentracker")
        self._directory = Path(tempfile.mkdtemp(prefix="opentracker-"))
        self._directory.chmod(0o755)
        whitelist = self._directory / "whitelist"
        whitelist.write_text("".join(f"{info_hash.hex()}\n" for info_hash in self._info_hashes))
        whitelist.chmod(0o644)
        port = str(self.address.port)
        try:
            self._process = await asyncio.create_subprocess_exec(
                program,
                *("-i", self.address.host, "-p", port, "-P", port),
                *("-u", "nobody", "-d", str(self._directory), "-w", "/whitelist"),
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.DEVNULL,
            )
            await wait_until(self._serves, what="opentracker serves its whitelist", within_s=20)
        except BaseException:
            await self._end()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._end()

    async def _serves(self) -> bool:
        """Whether it takes a peer of the last torrent on its whitelist: it listens before it has read that."""
        assert self._process is not None
        if self._process.returncode is not None:
            raise RuntimeError(f"opentracker ended at once with code {self._process.returncode}")
        try:
            is_taken = b"8:interval" in await self._announce("started")
            await self._announce("stopped")
        except OSError:
            return False
        return is_taken or not self._info_hashes

    async def _announce(self, event: str) -> bytes:
        info_hash = quote(self._info_hashes[-1] if self._info_hashes else bytes(20), safe="")
        query = f"info_hash={info_hash}&peer_id={'-' * 20}&port=1&left=1&event={event}&compact=1"
        reader, writer = await asyncio.open_connection(*self.address)
        try:
            writer.write(f"GET /announce?{query} HTTP/1.0\r\n\r\n".encode())
            return await reader.read()
        finally:
            writer.close()
            await writer.wait_closed()

    async def _end(self) -> None:
        if self._process is not None:
            await end_process(self._process)
        if self._directory is not None:
            shutil.rmtree(self._directory)

"""opentracker: a real HTTP and UDP tracker on a free loopback port."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from urllib.parse import quote

from bittorrent.tracker.scrape import parse_scrape
from tests.interop.programs import Program, wait_until


class OpenTracker(Program):
    """Tracks the torrents with these info-hashes, and no others, at `address` over HTTP and UDP alike.

    Debian's opentracker serves a whitelist only. It changes its root to the directory it is given and becomes
    `nobody`, so the whitelist lies in a directory that everybody may read, and is named relative to it.
    """

    name = "opentracker"
    package = "opentracker"

    def __init__(self, info_hashes: Iterable[bytes], *, host: str = "127.0.0.1") -> None:
        super().__init__(host=host)
        self._info_hashes = tuple(info_hashes)

    @property
    def http_url(self) -> str:
        return f"http://{self.address}/announce"

    @property
    def udp_url(self) -> str:
        return f"udp://{self.address}/announce"

    def arguments(self) -> Sequence[str]:
        self.directory.chmod(0o755)
        whitelist = self.directory / "whitelist"
        whitelist.write_text("".join(f"{info_hash.hex()}\n" for info_hash in self._info_hashes))
        whitelist.chmod(0o644)
        port = str(self.address.port)
        return (
            *("-i", self.address.host, "-p", port, "-P", port),
            *("-u", "nobody", "-d", str(self.directory), "-w", "/whitelist"),
        )

    async def serves(self) -> bool:
        """Whether it takes a peer of the last torrent on its whitelist: it listens before it has read that."""
        is_taken = b"8:interval" in await self._announce("started")
        await self._announce("stopped")
        return is_taken or not self._info_hashes

    async def wait_for_peer(self, info_hash: bytes) -> None:
        """Returns once somebody shares the torrent."""

        async def is_there() -> bool:
            answer = await self._get(f"/scrape?info_hash={quote(info_hash, safe='')}")
            stats = parse_scrape(answer.partition(b"\r\n\r\n")[2], [info_hash]).get(info_hash)
            return stats is not None and stats.seeders + stats.leechers > 0

        await wait_until(is_there, what="a peer at the tracker", within_s=20)

    async def _announce(self, event: str) -> bytes:
        info_hash = quote(self._info_hashes[-1] if self._info_hashes else bytes(20), safe="")
        peer = f"peer_id={'-' * 20}&port=1&left=1&event={event}&compact=1"
        return await self._get(f"/announce?info_hash={info_hash}&{peer}")

    async def _get(self, path: str) -> bytes:
        reader, writer = await asyncio.open_connection(*self.address)
        try:
            writer.write(f"GET {path} HTTP/1.0\r\n\r\n".encode())
            return await reader.read()
        finally:
            writer.close()
            await writer.wait_closed()

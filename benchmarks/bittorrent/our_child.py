"""Runs one `Session` as a process of its own, told what to do by JSON lines: the twin of `libtorrent_child`."""

from __future__ import annotations

import asyncio
import base64
import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.bittorrent.usage import cpu_s, peak_rss_bytes
from bittorrent import DialPath, Encryption, Metainfo, PathConfig, Session, SessionConfig, Torrent, TorrentState
from transfer import Layer, LayeredTransport, StreamTransport, TcpTransport, UtpConfig


class Child:
    """One method `do_<name>` for each command."""

    def __init__(self, session: Session, *, measures_lateness: bool) -> None:
        self.session = session
        self.torrents: dict[str, Torrent] = {}
        self._began_cpu_s = 0.0
        self._measures_lateness = measures_lateness
        self._probe: asyncio.Task[None] | None = None
        self._lateness_s: list[float] = []

    async def run(self, command: dict[str, Any]) -> dict[str, Any]:
        result: dict[str, Any] = await getattr(self, "do_" + command.pop("do"))(**command)
        return result

    async def do_port(self) -> dict[str, Any]:
        return {"port": self.session.address.port}

    async def do_add(self, save_path: str, torrent: str, magnet: str = "", seed: bool = False) -> dict[str, Any]:
        metainfo = Metainfo.from_bytes(base64.b64decode(torrent))
        added = await self.session.add(metainfo, download_dir=save_path, seed_only=seed)
        if seed:
            await added.wait_complete()
        else:
            while added.state is TorrentState.CHECKING:  # noqa: ASYNC110  # ends within milliseconds: there is no file
                await asyncio.sleep(0.001)
        key = metainfo.info_hash.hex()
        self.torrents[key] = added
        return {"info_hash": key}

    async def do_connect(self, info_hash: str, peers: list[list[Any]]) -> dict[str, Any]:
        self.torrents[info_hash].add_peers([(host, port) for host, port in peers])
        return {}

    async def do_wait_verified(self, info_hash: str) -> dict[str, Any]:
        """Every piece has its hash and was given to the system: what libtorrent calls seeding and flushed."""
        torrent = self.torrents[info_hash]
        async with torrent.events() as events:
            while torrent.state is TorrentState.DOWNLOADING:
                await anext(events)
        return {}

    async def do_wait_synced(self, info_hash: str) -> dict[str, Any]:
        """As above, and nothing is left in the caches of the system."""
        await self.torrents[info_hash].wait_complete()
        return {}

    async def do_begin(self) -> dict[str, Any]:
        self._began_cpu_s = cpu_s()
        self._lateness_s.clear()
        if self._measures_lateness:
            self._probe = asyncio.create_task(self._measure_lateness())
        return {}

    async def do_end(self) -> dict[str, Any]:
        used = {"cpu_s": cpu_s() - self._began_cpu_s, "peak_rss_bytes": peak_rss_bytes()}
        if self._probe is not None:
            self._probe.cancel()
            await asyncio.wait([self._probe])
            late = sorted(self._lateness_s)
            used |= {"latency_p99_s": late[int(len(late) * 0.99)], "latency_max_s": late[-1]}
        return used

    async def _measure_lateness(self) -> None:
        """How late a coroutine of the caller wakes up that sleeps 10 ms at a time."""
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + PROBE_S
            await asyncio.sleep(PROBE_S)
            self._lateness_s.append(loop.time() - due)


async def main(settings: dict[str, Any]) -> None:
    config = SessionConfig(max_connections_per_host=200)
    if "slots" in settings:
        choker = replace(config.swarm.choker, slots=settings["slots"])
        config = replace(config, swarm=replace(config.swarm, choker=choker))
    if "path" in settings:
        config = replace(config, paths=PathConfig(paths=(DialPath(transport=settings["path"]),)))
    if "encryption" in settings:
        config = replace(config, encryption=Encryption(settings["encryption"]))
    if settings.get("congestion"):
        config = replace(config, utp=UtpConfig(congestion=settings["congestion"]))
    transport: StreamTransport = TcpTransport()
    for _ in range(settings.get("layers", 0)):
        transport = LayeredTransport(transport, dial=lambda _: Layer(), accept=Layer)
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=64 << 20)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    host, port = settings["host"], settings["port"]
    async with Session(Path.cwd(), host=host, port=port, config=config, transport=transport) as session:
        child = Child(session, measures_lateness=settings.get("measures_lateness", True))
        while line := await reader.readline():
            command = json.loads(line)
            number = command.pop("id")
            print(json.dumps({"id": number, **await child.run(command)}), flush=True)


PROBE_S = 0.01

if __name__ == "__main__":
    options = json.loads(sys.argv[1])
    factory = None
    if options.get("uvloop"):
        import uvloop

        factory = uvloop.new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(main(options))

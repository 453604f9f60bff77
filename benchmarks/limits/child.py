"""The session that is attacked, in a process of its own, told what to do by JSON lines."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

from bittorrent import Metainfo, RateLimits, Session, SessionConfig


class Victim:
    """One method `do_<name>` for each command."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def run(self, command: dict[str, Any]) -> dict[str, Any]:
        result: dict[str, Any] = await getattr(self, "do_" + command.pop("do"))(**command)
        return result

    async def do_port(self) -> dict[str, Any]:
        return {"port": self._session.address.port}

    async def do_add(self, torrent: str, folder: str, limit_bytes_per_s: float | None) -> dict[str, Any]:
        added = await self._session.add(Metainfo.from_file(torrent), download_dir=folder, seed_only=True)
        await added.wait_complete()
        added.set_rate_limits(
            RateLimits(upload_bytes_per_s=limit_bytes_per_s, local_upload_bytes_per_s=limit_bytes_per_s)
        )
        return {}

    async def do_look(self) -> dict[str, Any]:
        gc.collect()
        report = self._session.limits.explain()
        return {
            "descriptors": len(os.listdir("/proc/self/fd")),
            "memory_bytes": memory_bytes(),
            "cpu_s": time.process_time(),
            "connections": self._session.connection_count,
            "peers": {str(number): it.statistics().peers for number, it in enumerate(self._session.torrents.values())},
            "refused": self._session.statistics().refused_connections,
            "usage": report.usage,
            "refusals": [
                {
                    "limit": it.latest.limit,
                    "count": it.count,
                    "in_use": it.latest.in_use,
                    "most": it.latest.most,
                    "text": str(it),
                }
                for it in report.refusals
            ],
        }


def memory_bytes() -> int:
    """What the process holds now."""
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


async def main(options: dict[str, Any]) -> None:
    if options.get("descriptors"):
        import resource

        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (options["descriptors"], hard))
    config = SessionConfig(exempt_networks=(), **options.get("config", {}))  # or else nobody here would be limited
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=64 << 20)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    async with Session(Path.cwd(), host="0.0.0.0", port=options["port"], config=config) as session:
        victim = Victim(session)
        while line := await reader.readline():
            command = json.loads(line)
            number = command.pop("id")
            print(json.dumps({"id": number, **await victim.run(command)}), flush=True)


if __name__ == "__main__":
    asyncio.run(main(json.loads(sys.argv[1])))

"""Runs one session of ours as a process of its own, told what to do by JSON lines, so that it can live elsewhere.

Its argument is `{"host": …, "port": …, "config": {field of SessionConfig: value}, "up_bytes_per_s": …}`. Each command
is `{"id": n, "do": name, ...}`; the end of standard input ends the process.
"""

from __future__ import annotations

import asyncio
import base64
import json
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from bittorrent import Metainfo, RateLimits, Session, SessionConfig, Torrent  # noqa: E402


class Child:
    def __init__(self, session: Session) -> None:
        self.session = session
        self.torrents: dict[str, Torrent] = {}

    async def run(self, command: dict[str, Any]) -> dict[str, Any]:
        result: dict[str, Any] = await getattr(self, "do_" + command.pop("do"))(**command)
        return result

    async def do_add(self, torrent: str, folder: str, seed: bool, peers: list[Any], deaf: bool) -> dict[str, Any]:
        """With `deaf` nobody is called but `peers`, whoever is named."""
        metainfo = Metainfo.from_bytes(base64.b64decode(torrent))
        added = await self.session.add(
            metainfo, download_dir=folder, seed_only=seed, peers=[(host, port) for host, port in peers]
        )
        if deaf:
            vars(added._life.swarm)["add_addresses"] = lambda *_, **__: None
        self.torrents[metainfo.info_hash.hex()] = added
        return {"info_hash": metainfo.info_hash.hex(), "port": self.session.address.port}

    async def do_peers(self, info_hash: str) -> dict[str, Any]:
        return {
            "peers": [
                {
                    "host": peer.address.host,
                    "transport": peer.transport,
                    "is_dialled": peer.is_dialled,
                    "introduced_by": str(peer.introduced_by or ""),
                    "down": peer.downloaded_bytes,
                    "up": peer.uploaded_bytes,
                }
                for peer in self.torrents[info_hash].peers()
            ],
            "introductions": self.torrents[info_hash]._life.core.exchange.punching.relay.introduced,
        }


async def main() -> None:
    options = json.loads(sys.argv[1])
    reader = asyncio.StreamReader(limit=64 << 20)
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    async with Session(
        host=options["host"], port=options["port"], config=SessionConfig(**options["config"])
    ) as session:
        up = options["up_bytes_per_s"]
        session.set_rate_limits(RateLimits(upload_bytes_per_s=up, local_upload_bytes_per_s=up))
        child = Child(session)
        while line := await reader.readline():
            command = json.loads(line)
            number = command.pop("id")
            try:
                answer = await child.run(command)
            except Exception as error:  # noqa: BLE001  # the test process decides what an error means
                answer = {"error": f"{type(error).__name__}: {error}"}
            print(json.dumps({"id": number, **answer}), flush=True)


if __name__ == "__main__":
    asyncio.run(main())

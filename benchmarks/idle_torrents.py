"""What a session with many torrents costs while nothing happens: memory, and CPU time of this process.

Half of the torrents are complete and seeded, half are downloads that nobody has; each announces to a tracker on
loopback, which answers in this process and is part of the figures. The session is left alone first, until all have
been checked and announced.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import hashlib
import os
import struct
import tempfile
import time
from pathlib import Path
from typing import cast

from bittorrent import Metainfo, Session, SessionConfig, TorrentState
from transfer import Address, bencode

KIB = 1 << 10


class Tracker(asyncio.DatagramProtocol):
    """A UDP tracker that knows nobody and wants to be asked every half hour (BEP 15)."""

    def __init__(self) -> None:
        self.announces = 0
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        assert self._transport is not None
        if data[11] == 0:
            self._transport.sendto(bytes(4) + data[12:16] + bytes(8), addr)
        else:
            self.announces += 1
            self._transport.sendto(b"\0\0\0\1" + data[12:16] + struct.pack(">III", 1800, 0, 0), addr)


def make_torrents(count: int, where: Path, tracker: str, pieces: int) -> list[Metainfo]:
    """Files of `pieces` pieces; only every other one is on disk."""
    made = []
    for number in range(count):
        size = pieces * 16 * KIB
        content = hashlib.blake2b(number.to_bytes(4, "big")).digest() * (size // 64)
        hashes = b"".join(hashlib.sha1(content[at : at + 16 * KIB]).digest() for at in range(0, size, 16 * KIB))
        name = f"file {number}.bin"
        info: dict[str, str | int | bytes] = {"name": name, "length": size, "piece length": 16 * KIB, "pieces": hashes}
        made.append(Metainfo.from_info(bencode.encode(info), trackers=[[tracker]]))
        if number % 2 == 0:
            (where / name).write_bytes(content)
    return made


def rss_mib() -> float:
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / (1 << 20)


async def measure(count: int, seconds: float, pieces: int) -> None:
    loop = asyncio.get_running_loop()
    transport, tracker = await loop.create_datagram_endpoint(Tracker, local_addr=("127.0.0.1", 0))
    url = f"udp://{Address.from_socket(transport.get_extra_info('sockname'))}/announce"
    with tempfile.TemporaryDirectory() as folder:
        torrents = make_torrents(count, Path(folder), url, pieces)
        gc.collect()
        before_mib = rss_mib()
        started_at = time.perf_counter()
        async with Session(folder, host="127.0.0.1", config=SessionConfig()) as session:
            added = [await session.add(metainfo) for metainfo in torrents]
            at_rest = (TorrentState.SEEDING, TorrentState.DOWNLOADING)
            while tracker.announces < count or any(torrent.state not in at_rest for torrent in added):  # noqa: ASYNC110
                await asyncio.sleep(0.1)
            ready_s = time.perf_counter() - started_at
            await asyncio.sleep(3)
            gc.collect()
            cpu, wall = time.process_time(), time.perf_counter()
            await asyncio.sleep(seconds)
            cpu_s, wall_s = time.process_time() - cpu, time.perf_counter() - wall
            after_mib = rss_mib()
            closing_at = time.perf_counter()
        print(f"{count} idle torrents of {pieces} pieces, half of them complete, over {wall_s:.0f} s")
        print(f"  ready after     {ready_s:7.1f} s")
        each_kib = (after_mib - before_mib) * 1024 / count
        print(f"  memory          {after_mib:7.1f} MiB, {each_kib:.1f} KiB for each torrent")
        print(f"  CPU             {100 * cpu_s / wall_s:7.2f} % of a core ({cpu_s:.2f} s)")
        print(f"  closed within   {time.perf_counter() - closing_at:7.1f} s")
    transport.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--torrents", type=int, default=1000)
    parser.add_argument("--pieces", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=30)
    arguments = parser.parse_args()
    asyncio.run(measure(arguments.torrents, arguments.seconds, arguments.pieces))


if __name__ == "__main__":
    main()

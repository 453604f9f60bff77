"""How long a torrent of very many files holds the event loop, and how long its session takes to end.

A peer in another process has the metadata of a torrent of empty files and one small one; a session here fetches it by
magnet link. Something is due in its event loop every five milliseconds, and the longest delay is the figure. The
garbage collector, which stops every thread and takes longer the more objects there are, is told apart. Then the session
is closed while it still makes the files.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import hashlib
import json
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from typing import Any

from bittorrent import FileEntry, Magnet, Metainfo, Session
from fileshare.cli.main import collect_garbage_rarely
from transfer import bencode

PIECE = 1 << 14


class Zeros:
    """A storage that has everything: zeros."""

    def __init__(self, files: Sequence[FileEntry], root: str | os.PathLike[str], /, *, writable: bool) -> None:
        self.total_bytes = files[-1].end

    def read(self, offset: int, length: int) -> bytes:
        return bytes(length)

    def read_into(self, offset: int, buffer: bytearray | memoryview) -> None:
        memoryview(buffer)[:] = bytes(len(buffer))

    def write(self, offset: int, data: bytes | bytearray | memoryview) -> None:
        """Nothing is kept."""

    def prepare(self) -> None:
        """There is nothing to be made."""

    def exists_any(self) -> bool:
        return True

    def is_hole(self, offset: int, length: int) -> bool:
        return False

    def flush(self) -> None:
        """There is nothing to be written."""

    def close(self) -> None:
        """There is nothing to be closed."""


class Delays:
    """The longest delay of what is due in the event loop, and the longest collection of garbage."""

    def __init__(self) -> None:
        self.longest_s = 0.0
        self.longest_collection_s = 0.0
        self._began_at = 0.0

    def start(self) -> None:
        gc.callbacks.append(self._note_collection)
        self._tick(time.monotonic())

    def _tick(self, due_at: float) -> None:
        now = time.monotonic()
        self.longest_s = max(self.longest_s, now - due_at)
        asyncio.get_running_loop().call_later(0.005, self._tick, now + 0.005)

    def _note_collection(self, phase: str, info: dict[str, int]) -> None:
        if phase == "start":
            self._began_at = time.monotonic()
        else:
            self.longest_collection_s = max(self.longest_collection_s, time.monotonic() - self._began_at)


def make_torrent(count: int) -> Metainfo:
    files: list[dict[str, Any]] = [{"length": 0, "path": [f"{number:06}"]} for number in range(count)]
    info: dict[str, Any] = {
        "name": "many",
        "piece length": PIECE,
        "pieces": hashlib.sha1(bytes(PIECE)).digest(),
        "files": [*files, {"length": PIECE, "path": ["data"]}],
    }
    return Metainfo.from_info(bencode.encode(info))


async def serve(count: int) -> None:
    metainfo = make_torrent(count)
    async with Session(host="127.0.0.1", open_storage=Zeros) as session:
        await (await session.add(metainfo, seed_only=True)).wait_complete()
        size = len(metainfo.info_bytes)
        print(json.dumps([metainfo.info_hash.hex(), session.address.port, size]), flush=True)
        await asyncio.Event().wait()


async def fetch(count: int, making_s: float) -> None:
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "benchmarks.many_files", "--files", str(count), "--serve"),
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        assert child.stdout is not None
        info_hash, port, size = json.loads(await child.stdout.readline())
        delays = Delays()
        with tempfile.TemporaryDirectory() as folder:
            async with Session(folder, host="127.0.0.1") as session:
                delays.start()
                started_at = time.monotonic()
                torrent = await session.add(Magnet(v1=bytes.fromhex(info_hash)), peers=[("127.0.0.1", port)])
                await torrent.wait_metadata()
                known_after_s = time.monotonic() - started_at
                await asyncio.sleep(making_s)
                state, closing_at = torrent.state, time.monotonic()
            took_s = time.monotonic() - closing_at
        print(f"{count + 1:,} files, {size / 1e6:.1f} MB of metadata, known after {known_after_s:.1f} s")
        print(f"longest delay in the event loop {delays.longest_s * 1e3:.0f} ms", end="")
        print(f" (longest collection of garbage {delays.longest_collection_s * 1e3:.0f} ms)")
        print(f"closing while {state} took {took_s:.2f} s")
    finally:
        child.kill()
        await child.wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=300_000)
    parser.add_argument("--making", type=float, default=5.0, metavar="SECONDS", help="from the metadata to the end")
    parser.add_argument("--library", action="store_true", help="collect garbage as Python does, not as kad")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if not options.library:
        collect_garbage_rarely()
    asyncio.run(serve(options.files) if options.serve else fetch(options.files, options.making))


if __name__ == "__main__":
    main()

"""`kad get` killed with SIGKILL at random moments, and on a disk that takes no more: nothing verified is lost."""

from __future__ import annotations

import asyncio
import json
import random
import resource
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from bittorrent.creating.create import create_metainfo
from bittorrent.metainfo.torrent import Metainfo
from tests.interop.content import MIB, digests, make_file
from tests.interop.programs import end_process
from tests.interop.scripted_seed import ScriptedSeed

pytestmark = pytest.mark.interop

SIZE = 8 * MIB


@pytest.fixture
def shared(tmp_path: Path) -> Metainfo:
    metainfo = create_metainfo(make_file(tmp_path / "theirs" / "shared.bin", SIZE), piece_length=1 << 16)
    (tmp_path / "shared.torrent").write_bytes(metainfo.to_bytes())
    return metainfo


class Get:
    """One run of `kad get --json`, and the events it has printed."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.events: list[dict[str, Any]] = []

    async def wait_for(self, condition: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """The first event from now on for which `condition` holds."""
        assert self.process.stdout is not None
        async with asyncio.timeout(60):
            while line := await self.process.stdout.readline():
                self.events.append(json.loads(line))
                if condition(self.events[-1]):
                    return self.events[-1]
        raise AssertionError(f"the command ended: {self.events[-1:]}")

    @property
    def done_pieces(self) -> int:
        return max((event["done_pieces"] for event in self.events if "done_pieces" in event), default=0)


def reached(pieces: int) -> Callable[[dict[str, Any]], bool]:
    return lambda event: event.get("done_pieces", 0) >= pieces


@asynccontextmanager
async def kad_get(tmp_path: Path, seed: ScriptedSeed, *, max_file_bytes: int | None = None) -> AsyncIterator[Get]:
    def limit() -> None:
        if max_file_bytes is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (max_file_bytes, max_file_bytes))

    arguments = ["get", str(tmp_path / "shared.torrent"), "-o", str(tmp_path / "ours"), "--sequential"]
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "fileshare.cli", *arguments, "--peer", str(seed.address), "--no-dht", "--no-local"),
        *("--listen", "127.0.0.1:0", "--json"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        preexec_fn=limit,
    )
    try:
        yield Get(process)
    finally:
        await end_process(process)


@pytest.mark.parametrize("seed", range(2))
async def test_killed_again_and_again_it_continues_where_it_was(tmp_path: Path, shared: Metainfo, seed: int) -> None:
    rng = random.Random(seed)
    content = (tmp_path / "theirs" / "shared.bin").read_bytes()
    async with ScriptedSeed(shared, content, rate_bytes_per_s=4 * MIB) as source:
        verified = 0
        for moment in sorted(rng.sample(range(1, shared.piece_count * 2 // 3), 3)):
            async with kad_get(tmp_path, source) as get:
                await get.wait_for(reached(moment))
                get.process.kill()
                await get.process.wait()
                assert get.done_pieces >= verified, "verified pieces were lost"
                verified = get.done_pieces
        async with kad_get(tmp_path, source) as get:
            done = await get.wait_for(lambda event: event["event"] == "done")
            assert await get.process.wait() == 0
        assert done["downloaded_bytes"] <= SIZE - verified * shared.piece_length
        assert done["failed_pieces"] == 0
        assert source.sent_bytes[-1] == done["downloaded_bytes"] + done["wasted_bytes"]
    assert digests(tmp_path / "ours" / "shared.bin") == digests(tmp_path / "theirs" / "shared.bin")


async def test_a_full_disk_is_one_line_and_what_was_verified_stays(tmp_path: Path, shared: Metainfo) -> None:
    content = (tmp_path / "theirs" / "shared.bin").read_bytes()
    async with ScriptedSeed(shared, content) as source:
        async with kad_get(tmp_path, source, max_file_bytes=SIZE // 2) as get:
            _, complaint = await get.process.communicate()
            assert get.process.returncode == 1
        assert complaint.decode().count("\n") == 1
        assert "File too large" in complaint.decode()
        async with kad_get(tmp_path, source) as get:
            done = await get.wait_for(lambda event: event["event"] == "done")
            assert await get.process.wait() == 0
        assert done["downloaded_bytes"] < SIZE
    assert digests(tmp_path / "ours" / "shared.bin") == digests(tmp_path / "theirs" / "shared.bin")

"""`kad seed` and `kad get` of version 2 and hybrid torrents, found through a tracker or the DHT by a link alone."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext
from dataclasses import replace
from pathlib import Path

import pytest

from bittorrent import create_metainfo
from tests.interop.kad import ANY, Kad, run
from tests.interop.marks import needs_posix
from tests.interop.opentracker import OpenTracker

pytestmark = needs_posix

__all__ = ["pytestmark"]


@asynccontextmanager
async def dht() -> AsyncIterator[str]:
    """The address of one of two nodes."""
    async with Kad("dht", "node", "--listen", ANY, "--bootstrap", "none") as first:
        address: str = (await first.wait_event("listening"))["address"]
        async with Kad("dht", "node", "--listen", ANY, "--bootstrap", address) as second:
            await second.wait_event("joined")
            yield address


@pytest.mark.parametrize(("kind", "by"), [("v2", "dht"), ("hybrid", "tracker")])
async def test_a_link_to_the_version_2_hash_is_enough(tmp_path: Path, kind: str, by: str) -> None:
    path = tmp_path / "shared" / "file.bin"
    path.parent.mkdir()
    path.write_bytes(random.Random(1).randbytes(300_001))
    metainfo = create_metainfo(path, format=kind, piece_length=1 << 14)
    torrent_id = metainfo.torrent_id
    assert torrent_id.v2 is not None
    async with OpenTracker([*torrent_id.short]) as tracker, dht() if by == "dht" else nullcontext("") as network:
        announced = replace(metainfo, trackers=((tracker.http_url,),)) if by == "tracker" else metainfo
        (tmp_path / "file.torrent").write_bytes(announced.to_bytes())
        link = f"magnet:?xt=urn:btmh:1220{torrent_id.v2.hex()}"
        options = ["--listen", ANY, *(("--no-dht", "--allow-private") if by == "tracker" else ("--bootstrap", network))]
        if by == "tracker":
            link = f"{link}&tr={tracker.http_url}"
        async with Kad("seed", tmp_path / "file.torrent", "-d", path.parent, *options) as seed:
            seeding = await seed.wait_event("seeding")
            assert (seeding["info_hash"], seeding["info_hash_v2"]) == (metainfo.info_hash.hex(), torrent_id.v2.hex())
            assert f"urn:btmh:1220{torrent_id.v2.hex()}" in seeding["magnet"]
            if by == "tracker":
                await tracker.wait_for_peer(torrent_id.short[-1])
            finished = await run("get", link, "-o", tmp_path / "copy", *options)
        assert finished.done["info_hash"] == torrent_id.v2.hex()[:40]
        assert finished.done["info_hash_v2"] == torrent_id.v2.hex()
    assert (tmp_path / "copy" / "file.bin").read_bytes() == path.read_bytes()

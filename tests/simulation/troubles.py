"""A download among trackers that fail in every way, and one whose disk runs full and is emptied later."""

from __future__ import annotations

import asyncio
import random
from dataclasses import replace
from urllib.parse import unquote_to_bytes

import pytest
from aiohttp import web

from bittorrent.aio.session import Session
from bittorrent.errors import StorageError
from bittorrent.stats import TorrentState, TrackerState
from tests.simulation.shared_content import SharedContent
from transfer.address import Address
from transfer.simulation import Simulation, scenario
from transfer.wire import bencode

SEEDER, LEECH, BROKEN, WORKING, LATE = (f"10.0.0.{number}" for number in range(1, 6))
PORT = 6881
SIZE, PIECE = 1 << 20, 1 << 16
ANNOUNCE = "http://{}/announce"


class Tracker:
    """Knows who announced, and what each said; `is_up` decides whether it answers at all."""

    def __init__(self, *, interval_s: int = 600) -> None:
        self.is_up = True
        self.heard: list[tuple[str, str]] = []
        self._interval_s = interval_s
        self._peers: dict[str, bytes] = {}

    async def answer(self, request: web.Request) -> web.StreamResponse:
        if not self.is_up:
            return web.Response(status=503)
        query = dict(part.split("=", 1) for part in request.query_string.split("&"))
        assert request.remote is not None
        assert len(unquote_to_bytes(request.raw_path.partition("info_hash=")[2].partition("&")[0])) == 20
        self.heard.append((request.remote, query.get("event", "")))
        self._peers[request.remote] = Address(request.remote, int(query["port"])).compact()
        answer: dict[bytes, int | bytes] = {b"interval": self._interval_s, b"peers": b"".join(self._peers.values())}
        return web.Response(body=bencode.encode(answer))

    async def serve(self) -> web.AppRunner:
        application = web.Application()
        application.router.add_get("/announce", self.answer)
        runner = web.AppRunner(application)
        await runner.setup()
        await web.TCPSite(runner, "0.0.0.0", 80).start()
        return runner


@scenario()
async def trackers_fail(simulation: Simulation) -> dict[str, list[tuple[str, str]]]:
    """What each tracker heard: one always fails, one works, one comes up after the download."""
    rng = simulation.rng
    content = SharedContent.make(SIZE, PIECE, rng)
    tiers = [[ANNOUNCE.format(BROKEN), ANNOUNCE.format(WORKING)], [ANNOUNCE.format(LATE)]]
    metainfo = replace(content.metainfo, trackers=tuple(map(tuple, tiers)))
    trackers = {host: Tracker() for host in (BROKEN, WORKING, LATE)}
    trackers[BROKEN].is_up = trackers[LATE].is_up = False
    runners = []
    for host, tracker in trackers.items():
        with simulation.host(host):
            runners.append(await tracker.serve())

    def session(host: str, *, complete: bool) -> Session:
        storage = content.on(simulation.disk(host), complete=complete)
        return Session(host=host, port=PORT, rng=random.Random(rng.random()), open_storage=storage)

    with simulation.host(SEEDER):
        seeder = await session(SEEDER, complete=True).__aenter__()
        seed = await seeder.add(metainfo, seed_only=True)
        await seed.wait_announced()
    with simulation.host(LEECH):
        async with session(LEECH, complete=False) as leech:
            torrent = await leech.add(metainfo)
            async with asyncio.timeout(120):
                await torrent.wait_complete()
            trackers[LATE].is_up = True
            await asyncio.sleep(1000)  # longer than the longest wait between two tries by then
            states = {tracker.url: tracker.state for tracker in torrent.trackers()}
            assert states[ANNOUNCE.format(WORKING)] is states[ANNOUNCE.format(LATE)] is TrackerState.WORKING
    await seeder.aclose()
    for runner in runners:
        await runner.cleanup()
    return {host: [event for event in tracker.heard if event[0] == LEECH] for host, tracker in trackers.items()}


@scenario()
async def disk_runs_full(simulation: Simulation) -> tuple[int, int, int]:
    """Pieces on disk when it was full, pieces in the end, and bytes fetched."""
    rng = simulation.rng
    content = SharedContent.make(SIZE, PIECE, rng)
    with simulation.host(SEEDER):
        storage = content.on(simulation.disk(SEEDER), complete=True)
        seeder = Session(host=SEEDER, port=PORT, rng=random.Random(rng.random()), open_storage=storage)
        await seeder.__aenter__()
        await (await seeder.add(content.metainfo, seed_only=True)).wait_complete()
    disk = simulation.disk(LEECH)
    disk.config = replace(disk.config, capacity_bytes=SIZE // 2)
    with simulation.host(LEECH):
        leech = Session(host=LEECH, port=PORT, rng=random.Random(rng.random()), open_storage=content.on(disk))
        async with leech:
            torrent = await leech.add(content.metainfo, peers=[(SEEDER, PORT)])
            with pytest.raises(StorageError, match="free some space"):
                await torrent.wait_complete()
            assert torrent.statistics().state is TorrentState.FAILED
            await asyncio.sleep(60)
            before = torrent.statistics().done_pieces
            disk.config = replace(disk.config, capacity_bytes=None)
            torrent.resume()
            async with asyncio.timeout(60):
                await torrent.wait_complete()
            after = torrent.statistics()
    await seeder.aclose()
    return before, after.done_pieces, after.downloaded_bytes

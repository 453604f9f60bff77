"""A torrent of several trackers that go down and come back, and a UDP tracker that loses what it is asked."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import cast

from aiohttp import web

from bittorrent.aio.sources.tracker import TrackerClient, TrackerConfig
from bittorrent.errors import TrackerError
from bittorrent.tracker.messages import AnnounceEvent, AnnounceRequest
from tests.simulation.content_sessions import add, session_on
from tests.simulation.shared_content import SharedContent
from transfer.simulation import Simulation
from transfer.wire import bencode

US = "10.0.0.1"
UDP_TRACKER, UDP_PORT = "10.0.0.9", 6969


@dataclass(frozen=True, slots=True)
class Asked:
    """One announcement as a tracker saw it."""

    at_s: float
    tracker: str
    event: str
    was_answered: bool


class Trackers:
    """Named after their hosts; all write into one log, down or not."""

    def __init__(self, simulation: Simulation, hosts: Sequence[str], *, said: Mapping[bytes, int]) -> None:
        self.up: set[str] = set()
        self.log: list[Asked] = []
        self._simulation = simulation
        self._hosts = hosts
        self._answer = bencode.encode({**said, b"peers": b""})

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        runners = []
        for host in self._hosts:
            with self._simulation.host(host):
                application = web.Application()
                application.router.add_get("/announce", self._respond)
                runner = web.AppRunner(application)
                await runner.setup()
                await web.TCPSite(runner, "0.0.0.0", 80).start()
                runners.append(runner)
        try:
            yield
        finally:
            for runner in runners:
                await runner.cleanup()

    async def _respond(self, request: web.Request) -> web.StreamResponse:
        is_up = request.host in self.up
        self.log.append(Asked(self._simulation.now, request.host, request.query.get("event", ""), is_up))
        return web.Response(body=self._answer) if is_up else web.Response(status=503)


async def tiers(
    simulation: Simulation,
    tiers: Sequence[Sequence[str]],
    *,
    plan: Mapping[float, Sequence[str]],
    seconds: float,
    said: Mapping[bytes, int],
    impatient_at_s: float | None = None,
) -> list[Asked]:
    """What the trackers were asked in a seed's time; `plan` tells which are up from when on."""
    content = SharedContent.make(1 << 16, 1 << 15, simulation.rng)
    trackers = Trackers(simulation, [host for tier in tiers for host in tier], said=said)
    urls = tuple(tuple(f"http://{host}/announce" for host in tier) for tier in tiers)
    async with trackers.serving(), session_on(simulation, US, content, complete=True) as session:
        torrent = await add(simulation, US, session, replace(content.metainfo, trackers=urls))
        for at_s, up in sorted(plan.items()):
            await asyncio.sleep(at_s - simulation.now)
            trackers.up = set(up)
        if impatient_at_s is not None:
            await asyncio.sleep(impatient_at_s - simulation.now)
            torrent.reannounce()
        await asyncio.sleep(seconds - simulation.now)
        return list(trackers.log)


class UdpTracker(asyncio.DatagramProtocol):
    """Answers what `answers` says it does: nothing, connects only, or everything from some time on."""

    def __init__(self, simulation: Simulation, *, connects_from_s: float, announces_from_s: float) -> None:
        self.log: list[tuple[float, int, int]] = []  # when, the action, the connection id
        self.askers: set[tuple[str, int]] = set()
        self._simulation = simulation
        self._from_s = {0: connects_from_s, 1: announces_from_s}
        self._transport: asyncio.DatagramTransport
        self._ids = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, address: tuple[str, int]) -> None:
        self.askers.add(address)
        connection_id, action, transaction_id = struct.unpack_from(">QII", data)
        now = self._simulation.now
        self.log.append((round(now, 1), action, connection_id if action else 0))
        if now < self._from_s[action]:
            return
        if action == 0:
            self._ids += 1
            self._transport.sendto(struct.pack(">IIQ", 0, transaction_id, self._ids), address)
        else:
            self._transport.sendto(struct.pack(">IIIII", 1, transaction_id, 1800, 0, 1), address)


@asynccontextmanager
async def udp_tracker(
    simulation: Simulation, *, connects_from_s: float, announces_from_s: float
) -> AsyncIterator[UdpTracker]:
    loop = asyncio.get_running_loop()
    tracker = UdpTracker(simulation, connects_from_s=connects_from_s, announces_from_s=announces_from_s)
    with simulation.host(UDP_TRACKER):
        transport, _ = await loop.create_datagram_endpoint(lambda: tracker, (UDP_TRACKER, UDP_PORT))
    try:
        yield tracker
    finally:
        transport.close()


async def ask_udp(
    simulation: Simulation, *, connects_from_s: float, announces_from_s: float
) -> tuple[list[tuple[float, int, int]], str | None, float]:
    """All that one announcement with endless patience sends, why it failed if it did, and when it was over."""
    request = AnnounceRequest(
        info_hash=bytes(20), peer_id=bytes(20), port=1, uploaded=0, downloaded=0, left=0, event=AnnounceEvent.STARTED
    )
    async with udp_tracker(simulation, connects_from_s=connects_from_s, announces_from_s=announces_from_s) as tracker:
        with simulation.host(US):
            client = TrackerClient(config=TrackerConfig(announce_timeout_s=1e5))
            error = None
            try:
                await client.announce(f"udp://{UDP_TRACKER}:{UDP_PORT}/announce", request)
            except TrackerError as failure:
                error = str(failure)
            await client.aclose()
        return tracker.log, error, simulation.now


async def silent_udp(simulation: Simulation, *, seconds: float) -> tuple[list[float], str | None]:
    """When a session asks a UDP tracker that never answers, and what it says about it."""
    content = SharedContent.make(1 << 16, 1 << 15, simulation.rng)
    source = replace(content.metainfo, trackers=((f"udp://{UDP_TRACKER}:{UDP_PORT}",),))
    async with udp_tracker(simulation, connects_from_s=1e9, announces_from_s=1e9) as tracker:
        async with session_on(simulation, US, content, complete=True) as session:
            torrent = await add(simulation, US, session, source)
            await asyncio.sleep(seconds)
            (stats,) = torrent.trackers()
            times = [at for at, _, _ in tracker.log]
        return times, stats.error


async def silent_udp_from(simulation: Simulation) -> set[tuple[str, int]]:
    """Where a session without a DHT node asks a UDP tracker from."""
    content = SharedContent.make(1 << 16, 1 << 15, simulation.rng)
    source = replace(content.metainfo, trackers=((f"udp://{UDP_TRACKER}:{UDP_PORT}",),))
    async with udp_tracker(simulation, connects_from_s=1e9, announces_from_s=1e9) as tracker:
        async with session_on(simulation, US, content, complete=True) as session:
            await add(simulation, US, session, source)
            await asyncio.sleep(100.0)
        return tracker.askers

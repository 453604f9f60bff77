"""Web seeds are held to the same limits as peers: downloads from a web server, in virtual time."""

from __future__ import annotations

import asyncio
from random import Random

import pytest
from aiohttp import web

from bittorrent.aio.session import Session
from bittorrent.rate_limits import RateLimits
from bittorrent.swarm.explain import SlowReason
from tests.simulation.shared_content import SharedContent
from transfer.simulation import Link, Simulation, run

SIZE = 6 << 20
LIMIT_BYTES_PER_S = 200_000.0
LINK = Link(delay_s=0.02, rate_bytes_per_s=20e6)
SERVER, US = "8.8.8.8", "9.9.9.9"


async def limited_download(
    simulation: Simulation, torrent_limit: float | None, session_limit: float | None
) -> tuple[float, float, list[SlowReason]]:
    """How long it took, the most that left the server in any five seconds, and why it was slow, second by second."""
    shared = SharedContent.make(SIZE, 1 << 18, Random(1))
    sent: list[tuple[float, int]] = []
    loop = asyncio.get_running_loop()

    async def answer(request: web.Request) -> web.StreamResponse:
        part = request.http_range
        body = shared.data[part]
        sent.append((loop.time(), len(body)))
        headers = {"Content-Range": f"bytes {part.start}-{part.start + len(body) - 1}/{SIZE}"}
        return web.Response(body=body, status=206, headers=headers)

    with simulation.host(SERVER):
        application = web.Application()
        application.router.add_get("/content", answer)
        server = web.AppRunner(application)
        await server.setup()
        await web.TCPSite(server, "0.0.0.0", 80).start()

    disk = simulation.disk(US)
    reasons: list[SlowReason] = []
    with simulation.host(US):
        async with Session(host=US, open_storage=shared.on(disk), rng=simulation.rng) as session:
            session.set_rate_limits(RateLimits(download_bytes_per_s=session_limit))
            started_at = loop.time()
            torrent = await session.add(shared.metainfo, web_seeds=[f"http://{SERVER}/content"])
            torrent.set_rate_limits(RateLimits(download_bytes_per_s=torrent_limit))
            async for _ in torrent.progress(interval_s=1.0):
                reasons.append(torrent.explain().reason)
            took_s = loop.time() - started_at
    await server.cleanup()
    assert shared.is_on(disk)
    most = max(sum(size for at, size in sent if since <= at < since + 5.0) for since, _ in sent)
    return took_s, most, reasons


@pytest.mark.parametrize(
    ("torrent_limit", "session_limit"),
    [(LIMIT_BYTES_PER_S, None), (None, LIMIT_BYTES_PER_S), (4 * LIMIT_BYTES_PER_S, LIMIT_BYTES_PER_S)],
    ids=["torrent", "session", "both"],
)
def test_a_limit_holds_for_web_seeds(torrent_limit: float | None, session_limit: float | None) -> None:
    took_s, most_in_5_s, reasons = run(
        lambda simulation: limited_download(simulation, torrent_limit, session_limit), seed=1, link=LINK
    ).result
    assert 0.95 * SIZE / LIMIT_BYTES_PER_S <= took_s <= 1.2 * SIZE / LIMIT_BYTES_PER_S
    assert most_in_5_s <= (5.0 + 1.5) * LIMIT_BYTES_PER_S, "a second may be saved up, and a block be in the making"
    assert reasons.count(SlowReason.RATE_LIMITED) > 0.8 * len(reasons)


def test_without_a_limit_it_takes_no_time() -> None:
    took_s, _, reasons = run(lambda simulation: limited_download(simulation, None, None), seed=1, link=LINK).result
    assert took_s < 5.0
    assert SlowReason.RATE_LIMITED not in reasons

"""A download that is paused again and again in the middle of pieces, and one whose peers go silent meanwhile."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace

from bittorrent.stats import TorrentState
from bittorrent.swarm.explain import SlowReason
from tests.simulation.content_sessions import PORT, add, session_on, until
from tests.simulation.shared_content import SharedContent
from tests.simulation.troubles import Tracker
from transfer.simulation import Link, Simulation, scenario

US, SEEDER, TRACKER = "10.0.0.1", "10.0.0.2", "10.0.0.3"
SIZE, PIECE = 1 << 20, 1 << 18
BLOCK = 1 << 14


@dataclass(frozen=True, slots=True, kw_only=True)
class Paused:
    """What came of it; `in_mid_piece` counts pauses that found a piece half fetched."""

    pauses: int
    in_mid_piece: int
    fetched: int
    moved_while_paused: int
    events: list[str]


@scenario(link=Link(delay_s=0.02))
async def again_and_again(simulation: Simulation) -> Paused:
    """Paused at random moments for minutes, eight times."""
    rng = simulation.rng
    content = SharedContent.make(SIZE, PIECE, rng)
    tracker = Tracker()
    with simulation.host(TRACKER):
        runner = await tracker.serve()
    source = replace(content.metainfo, trackers=((f"http://{TRACKER}/announce",),))
    pauses = in_mid_piece = moved = 0
    async with (
        session_on(simulation, SEEDER, content, complete=True, up_bytes_per_s=40e3) as seeder,
        session_on(simulation, US, content) as session,
    ):
        await (await add(simulation, SEEDER, seeder, content.metainfo, seed_only=True)).wait_complete()
        torrent = await add(simulation, US, session, source, peers=[(SEEDER, PORT)])
        while torrent.left_bytes:
            before = torrent.statistics().downloaded_bytes
            enough = min(SIZE, before + rng.randrange(BLOCK, SIZE // 8))
            await until(lambda enough=enough: torrent.statistics().downloaded_bytes >= enough)  # type: ignore[misc]
            if enough == SIZE:
                break
            with simulation.host(US):
                await torrent.pause()
            stopped_at = torrent.statistics()
            pauses += 1
            in_mid_piece += stopped_at.downloaded_bytes > stopped_at.done_bytes
            assert stopped_at.peers == 0
            assert torrent.explain().reason is SlowReason.PAUSED
            await asyncio.sleep(rng.uniform(1, 600))
            moved += torrent.statistics().downloaded_bytes - stopped_at.downloaded_bytes
            with simulation.host(US):
                torrent.resume()
        await torrent.wait_complete()
        await asyncio.sleep(5)  # for the trackers
        assert torrent.state is TorrentState.SEEDING
        assert content.is_on(simulation.disk(US))
        stats = torrent.statistics()
        heard = [each for each in tracker.heard if each[0] == US]
    await runner.cleanup()
    return Paused(
        pauses=pauses,
        in_mid_piece=in_mid_piece,
        fetched=stats.downloaded_bytes + stats.wasted_bytes,
        moved_while_paused=moved,
        events=[event for _, event in heard if event],
    )

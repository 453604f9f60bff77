"""Announcements in datagrams, in virtual time."""

from __future__ import annotations

import asyncio
from random import Random

import pytest

from bittorrent.aio.sources.tracker import TrackerClient
from bittorrent.tracker.messages import AnnounceRequest
from transfer.simulation import DeadlockError, Simulation, run

REQUEST = AnnounceRequest(info_hash=bytes(20), peer_id=bytes(20), port=6881, uploaded=0, downloaded=0, left=1)


def test_an_announcement_that_is_cancelled_leaves_nothing_to_be_done_later() -> None:
    ended_at, simulations = 20.0, []

    async def scenario(simulation: Simulation) -> None:
        simulations.append(simulation)
        with simulation.host("10.0.0.1"):
            client = TrackerClient(rng=Random(1))
            announcing = asyncio.create_task(client.announce("udp://10.0.0.2:80", REQUEST))
            await asyncio.sleep(ended_at)
            assert not announcing.done()
            announcing.cancel()
            await asyncio.wait([announcing])
            await client.aclose()
        await asyncio.Event().wait()  # for ever: what is left to be done before that is found out?

    with pytest.raises(DeadlockError):
        run(scenario)
    assert simulations[0].now == pytest.approx(ended_at, abs=0.1)

"""A download over a lossy path: how long it takes is up to the congestion controller of the seed."""

from __future__ import annotations

import socket
from functools import partial

import pytest

from tests.simulation.content_sessions import PORT, add, session_on, until
from tests.simulation.shared_content import NAME, SharedContent
from transfer import PathStats
from transfer.simulation import Link, Simulation, run

SEED, LEECH = "10.0.0.1", "10.0.0.2"
LOSSY = Link(delay_s=0.03, rate_bytes_per_s=2e6, queue_bytes=120_000, loss=0.01)
SIZE = 3 << 20


@pytest.mark.skipif(not hasattr(socket, "TCP_CONGESTION"), reason="only Linux lets a session choose")
def test_a_seed_with_bbr_uses_a_lossy_path_that_one_with_reno_wastes() -> None:
    async def download(simulation: Simulation, controller: str) -> float:
        content = SharedContent.make(SIZE, 1 << 16, simulation.rng)
        async with (
            session_on(simulation, SEED, content, complete=True, tcp_congestion=controller) as seed,
            session_on(simulation, LEECH, content) as leech,
        ):
            served = await add(simulation, SEED, seed, content.metainfo)
            await served.wait_complete()
            began = simulation.now
            torrent = await add(simulation, LEECH, leech, content.metainfo, peers=[(SEED, PORT)])
            await until(lambda: torrent.statistics().downloaded_bytes > SIZE // 2, every_s=0.05)
            (path,) = (peer.path for peer in served.peers())
            assert isinstance(path, PathStats)
            assert (path.transport, path.controller) == ("simulated", controller)
            assert path.retransmitted_bytes
            assert path.rtt_s is not None
            assert 0.06 <= path.rtt_s < 0.3
            await torrent.wait_complete()
            took_s = simulation.now - began
        assert simulation.disk(LEECH).read(NAME, 0, SIZE) == content.data
        return took_s

    times = {name: run(partial(download, controller=name), link=LOSSY).result for name in ("reno", "bbr")}
    assert times["bbr"] < 2 * SIZE / 2e6
    assert times["reno"] > 2 * times["bbr"]

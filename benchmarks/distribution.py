"""How close a flash crowd of real sessions comes to the least time in which a file can be spread, in the simulation.

One seeder and N downloaders with the same upload rate U: no protocol brings F bytes in M pieces to all of them in less
than (1 + floor(log2 N) / M) F / U (Mundinger, Weber and Weiss, "Optimal scheduling of peer-to-peer file
dissemination", 2008). Run with `python -m benchmarks.distribution [N…]`.
"""

from __future__ import annotations

import argparse
import asyncio
import random
from dataclasses import dataclass
from functools import partial

from bittorrent import Session, Torrent
from tests.simulation.shared_content import SharedContent
from transfer.simulation import Link, LogNormalLatency, Simulation, run


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """What one crowd needed."""

    seconds: float
    bound_s: float
    seeder_copies: float
    wasted_share: float

    @property
    def ratio(self) -> float:
        return self.seconds / self.bound_s


async def spread(
    simulation: Simulation, *, downloaders: int, pieces: int, up_bytes_per_s: float, super_seed: bool
) -> Spread:
    """Everybody knows everybody, and all begin at once."""
    size = pieces * PIECE_LENGTH
    content = SharedContent.make(size, PIECE_LENGTH, simulation.rng)
    hosts = [f"10.1.0.{number + 1}" for number in range(downloaders + 1)]
    completed_at: dict[str, float] = {}
    torrents: list[Torrent] = []
    is_over = asyncio.Event()

    async def take_part(number: int, host: str) -> None:
        with simulation.host(host):
            simulation.set_access(host, up_bytes_per_s=up_bytes_per_s)
            storage = content.on(simulation.disk(host), complete=number == 0)
            rng = random.Random(simulation.rng.random())
            async with Session(host=host, port=PORT, rng=rng, open_storage=storage) as session:
                known = [(other, PORT) for other in hosts[:number]]
                torrent = await session.add(
                    content.metainfo, peers=known, seed_only=number == 0, super_seed=super_seed and number == 0
                )
                torrents.append(torrent)
                await torrent.wait_complete()
                completed_at[host] = simulation.now
                if len(completed_at) == len(hosts):
                    is_over.set()
                await is_over.wait()

    started_at = simulation.now
    async with asyncio.TaskGroup() as group:
        for number, host in enumerate(hosts):
            group.create_task(take_part(number, host))
        await is_over.wait()
        stats = [torrent.statistics() for torrent in torrents]
    bound_s = (1 + (downloaders.bit_length() - 1) / pieces) * size / up_bytes_per_s
    seed = next(one for one, torrent in zip(stats, torrents, strict=True) if torrent.statistics().downloaded_bytes == 0)
    return Spread(
        seconds=max(completed_at.values()) - started_at,
        bound_s=bound_s,
        seeder_copies=seed.uploaded_bytes / size,
        wasted_share=sum(one.wasted_bytes for one in stats) / (size * downloaders),
    )


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.distribution", description=__doc__)
    parser.add_argument("downloaders", nargs="*", type=int, default=[20])
    parser.add_argument("--pieces", type=int, default=400)
    parser.add_argument("--rate", type=float, default=200e3, help="upload bytes per second of everybody")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    print(f"{options.pieces} pieces of {PIECE_LENGTH >> 10} KiB, {options.rate:g} bytes/s up, seed {options.seed}\n")
    print("| downloaders | seeder | seconds | bound | ratio | copies sent by the seeder | received twice |")
    print("|---|---|---|---|---|---|---|")
    for downloaders in options.downloaders:
        for super_seed in (True, False):
            scenario = partial(
                spread,
                downloaders=downloaders,
                pieces=options.pieces,
                up_bytes_per_s=options.rate,
                super_seed=super_seed,
            )
            link = Link(delay_s=LogNormalLatency(median_s=0.03))
            result = run(scenario, seed=options.seed, link=link, max_virtual_s=7200.0).result
            print(
                f"| {downloaders} | {'super-seeding' if super_seed else 'plain'} | {result.seconds:.1f} "
                f"| {result.bound_s:.1f} | {result.ratio:.3f} | {result.seeder_copies:.2f} "
                f"| {result.wasted_share:.1%} |",
                flush=True,
            )


PIECE_LENGTH = 1 << 16
PORT = 6881

if __name__ == "__main__":
    main()

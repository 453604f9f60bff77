"""The transfers that are measured. Each case runs every program in turn, several times."""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.bittorrent.content import MIB, is_same, make_content, warm_pages
from benchmarks.bittorrent.programs import Libtorrent, Ours, Peer, Used, download_with_aria2
from bittorrent import Metainfo
from tests.interop.opentracker import OpenTracker

Entrant = Callable[[Path], Awaitable[Used]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How large and how often. `folder` is on the file system that is written to."""

    folder: Path
    mib: int
    runs: int
    uvloop: bool
    with_aria2: bool

    @property
    def source(self) -> Path:
        return self.folder / "source"

    def ours(self, **settings: Any) -> Ours:
        return Ours(uvloop=self.uvloop, **settings)


async def download(plan: Plan) -> dict[str, list[Used]]:
    """One libtorrent seeder; ours, libtorrent and aria2 fetch from it."""
    metainfo = make_content(plan.source, plan.mib, PIECE_LENGTH)
    async with OpenTracker([metainfo.info_hash]) as tracker, Libtorrent() as seed:
        announced = replace(metainfo, trackers=((tracker.http_url,),))
        await seed.add(announced, plan.source, seed=True)

        async def with_aria2(target: Path) -> Used:
            return await download_with_aria2(announced, target)

        entrants: dict[str, Entrant] = {
            "ours": lambda target: fetch(plan.ours(), [seed], metainfo, target),
            "libtorrent": lambda target: fetch(Libtorrent(), [seed], metainfo, target),
        }
        if plan.with_aria2:
            entrants["aria2"] = with_aria2
        return await in_turn(plan, entrants)


async def download_of(plan: Plan, *, kind: str) -> dict[str, list[Used]]:
    """As `download`, of a torrent of version 2, or a hybrid one, which aria2 does not understand."""
    metainfo = make_content(plan.source, plan.mib, PIECE_LENGTH, kind)
    async with Libtorrent() as seed:
        await seed.add(metainfo, plan.source, seed=True)
        return await in_turn(
            plan,
            {
                "ours": lambda target: fetch(plan.ours(), [seed], metainfo, target),
                "libtorrent": lambda target: fetch(Libtorrent(), [seed], metainfo, target),
            },
        )


async def upload(plan: Plan) -> dict[str, list[Used]]:
    """A libtorrent downloader; ours and libtorrent feed it. CPU and memory are the seeder's."""
    metainfo = make_content(plan.source, plan.mib, PIECE_LENGTH)
    entrants: dict[str, Entrant] = {
        "ours": lambda target: feed(plan.ours(), Libtorrent(), metainfo, plan, target),
        "libtorrent": lambda target: feed(Libtorrent(), Libtorrent(), metainfo, plan, target),
    }
    return await in_turn(plan, entrants)


async def pair(plan: Plan) -> dict[str, list[Used]]:
    """The same program at both ends."""
    metainfo = make_content(plan.source, plan.mib, PIECE_LENGTH)

    async def both(make: Callable[[], Peer], target: Path) -> Used:
        async with make() as seed:
            await seed.add(metainfo, plan.source, seed=True)
            return await fetch(make(), [seed], metainfo, target)

    return await in_turn(
        plan, {"ours": lambda target: both(plan.ours, target), "libtorrent": lambda target: both(Libtorrent, target)}
    )


async def many_peers(plan: Plan) -> dict[str, list[Used]]:
    """Fifty libtorrent seeders, each limited to a fiftieth of what a fast line carries."""
    metainfo = make_content(plan.source, plan.mib, PIECE_LENGTH)
    settings = {"aio_threads": 1, "hashing_threads": 1, "alert_mask": 0}
    async with Libtorrent(sessions=SEEDERS, settings=settings) as seeds:
        await seeds.add(metainfo, plan.source, seed=True, upload_limit_bytes_per_s=TOTAL_RATE_BYTES_PER_S // SEEDERS)
        return await in_turn(
            plan,
            {
                "ours": lambda target: fetch(plan.ours(), [seeds], metainfo, target),
                "libtorrent": lambda target: fetch(Libtorrent(), [seeds], metainfo, target),
            },
        )


async def swarm(plan: Plan) -> dict[str, list[Used]]:
    """One seeder and twenty downloaders of the same kind, everybody knows everybody; until the last is complete.

    libtorrent gives peers of the same network upload slots beyond its limit, so ours get as many as there are peers.
    """
    metainfo = make_content(plan.source, plan.mib, PIECE_LENGTH)

    def ours(number: int) -> Peer:
        return plan.ours(slots=DOWNLOADERS, measures_lateness=number == 0)  # twenty probes would be work of their own

    async def crowd(make: Callable[[int], Peer], target: Path) -> Used:
        async with AsyncExitStack() as stack:
            seed = await stack.enter_async_context(make(DOWNLOADERS))
            await seed.add(metainfo, plan.source, seed=True)
            peers = [await stack.enter_async_context(make(number)) for number in range(DOWNLOADERS)]
            for number, peer in enumerate(peers):
                await peer.add(metainfo, target / str(number))
            await asyncio.gather(*(peer.do("begin") for peer in peers))
            started_at = time.perf_counter()
            for number, peer in enumerate(peers):
                known = [other.addresses[0] for other in [seed, *peers[:number]]]
                await peer.connect(metainfo, known)
            await asyncio.gather(*(peer.wait_verified(metainfo) for peer in peers))
            wall_s = time.perf_counter() - started_at
            ends = await asyncio.gather(*(peer.do("end") for peer in peers))
            return Used(
                wall_s=wall_s,
                cpu_s=sum(end["cpu_s"] for end in ends),
                peak_rss_bytes=max(end["peak_rss_bytes"] for end in ends),
                latency_p99_s=max((end["latency_p99_s"] for end in ends if "latency_p99_s" in end), default=None),
                latency_max_s=max((end["latency_max_s"] for end in ends if "latency_max_s" in end), default=None),
            )

    return await in_turn(
        plan,
        {
            "ours": lambda target: crowd(ours, target),
            "libtorrent": lambda target: crowd(lambda _: Libtorrent(), target),
        },
        copies=DOWNLOADERS,
    )


async def in_turn(plan: Plan, entrants: dict[str, Entrant], *, copies: int = 1) -> dict[str, list[Used]]:
    """Everybody once, then everybody again: what else the machine does meets all alike."""
    results: dict[str, list[Used]] = {name: [] for name in entrants}
    for run in range(plan.runs):
        for name in list(entrants) if run % 2 == 0 else reversed(entrants):
            target = plan.folder / "target"
            target.mkdir()
            async with warm_pages(plan.folder, copies * plan.mib * MIB, target):
                used = await entrants[name](target)
            for path in target.rglob("content.bin"):
                if not await is_same(path, plan.source / path.name):
                    raise RuntimeError(f"{name} wrote something else than it was sent")
            shutil.rmtree(target)
            results[name].append(used)
            print(f"  {name:<10} {used.wall_s:6.2f} s, CPU {used.cpu_s:5.2f} s", flush=True)
    return results


async def fetch(leech: Peer, seeds: list[Peer], metainfo: Metainfo, target: Path) -> Used:
    """One download by a program that is started for it."""
    async with leech:
        await leech.add(metainfo, target)
        for peer in (leech, *seeds):
            await peer.do("begin")
        started_at = time.perf_counter()
        await leech.connect(metainfo, [address for seed in seeds for address in seed.addresses])
        await leech.wait_verified(metainfo)
        wall_s = time.perf_counter() - started_at
        end = await leech.do("end")
        others = [await seed.do("end") for seed in seeds]
        synced_s = None
        if isinstance(leech, Ours):
            await leech.do("wait_synced", info_hash=metainfo.info_hash.hex())
            synced_s = time.perf_counter() - started_at
        return Used(wall_s=wall_s, others_cpu_s=sum(one["cpu_s"] for one in others), synced_s=synced_s, **end)


async def feed(seed: Peer, leech: Peer, metainfo: Metainfo, plan: Plan, target: Path) -> Used:
    """One upload by a program that is started for it; `others_cpu_s` is the downloader's."""
    async with seed, leech:
        await seed.add(metainfo, plan.source, seed=True)
        await leech.add(metainfo, target)
        for peer in (seed, leech):
            await peer.do("begin")
        started_at = time.perf_counter()
        await leech.connect(metainfo, seed.addresses)
        await leech.wait_verified(metainfo)
        wall_s = time.perf_counter() - started_at
        other = await leech.do("end")
        return Used(wall_s=wall_s, others_cpu_s=other["cpu_s"], **await seed.do("end"))


CASES: dict[str, Callable[[Plan], Coroutine[Any, Any, dict[str, list[Used]]]]] = {
    "download": download,
    "download-v2": partial(download_of, kind="v2"),
    "download-hybrid": partial(download_of, kind="hybrid"),
    "upload": upload,
    "pair": pair,
    "many-peers": many_peers,
    "swarm": swarm,
}
PIECE_LENGTH = MIB
SEEDERS = 50
DOWNLOADERS = 20
TOTAL_RATE_BYTES_PER_S = 200 * MIB

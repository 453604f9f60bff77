"""What attackers cost a session, and whether an honest libtorrent peer is served meanwhile.

A `Session` with 25 torrents in a process of its own; attackers on loopback, each from a /24 of its own and none of
them exempt; and a libtorrent peer that comes in the middle and downloads at the rate of its line, which is set as a
limit of that torrent. All share this machine, so the attackers' own work is part of what the honest peer suffers.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import resource
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks.bittorrent.content import MIB, make_content
from benchmarks.bittorrent.programs import Libtorrent
from benchmarks.limits.attackers import Crowd
from bittorrent import create_metainfo
from tests.interop.ports import free_port
from tests.interop.programs import JsonChild
from transfer import Address

TORRENTS = 25


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """How much of everything.

    Attributes:
        content_mib: what the honest peer downloads.
        line_mib_per_s: how fast it may.
        attempts: connection attempts, and how many of them in a second.
        stayers: peers that try to stay.
        inbound: what the session allows of them; None: its default, 1024.
        drippers: slow handshakes.
        storm_hosts: hosts that come back at once, together `attempts_per_s` times a second.
        descriptors: RLIMIT_NOFILE of the session, where few are given.
        runs: of the undisturbed download.
    """

    content_mib: int = 96
    line_mib_per_s: float = 16.0
    attempts: int = 10_000
    attempts_per_s: float = 1000.0
    stayers: int = 1500
    inbound: int | None = None
    drippers: int = 400
    storm_hosts: int = 20
    storm_s: float = 10.0
    descriptors: int = 192
    runs: int = 3


QUICK = Sizes(
    content_mib=8,
    attempts=1000,
    attempts_per_s=500.0,
    stayers=90,
    inbound=64,
    drippers=60,
    storm_hosts=20,
    storm_s=2.0,
    descriptors=96,
    runs=1,
)


class Victim(JsonChild):
    """Our session in its process."""

    def __init__(self, folder: Path, *, config: dict[str, Any] | None = None, descriptors: int | None = None) -> None:
        self.address = Address("127.0.0.1", free_port())
        self.folder = folder
        options = {"port": self.address.port, "config": config or {}, "descriptors": descriptors}
        super().__init__(["-m", "benchmarks.limits.child"], options)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What one attack did."""

    rate: float
    most: int
    during: dict[str, Any]
    before: dict[str, Any]
    after: dict[str, Any]
    attackers: dict[str, int]

    @property
    def refusals(self) -> dict[str, int]:
        """By limit, what was there before left out."""
        found: dict[str, int] = {}
        for sign, look in ((1, self.during), (-1, self.before)):
            for it in look["refusals"]:
                found[it["limit"]] = found.get(it["limit"], 0) + sign * it["count"]
        return {limit: count for limit, count in found.items() if count > 0}


class Arena:
    """The torrents and the honest peer's way to download one."""

    def __init__(self, folder: Path, sizes: Sizes) -> None:
        self.folder = folder
        self.sizes = sizes
        self.wanted = make_content(folder / "wanted", sizes.content_mib, 1 << 18)
        self.others = []
        for number in range(TORRENTS - 1):
            path = folder / f"other-{number}" / f"content {number}.bin"
            path.parent.mkdir()
            path.write_bytes(random.Random(number).randbytes(1 << 18))
            self.others.append(create_metainfo(path))

    @property
    def info_hashes(self) -> list[bytes]:
        return [metainfo.info_hash for metainfo in (self.wanted, *self.others)]

    async def victim(self, stack: AsyncExitStack, **options: Any) -> Victim:
        """A session that has all of the torrents."""
        victim = await stack.enter_async_context(Victim(self.folder, **options))
        folders = [self.folder / "wanted", *(self.folder / f"other-{n}" for n in range(TORRENTS - 1))]
        for metainfo, folder in zip((self.wanted, *self.others), folders, strict=True):
            torrent = folder / "it.torrent"
            torrent.write_bytes(metainfo.to_bytes())
            limit = self.sizes.line_mib_per_s * MIB if metainfo is self.wanted else None
            await victim.do("add", torrent=str(torrent), folder=str(folder), limit_bytes_per_s=limit)
        return victim

    async def warm_up(self, victim: Victim) -> None:
        """The first download and the first crowd make memory grow that stays, for the next ones to use."""
        await self.download(victim)
        async with Crowd() as crowd:
            await crowd.stay(victim.address, self.info_hashes, self.sizes.stayers, per_s=300.0)
            await asyncio.sleep(2.0)
        await asyncio.sleep(2.0)

    async def download(self, victim: Victim) -> float:
        """Bytes a second that an honest newcomer gets."""
        folder = Path(tempfile.mkdtemp(dir=self.folder))
        try:
            async with Libtorrent() as peer:
                await peer.add(self.wanted, folder)
                began_at = time.perf_counter()
                await peer.connect(self.wanted, [victim.address])
                await peer.wait_verified(self.wanted)
                return self.sizes.content_mib * MIB / (time.perf_counter() - began_at)
        finally:
            shutil.rmtree(folder)

    async def attacked(
        self, victim: Victim, attack: Callable[[Crowd], Awaitable[None]], head_start_s: float, *, rest_s: float = 0.0
    ) -> Outcome:
        """What an honest newcomer gets during an attack, and what is left afterwards.

        Args:
            rest_s: the attack goes on for so long at most when the download is done.
        """
        before = await victim.do("look")
        most = 0
        async with Crowd() as crowd:
            crowd.start(attack(crowd))
            await asyncio.sleep(head_start_s)
            downloading = asyncio.ensure_future(self.download(victim))
            while not downloading.done():
                most = max(most, (await victim.do("look"))["connections"])
                await asyncio.wait([downloading], timeout=0.5)
            rate = downloading.result()
            await crowd.finish(within_s=rest_s)
            during = await victim.do("look")
            attackers = dict(crowd.outcomes())
        await asyncio.sleep(1.0)
        return Outcome(
            rate=rate, most=most, during=during, before=before, after=await victim.do("look"), attackers=attackers
        )


class Report:
    """Figures beside goals."""

    def __init__(self) -> None:
        self.missed = 0

    def figure(self, what: str, value: str, goal: str, is_met: bool) -> None:
        self.missed += not is_met
        print(f"  {what:52} {value:>16}   {goal:28} {'' if is_met else 'MISSED'}", flush=True)

    def outcome(self, title: str, outcome: Outcome, undisturbed: float, *, limits: set[str]) -> None:
        """What holds for every attack."""
        print(title)
        share = outcome.rate / undisturbed
        self.figure("honest peer, of its undisturbed rate", f"{share:.0%}", ">= 80 %", share >= 0.8)
        named = {name: count for name, count in outcome.refusals.items() if name in limits}
        shown = ", ".join(f"{name} {count}" for name, count in outcome.refusals.items()) or "none"
        self.figure("refusals by limit", "", "each has a reason", bool(named) or not limits)
        print(f"      {shown}")
        gone = outcome.before["descriptors"], outcome.after["descriptors"]
        self.figure("descriptors before, after", f"{gone[0]}, {gone[1]}", "the same", gone[1] <= gone[0])
        grown = (outcome.after["memory_bytes"] - outcome.before["memory_bytes"]) / MIB
        self.figure("memory grown, MiB", f"{grown:.1f}", "<= 8 for good", grown <= 8)
        held = {name: used for name, (used, _) in outcome.after["usage"].items() if used}
        self.figure("budget that is left reserved", ", ".join(map(str, held)) or "none", "none", not held)
        print(f"      attackers: {', '.join(f'{count} {what}' for what, count in outcome.attackers.items())}")


async def measure(sizes: Sizes) -> int:
    report = Report()
    with tempfile.TemporaryDirectory() as name:
        arena = Arena(Path(name), sizes)
        config = {"max_inbound": sizes.inbound, "max_handshaking": sizes.inbound // 2} if sizes.inbound else {}
        limit = sizes.inbound or 1024
        admitted = limit - limit // 16
        async with AsyncExitStack() as stack:
            victim = await arena.victim(stack, config=config)
            await arena.warm_up(victim)
            rates = [await arena.download(victim) for _ in range(sizes.runs)]
            undisturbed = statistics.median(rates)
            print(f"undisturbed: {undisturbed / MIB:.1f} MiB/s on a line of {sizes.line_mib_per_s:g} MiB/s")

            pace = sizes.attempts_per_s
            outcome = await arena.attacked(
                victim, lambda crowd: crowd.attempt(victim.address, sizes.attempts, per_s=pace), 1.0, rest_s=20.0
            )
            title = f"{sizes.attempts:,} connection attempts at {pace:g} a second"
            report.outcome(title, outcome, undisturbed, limits={"max_handshaking", "peer.handshake_timeout_s"})

            outcome = await arena.attacked(
                victim,
                lambda crowd: crowd.drip(victim.address, sizes.drippers, come_back=True),
                2.0,
            )
            title = f"{sizes.drippers} slow handshakes that come back"
            report.outcome(title, outcome, undisturbed, limits={"max_handshaking", "peer.handshake_timeout_s"})

            outcome = await arena.attacked(
                victim,
                lambda crowd: crowd.storm(
                    victim.address, arena.info_hashes[1], sizes.storm_hosts, per_s=pace, seconds=sizes.storm_s
                ),
                1.0,
            )
            title = f"{sizes.storm_hosts} hosts that reconnect {pace:g} times a second in all"
            report.outcome(title, outcome, undisturbed, limits={"accepts_per_host_per_s"} if pace > 500 else set())

            head_start_s = sizes.stayers / 300 + 3
            outcome = await arena.attacked(
                victim,
                lambda crowd: crowd.stay(victim.address, arena.info_hashes, sizes.stayers, per_s=300.0),
                head_start_s,
            )
            title = f"{sizes.stayers:,} peers that try to stay, of which {limit:,} less the reserve may"
            report.outcome(title, outcome, undisturbed, limits={"max_inbound"})
            staying = outcome.attackers.get("connected", 0)
            report.figure(
                "admitted", f"{staying}", f"{admitted} +- 1 %", abs(staying - admitted) <= max(3, limit // 100)
            )
            refused = outcome.refusals.get("max_inbound", 0)
            least = sizes.stayers - admitted
            report.figure(
                "refused, or put out for another", f"{refused}", f">= {least * 0.95:.0f}", refused >= least * 0.95
            )

        async with AsyncExitStack() as stack:
            victim = await arena.victim(stack, descriptors=sizes.descriptors)
            await arena.warm_up(victim)
            outcome = await arena.attacked(
                victim,
                lambda crowd: crowd.stay(victim.address, arena.info_hashes, sizes.stayers, per_s=300.0),
                sizes.stayers / 300 + 1,
            )
            title = f"{sizes.stayers:,} peers that try to stay where RLIMIT_NOFILE is {sizes.descriptors}"
            report.outcome(title, outcome, undisturbed, limits={"max_descriptors"})
            used = outcome.during["descriptors"]
            report.figure("descriptors at the worst", f"{used}", f"< {sizes.descriptors}", used < sizes.descriptors)
    print("every goal is met" if not report.missed else f"{report.missed} goals are MISSED")
    return report.missed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small sizes, to see that all of it works")
    parser.add_argument("--line", type=float, help="MiB/s of the honest peer's line")
    arguments = parser.parse_args()
    sizes = QUICK if arguments.quick else Sizes()
    if arguments.line:
        sizes = replace(sizes, line_mib_per_s=arguments.line)
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 16_384), hard))
    missed = asyncio.run(measure(sizes))
    sys.exit(1 if missed and not arguments.quick else 0)  # small sizes say that it works, and nothing of rates


if __name__ == "__main__":
    main()

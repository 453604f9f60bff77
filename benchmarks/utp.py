"""How fast uTP is between a libtorrent peer and ours, both ways, beside libtorrent's own pairs, with and without loss.

Every peer is a process of its own and speaks uTP only. Datagrams are at most 1,472 bytes; the kernel may cut and glue
them (UDP_SEGMENT, UDP_GRO). With loss both directions go through a relay that loses datagrams at random
(`tests/interop/udp_relay.py`); so they do for the figures without loss that these are compared with.

Usage: `python -m benchmarks.utp [--mib 128] [--runs 5] [--loss 0.005] [--quick]`.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import shutil
import tempfile
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.bittorrent.cases import fetch
from benchmarks.bittorrent.content import MIB, is_same, make_content, warm_pages
from benchmarks.bittorrent.programs import Libtorrent, Ours, Peer
from bittorrent import Metainfo
from tests.interop.udp_relay import UdpRelay


@dataclass(frozen=True, slots=True)
class Pair:
    """Who sends and who fetches, and how many times as fast as libtorrent's pair they are meant to be."""

    name: str
    seed: Callable[[], Peer]
    leech: Callable[[], Peer]
    goal: float | None


@dataclass(frozen=True, slots=True)
class Sample:
    """One transfer. CPU seconds for each MB of content; what the relay saw, if there was one."""

    mb_per_s: float
    seed_cpu_s_per_mb: float
    leech_cpu_s_per_mb: float
    datagrams: int = 0
    lost: int = 0


async def transfer(pair: Pair, metainfo: Metainfo, source: Path, target: Path, *, loss: float | None) -> Sample:
    """Content from one process to another.

    Args:
        loss: None for no relay in between.
    """
    async with AsyncExitStack() as stack:
        seed = await stack.enter_async_context(pair.seed())
        await seed.add(metainfo, source, seed=True)
        relay = None
        if loss is not None:
            relay = await stack.enter_async_context(UdpRelay(seed.addresses[0], loss=loss))
            seed.addresses = [relay.address]
        used = await fetch(pair.leech(), [seed], metainfo, target)
        seen = await relay.counts() if relay is not None else {}
    if not await is_same(source / "content.bin", target / "content.bin"):
        raise RuntimeError(f"{pair.name}: something else arrived than was sent")
    mb = metainfo.total_bytes / 1e6
    return Sample(mb / used.wall_s, used.others_cpu_s / mb, used.cpu_s / mb, seen.get("came", 0), seen.get("lost", 0))


async def measure(options: argparse.Namespace) -> dict[str, dict[str, list[Sample]]]:
    """Everybody once, then everybody again: what else the machine does meets all alike."""
    lines: dict[str, float | None] = {"direct": None, "relay": 0.0, f"{options.loss:.1%} lost": options.loss}
    found: dict[str, dict[str, list[Sample]]] = {line: {pair.name: [] for pair in PAIRS} for line in lines}
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        folder = Path(name)
        metainfo = make_content(folder / "source", options.mib, MIB)
        for _ in range(options.runs):
            for line, loss in lines.items():
                for pair in PAIRS:
                    target = folder / "target"
                    async with warm_pages(folder, options.mib * MIB, target):
                        sample = await transfer(pair, metainfo, folder / "source", target, loss=loss)
                    shutil.rmtree(target)
                    found[line][pair.name].append(sample)
                    print(f"  {line:<10} {pair.name:<26} {sample.mb_per_s:7.1f} MB/s", flush=True)
    return found


def report(found: dict[str, dict[str, list[Sample]]], *, mib: int) -> list[str]:
    """A table, each figure beside its goal."""
    rows = [f"uTP only, {mib} MiB, medians of {len(next(iter(found['direct'].values())))} runs"]
    rows.append(f"{'':<12}{'':<26}{'MB/s':>8}{'x lt':>7}{'goal':>7}{'':8}{'seed':>9}{'leech':>9}  CPU ms/MB")
    for line, pairs in found.items():
        base = median(sample.mb_per_s for sample in pairs[PAIRS[0].name])
        for pair in PAIRS:
            samples = pairs[pair.name]
            rate = median(sample.mb_per_s for sample in samples)
            ratio, goal = rate / base, pair.goal if line == "direct" else None
            verdict = "" if goal is None else " met" if ratio >= goal else " MISSED"
            cpu = (median(one.seed_cpu_s_per_mb for one in samples), median(one.leech_cpu_s_per_mb for one in samples))
            rows.append(
                f"{line:<12}{pair.name:<26}{rate:8.1f}{ratio:7.2f}{'' if goal is None else f'{goal:.2f}':>7}"
                f"{verdict:8}{cpu[0] * 1e3:9.2f}{cpu[1] * 1e3:9.2f}"
            )
    plain, lossy = list(found)[1:3]
    for pair in PAIRS:
        ratio = median(s.mb_per_s for s in found[lossy][pair.name]) / median(
            s.mb_per_s for s in found[plain][pair.name]
        )
        verdict = "met" if ratio >= MAY_LOSE else "MISSED"
        rows.append(f"{pair.name:<38}{lossy} / none, through the relay: {ratio:.2f}  goal {MAY_LOSE}  {verdict}")
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.utp", description=__doc__)
    parser.add_argument("--mib", type=int, default=128)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--loss", type=float, default=0.005, help="share of the datagrams of each direction")
    parser.add_argument("--congestion", metavar="NAME", help="our controller; by default the one that sessions use")
    parser.add_argument("--quick", action="store_true", help="8 MiB, once: to see that everything works")
    parser.add_argument("--folder", type=Path, help="where the files go; by default the system's temporary folder")
    parser.add_argument("--json", type=Path, help="where the samples go as well")
    options = parser.parse_args()
    if options.quick:
        options.mib, options.runs = 8, 1
    ours_with["congestion"] = options.congestion
    found = asyncio.run(measure(options))
    print("\n".join(report(found, mib=options.mib)), flush=True)
    if options.json is not None:
        plain = {
            line: {name: [vars_of(sample) for sample in samples] for name, samples in pairs.items()}
            for line, pairs in found.items()
        }
        options.json.write_text(json.dumps(plain, indent=1) + "\n")


def vars_of(sample: Sample) -> dict[str, float]:
    return {name: getattr(sample, name) for name in sample.__slots__}


UTP_ONLY = {
    "enable_outgoing_tcp": False,
    "enable_incoming_tcp": False,
    "enable_outgoing_utp": True,
    "enable_incoming_utp": True,
    "mixed_mode_algorithm": 0,
}
MAY_LOSE = 0.5
ours_with: dict[str, Any] = {}


def libtorrent() -> Peer:
    return Libtorrent(settings=UTP_ONLY)


def ours() -> Peer:
    return Ours(path="utp", **ours_with)


PAIRS = (
    Pair("libtorrent -> libtorrent", libtorrent, libtorrent, None),
    Pair("libtorrent -> ours", libtorrent, ours, 1.0),
    Pair("ours -> libtorrent", ours, libtorrent, 1.0),
    Pair("ours -> ours", ours, ours, 4.0),
)

if __name__ == "__main__":
    main()

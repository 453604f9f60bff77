"""Download rate over loopback: a libtorrent seed feeds libtorrent and then us, in turn, several times in one run.

Both ends share the machine's cores, so only the ratio means something.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import resource
import statistics
import tempfile
import time
from pathlib import Path

from bittorrent import Metainfo, Session, create_metainfo
from tests.interop.programs import LibtorrentPeer

MIB = 1 << 20


async def ours(metainfo: Metainfo, seed: LibtorrentPeer, where: Path) -> tuple[float, float]:
    """Seconds of wall time and of CPU time of this process."""
    started_at, cpu_started_at = time.perf_counter(), time.process_time()
    async with Session(where, host="127.0.0.1") as session:
        torrent = await session.add(metainfo, peers=[seed.address])
        await torrent.wait_complete()
        return time.perf_counter() - started_at, time.process_time() - cpu_started_at


async def theirs(metainfo: Metainfo, seed: LibtorrentPeer, where: Path) -> float:
    async with LibtorrentPeer() as leech:
        started_at = time.perf_counter()
        info_hash = await leech.add(where, torrent=metainfo.to_bytes())
        await leech.connect(info_hash, seed.address)
        while not (await leech.status(info_hash))["is_seeding"]:  # noqa: ASYNC110  # another process
            await asyncio.sleep(0.02)
        return time.perf_counter() - started_at


async def measure(size_mib: int, runs: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        where = Path(folder)
        path = where / "seed" / "file.bin"
        path.parent.mkdir()
        rng = random.Random(1)
        with path.open("wb") as file:
            for _ in range(size_mib):
                file.write(rng.randbytes(MIB))
        metainfo = create_metainfo(path, piece_length=MIB)
        rates: dict[str, list[float]] = {"libtorrent": [], "ours": []}
        cpu: list[float] = []
        async with LibtorrentPeer() as seed:
            await seed.add(path.parent, torrent=metainfo.to_bytes(), seed=True)
            for run in range(runs):
                rates["libtorrent"].append(size_mib / await theirs(metainfo, seed, where / f"theirs {run}"))
                wall_s, cpu_s = await ours(metainfo, seed, where / f"ours {run}")
                rates["ours"].append(size_mib / wall_s)
                cpu.append(cpu_s)
        medians = {name: statistics.median(values) for name, values in rates.items()}
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(f"{size_mib} MiB from a libtorrent seed over TCP, {runs} runs, medians in MiB/s (each run in brackets)")
        for name, values in rates.items():
            print(f"  {name:<10} {medians[name]:7.0f}   [{', '.join(f'{value:.0f}' for value in values)}]")
        print(f"  ratio      {medians['ours'] / medians['libtorrent']:7.2f}")
        print(f"  our CPU    {statistics.median(cpu):7.2f} s, peak RSS {peak:.0f} MiB (file making included)")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mib", type=int, default=512)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--uvloop", action="store_true")
    arguments = parser.parse_args()
    factory = None
    if arguments.uvloop:
        import uvloop

        factory = uvloop.new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(measure(arguments.mib, arguments.runs))


if __name__ == "__main__":
    main()

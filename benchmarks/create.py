"""Making a torrent of one large file, beside `mktorrent -t N`, in turn, several times in one run.

Both are timed as whole processes would be: mktorrent from its start to its end, ours once inside a running interpreter
(what a program that embeds it waits for) and once as a fresh `python -c` (interpreter start included). The file is in
the page cache for all of them.
"""

from __future__ import annotations

import argparse
import os
import random
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from bittorrent import Metainfo, create_metainfo

MIB = 1 << 20


def measure(size_mib: int, runs: int, threads: int, piece_length: int) -> None:
    program = shutil.which("mktorrent")
    if program is None:
        raise SystemExit("mktorrent is not installed: apt-get install mktorrent")
    with tempfile.TemporaryDirectory() as folder:
        path, target = Path(folder) / "file.bin", Path(folder) / "made.torrent"
        rng = random.Random(1)
        with path.open("wb") as file:
            for _ in range(size_mib):
                file.write(rng.randbytes(MIB))

        def theirs() -> None:
            target.unlink(missing_ok=True)
            exponent = str(piece_length.bit_length() - 1)
            command = [program, "-t", str(threads), "-l", exponent, "-o", str(target), str(path)]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)

        def ours() -> Metainfo:
            with ThreadPoolExecutor(threads) as executor:
                return create_metainfo(path, piece_length=piece_length, executor=executor)

        def ours_as_a_process() -> None:
            code = (
                "from concurrent.futures import ThreadPoolExecutor as T; import bittorrent as b\n"
                f"with T({threads}) as e: b.create_metainfo({str(path)!r}, piece_length={piece_length}, executor=e)"
            )
            subprocess.run([sys.executable, "-c", code], check=True)

        contenders: dict[str, Callable[[], object]] = {
            f"mktorrent -t {threads}": theirs,
            "ours": ours,
            "ours, new process": ours_as_a_process,
        }
        walls: dict[str, list[float]] = {name: [] for name in contenders}
        cpus: dict[str, list[float]] = {name: [] for name in contenders}
        for _ in range(runs):
            for name, make in contenders.items():
                cpu, started_at = _cpu_s(), time.perf_counter()
                make()
                walls[name].append(time.perf_counter() - started_at)
                cpus[name].append(_cpu_s() - cpu)
        theirs()
        if Metainfo.from_file(target).piece_hashes != ours().piece_hashes:
            raise SystemExit("the two disagree about the hashes")
    first = statistics.median(next(iter(walls.values())))
    print(f"{size_mib} MiB in pieces of {piece_length >> 10} KiB, {runs} runs, {os.cpu_count()} cores, load {_load()}")
    print(f"  {'':<18} {'wall s':>7} {'CPU s':>7} {'ratio':>6}   each run")
    for name, values in walls.items():
        wall = statistics.median(values)
        each = ", ".join(f"{value:.2f}" for value in values)
        print(f"  {name:<18} {wall:7.2f} {statistics.median(cpus[name]):7.2f} {wall / first:6.2f}   [{each}]")
    print(f"  peak RSS {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB")


def _cpu_s() -> float:
    """CPU seconds of this process and its ended children."""
    usages = (resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def _load() -> str:
    return f"{os.getloadavg()[0]:.1f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mib", type=int, default=1024)
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--piece-length", type=int, default=MIB)
    arguments = parser.parse_args()
    measure(arguments.mib, arguments.runs, arguments.threads, arguments.piece_length)


if __name__ == "__main__":
    main()

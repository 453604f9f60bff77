"""Making a torrent of one large file, in turn with another program, several times in one run.

Version 1 beside `mktorrent -t N`, version 2 and hybrid torrents beside libtorrent (`set_piece_hashes`). Processes are
timed from their start to their end. Ours runs once inside a running interpreter (what a program that embeds it waits
for), and once as a fresh `python -c` where the other is a process, too (interpreter start included). libtorrent runs in
this interpreter. The file is in the page cache for all of them.
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
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeAlias

import libtorrent as lt

from bittorrent import Metainfo, TorrentFormat, create_metainfo

MIB = 1 << 20


def measure(size_mib: int, runs: int, threads: int, piece_length: int, forms: Sequence[TorrentFormat]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "file.bin"
        rng = random.Random(1)
        with path.open("wb") as file:
            for _ in range(size_mib):
                file.write(rng.randbytes(MIB))
        print(
            f"{size_mib} MiB in pieces of {piece_length >> 10} KiB, {runs} runs, {os.cpu_count()} cores, load {_load()}"
        )
        for form in forms:
            is_v1 = form is TorrentFormat.V1
            contenders, hashes = (
                _beside_mktorrent(path, threads, piece_length)
                if is_v1
                else (_beside_libtorrent(path, threads, piece_length, form))
            )
            _compare(form, contenders, hashes, runs, goal=1.1 if is_v1 else 0.8)
    print(f"peak RSS {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB")


Contenders: TypeAlias = dict[str, Callable[[], object]]  # the first is what the others are compared with
Hashes: TypeAlias = Callable[[], tuple[object, object]]  # theirs and ours


def _beside_mktorrent(path: Path, threads: int, piece_length: int) -> tuple[Contenders, Hashes]:
    program = shutil.which("mktorrent")
    if program is None:
        raise SystemExit("mktorrent is not installed: apt-get install mktorrent")
    target = path.with_name("made.torrent")

    def theirs() -> None:
        target.unlink(missing_ok=True)
        exponent = str(piece_length.bit_length() - 1)
        command = [program, "-t", str(threads), "-l", exponent, "-o", str(target), str(path)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)

    def ours_as_a_process() -> None:
        code = (
            "from concurrent.futures import ThreadPoolExecutor as T; import bittorrent as b\n"
            f"with T({threads}) as e: b.create_metainfo({str(path)!r}, piece_length={piece_length}, executor=e)"
        )
        subprocess.run([sys.executable, "-c", code], check=True)

    def ours() -> Metainfo:
        return _ours(path, threads, piece_length, TorrentFormat.V1)

    contenders: Contenders = {f"mktorrent -t {threads}": theirs, "ours": ours, "ours, new process": ours_as_a_process}
    return contenders, lambda: (Metainfo.from_file(target).piece_hashes, ours().piece_hashes)


def _beside_libtorrent(path: Path, threads: int, piece_length: int, form: TorrentFormat) -> tuple[Contenders, Hashes]:
    def theirs() -> bytes:
        flags = lt.create_torrent.v2_only if form is TorrentFormat.V2 else 0
        creator = lt.create_torrent(lt.list_files(str(path)), piece_length, flags)
        lt.set_piece_hashes(creator, str(path.parent))
        made: bytes = lt.bencode(creator.generate())
        return made

    def ours() -> Metainfo:
        return _ours(path, threads, piece_length, form)

    def hashes() -> tuple[object, object]:
        return Metainfo.from_bytes(theirs()).torrent_id, ours().torrent_id

    return {f"libtorrent {lt.version}": theirs, "ours": ours}, hashes


def _ours(path: Path, threads: int, piece_length: int, form: TorrentFormat) -> Metainfo:
    with ThreadPoolExecutor(threads) as executor:
        return create_metainfo(path, format=form, piece_length=piece_length, executor=executor)


def _compare(form: TorrentFormat, contenders: Contenders, hashes: Hashes, runs: int, goal: float) -> None:
    walls: dict[str, list[float]] = {name: [] for name in contenders}
    cpus: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(runs):
        for name, make in contenders.items():
            cpu, started_at = _cpu_s(), time.perf_counter()
            make()
            walls[name].append(time.perf_counter() - started_at)
            cpus[name].append(_cpu_s() - cpu)
    theirs, ours = hashes()
    if theirs != ours:
        raise SystemExit("the two disagree about the hashes")
    first = statistics.median(next(iter(walls.values())))
    print(f"{form:<20} {'wall s':>7} {'CPU s':>7} {'ratio':>6}   each run")
    for name, values in walls.items():
        wall = statistics.median(values)
        each = ", ".join(f"{value:.2f}" for value in values)
        print(f"  {name:<18} {wall:7.2f} {statistics.median(cpus[name]):7.2f} {wall / first:6.2f}   [{each}]")
    ratio = statistics.median(walls["ours"]) / first
    print(f"  goal: at most {goal:.1f}: {'met' if ratio <= goal else 'missed'}")


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
    parser.add_argument(
        "--format", type=TorrentFormat, choices=list(TorrentFormat), nargs="+", default=list(TorrentFormat)
    )
    arguments = parser.parse_args()
    measure(arguments.mib, arguments.runs, arguments.threads, arguments.piece_length, arguments.format)


if __name__ == "__main__":
    main()

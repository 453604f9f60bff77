"""`kad demo`: a whole swarm on this machine, in one minute."""

from __future__ import annotations

import asyncio
import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from bittorrent import Magnet, Metainfo, create_metainfo
from fileshare.cli.demo_children import Child, Children
from fileshare.cli.demo_views import Result, SwarmView, count_sources, result_table
from fileshare.cli.errors import CommandError, InterruptedByUserError, exits
from fileshare.cli.options import JsonOption
from fileshare.cli.output import Output
from fileshare.cli.runtime import run
from fileshare.cli.units import count_text, size_text

EXAMPLE = "Example: kad demo --size 16"


@exits
def demo(
    size_mib: Annotated[int, typer.Option("--size", metavar="MIB", min=1, max=4096, help="Size of the file.")] = 64,
    keep: Annotated[bool, typer.Option("--keep", help="Leave the files, and say where they are.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Watch a swarm find itself: a DHT node, a seeder with a random file and three downloaders, each a process of its
    own on 127.0.0.1. The downloaders get a magnet link and the address of the DHT node, nothing else. At the end every
    copy is compared, and nothing stays behind.
    """
    output = Output(as_json=as_json)
    folder = Path(tempfile.mkdtemp(prefix="kad-demo-"))
    try:
        run(_play(output, folder, size_mib << 20), second_signal_kills=False)
    except InterruptedByUserError:
        raise InterruptedByUserError("interrupted; every process of the demo has been ended") from None
    finally:
        if keep:
            output.complain(f"the files of the demo are in {folder}")
        else:
            shutil.rmtree(folder, ignore_errors=True)


async def _play(output: Output, folder: Path, size_bytes: int) -> None:
    started_at = time.monotonic()
    original = folder / "seeder" / "demo.bin"
    metainfo = await _make_torrent(original, folder / "demo.torrent", size_bytes)
    output.say(f"made a random file of {size_text(size_bytes)}, {count_text(metainfo.piece_count, 'piece')}")
    async with Children() as children:
        bootstrap = await children.start("DHT node", "dht", "node", "--listen", ANY_PORT, "--bootstrap", "none")
        entry = (await bootstrap.wait_event("listening"))["address"]
        output.say(f"the DHT node listens on {entry}")
        options = ("--listen", ANY_PORT, "--bootstrap", entry, "--no-local")  # the DHT alone brings them together
        seeder = await children.start(
            *("seeder", "seed", str(folder / "demo.torrent"), "-d", str(original.parent), "--upload-slots", "1"),
            *options,
        )
        seeder_address = (await seeder.wait_event("seeding"))["address"]
        await bootstrap.wait_event("progress", field="stored_peers", at_least=1)
        output.say(f"the seeder listens on {seeder_address} and has announced itself in the DHT;")
        output.say("it serves one downloader at a time, so the others have to get their pieces from their fellows")
        magnet = str(Magnet(v1=metainfo.torrent_id.v1, v2=metainfo.torrent_id.v2))
        output.say(f"three downloaders know {entry} and {magnet}")
        output.event("started", bootstrap=entry, seeder=seeder_address, magnet=magnet, bytes=size_bytes)
        downloaders = [
            await children.start(
                f"downloader {number}", "get", magnet, "-o", str(folder / f"downloader-{number}"), "--seed", *options
            )
            for number in range(1, DOWNLOADERS + 1)
        ]
        for child in downloaders:
            await child.wait_event("listening")
        for child in downloaders:  # so close together that they trade, so far apart that the DHT names each to the next
            child.give_start()
            await asyncio.sleep(STAGGER_S)
        await _watch(output, children, downloaders, seeder_address)
        results = await _compare(original, downloaders, seeder_address)
    _report(output, results, size_bytes, time.monotonic() - started_at)


async def _watch(output: Output, children: Children, downloaders: Sequence[Child], seeder: str) -> None:
    """Until every downloader is done.

    Raises:
        CommandError: a process ended early, or nothing moves any more.
    """
    work = asyncio.create_task(_wait_done(output, downloaders, seeder), name="downloads")
    failure = asyncio.create_task(children.wait_failure(), name="failure")
    try:
        done, _ = await asyncio.wait({work, failure}, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        work.cancel()
        failure.cancel()
        await asyncio.gather(work, failure, return_exceptions=True)


async def _wait_done(output: Output, downloaders: Sequence[Child], seeder: str) -> None:
    with SwarmView(output, downloaders, seeder) as view:
        moved, moved_at = -1, time.monotonic()
        while not all("done" in child.latest for child in downloaders):
            view.refresh()
            await asyncio.sleep(REFRESH_INTERVAL_S)
            done_bytes = sum(child.latest.get("progress", {}).get("done_bytes", 0) for child in downloaders)
            if done_bytes != moved:
                moved, moved_at = done_bytes, time.monotonic()
            elif time.monotonic() - moved_at > STALL_S:
                raise CommandError(f"nothing has moved for {STALL_S} s; does a firewall block 127.0.0.1?")


async def _make_torrent(path: Path, torrent: Path, size_bytes: int) -> Metainfo:
    path.parent.mkdir()
    with path.open("wb") as file:
        for _ in range(size_bytes >> 20):
            file.write(os.urandom(1 << 20))
            await asyncio.sleep(0)
    metainfo = await asyncio.to_thread(create_metainfo, path)
    with torrent.open("wb") as file:
        file.write(metainfo.to_bytes())
    return metainfo


async def _compare(original: Path, downloaders: Sequence[Child], seeder: str) -> list[Result]:
    expected = await asyncio.to_thread(_sha256, original)
    results = []
    for child in downloaders:
        done = child.latest["done"]
        digest = await asyncio.to_thread(_sha256, Path(done["path"]))
        from_seeder, from_downloaders = count_sources(done, seeder)
        lookup = done["lookup"] or {}
        results.append(
            Result(
                name=child.name,
                seconds=done["seconds"],
                rate_bytes_per_s=done["bytes"] / max(done["seconds"], 0.001),
                hops=lookup.get("hops"),
                queries=lookup.get("queries"),
                pieces_from_seeder=from_seeder,
                pieces_from_downloaders=from_downloaders,
                failed_pieces=done["failed_pieces"],
                sha256=digest,
                is_identical=digest == expected,
            )
        )
    return results


def _report(output: Output, results: Sequence[Result], size_bytes: int, seconds: float) -> None:
    output.say(result_table(results, size_bytes))
    different = [result.name for result in results if not result.is_identical]
    if different:
        raise CommandError(f"the copies of {', '.join(different)} differ from the original; please report this")
    output.say(f"all copies are identical; {seconds:.1f} s in all")
    output.event("done", seconds=seconds, bytes=size_bytes, downloaders=results)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


ANY_PORT = "127.0.0.1:0"
DOWNLOADERS = 3
REFRESH_INTERVAL_S = 0.25
STAGGER_S = 0.15
STALL_S = 60

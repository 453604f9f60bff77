"""A real seed on which idle and half-open sockets of this machine squat, and a newcomer, as processes."""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path

import pytest

from bittorrent import Metainfo, create_metainfo
from bittorrent.wire import messages as wire
from bittorrent.wire.handshake import Handshake
from tests.interop.kad import ANY, Kad, run

pytestmark = pytest.mark.interop

SIZE = (4 if os.environ.get("CI") else 24) << 20
LOCAL = [f"127.0.1.{number}" for number in range(2, 22)]  # twenty hosts


@pytest.mark.parametrize(("count", "is_idle"), [(12, True), (60, True), (400, True), (96, False)])
async def test_a_newcomer_is_served_although_others_squat(tmp_path: Path, count: int, is_idle: bool) -> None:
    """Twelve idle peers held a seed's slots for a minute, 96 half-open sockets of three hosts its door for two."""
    (tmp_path / "file.bin").write_bytes(random.Random(1).randbytes(SIZE))
    metainfo = create_metainfo(tmp_path / "file.bin")
    torrent = tmp_path / "file.torrent"
    torrent.write_bytes(metainfo.to_bytes())
    hosts = LOCAL if is_idle else LOCAL[:3]
    async with Kad("seed", torrent, "-d", tmp_path, "--listen", ANY, "--no-dht", "--exempt", "none") as seed:
        address = (await seed.wait_event("seeding"))["address"]
        async with AsyncExitStack() as stack:
            for number in range(count):
                local = hosts[number % len(hosts)]
                await stack.enter_async_context(squatter(metainfo, address, local, number if is_idle else None))
            await asyncio.sleep(3.0)
            where = ("--listen", ANY, "--no-dht", "--peer", address)
            finished = await run("get", torrent, "-o", tmp_path / "copy", *where)
            assert finished.done["seconds"] < 20.0  # two at most on a quiet machine
        await seed.interrupt()
    assert (tmp_path / "copy" / "file.bin").read_bytes() == (tmp_path / "file.bin").read_bytes()


@asynccontextmanager
async def squatter(metainfo: Metainfo, address: str, local: str, number: int | None) -> AsyncIterator[None]:
    """An interested peer that requests nothing, or without a number one that says nothing at all; it reads."""
    host, _, port = address.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port), local_addr=(local, 0))
    if number is not None:
        peer_id = b"-XX0000-" + b"%012d" % number
        writer.write(Handshake(info_hash=metainfo.info_hash, peer_id=peer_id, supports_fast=True).to_bytes())
        writer.write(wire.encode_message(wire.HaveNone()) + wire.encode_message(wire.Interested()))
    reading = asyncio.create_task(drain(reader))
    try:
        yield
    finally:
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
        writer.transport.abort()


async def drain(reader: asyncio.StreamReader) -> None:
    with suppress(ConnectionError):
        while await reader.read(1 << 16):
            pass

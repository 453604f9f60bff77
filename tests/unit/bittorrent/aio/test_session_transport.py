"""Sessions over a transport that is handed to them: nothing of them needs TCP."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

import pytest

from bittorrent import Session, create_metainfo
from tests.conformance.layers import xored
from tests.conformance.plugs import through_layer
from transfer.address import Address
from transfer.aio.memory import MemoryConfig, MemoryNetwork, MemoryTransport
from transfer.aio.tcp import TcpTransport

pytestmark = pytest.mark.every_event_loop

PORT = 6881
SEEDER, LEECH = "10.0.0.1", "10.0.0.2"


@pytest.mark.parametrize("config", [MemoryConfig(), MemoryConfig(read_bytes=997)], ids=["wide", "narrow"])
async def test_a_session_downloads_from_another_in_memory(tmp_path: Path, config: MemoryConfig) -> None:
    path = tmp_path / "seed" / "file.bin"
    path.parent.mkdir()
    path.write_bytes(random.Random(1).randbytes(300_001))
    metainfo = create_metainfo(path, piece_length=1 << 15)
    network = MemoryNetwork(config)
    async with (
        asyncio.timeout(20),
        Session(path.parent, host=SEEDER, port=PORT, transport=MemoryTransport(network, SEEDER)) as seed,
        Session(tmp_path / "leech", host=LEECH, port=PORT, transport=MemoryTransport(network, LEECH)) as leech,
    ):
        assert seed.address == Address(SEEDER, PORT)
        await (await seed.add(metainfo, seed_only=True)).wait_complete()
        torrent = await leech.add(metainfo.magnet_link(), peers=[seed.address])
        await torrent.wait_complete()
        assert [source.address for source in torrent.statistics().sources] == [seed.address]
    assert (tmp_path / "leech" / "file.bin").read_bytes() == path.read_bytes()
    assert (network.streams, network.listeners) == (0, 0)


async def test_a_session_downloads_through_layers(tmp_path: Path) -> None:
    """Encryption needs no more of a session than another transport: here one that transforms over one that does not."""
    path = tmp_path / "seed" / "file.bin"
    path.parent.mkdir()
    path.write_bytes(random.Random(1).randbytes(300_001))
    metainfo = create_metainfo(path, piece_length=1 << 15)
    seed_transport, transport = xored(through_layer(TcpTransport())), xored(through_layer(TcpTransport()))
    async with (
        asyncio.timeout(20),
        Session(path.parent, host="127.0.0.1", transport=seed_transport) as seed,
        Session(tmp_path / "leech", host="127.0.0.1", transport=transport) as leech,
    ):
        await (await seed.add(metainfo, seed_only=True)).wait_complete()
        torrent = await leech.add(metainfo.magnet_link(), peers=[seed.address])
        await torrent.wait_complete()
    assert (tmp_path / "leech" / "file.bin").read_bytes() == path.read_bytes()


async def test_an_address_in_use_is_told_on_entry(tmp_path: Path) -> None:
    network = MemoryNetwork(MemoryConfig())
    async with Session(tmp_path, host=SEEDER, port=PORT, transport=MemoryTransport(network, SEEDER)):
        with pytest.raises(OSError, match="in use"):
            await Session(tmp_path, host=SEEDER, port=PORT, transport=MemoryTransport(network, SEEDER)).__aenter__()
    assert network.listeners == 0

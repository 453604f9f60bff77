"""Peers that hold upload slots or connections and make nothing of them, half-open ones too, and a newcomer."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, suppress
from enum import Enum, auto
from typing import Any

from bittorrent.dialling.peer_list import PeerSource
from bittorrent.pieces.block import BLOCK_SIZE, Block
from bittorrent.wire import messages as wire
from bittorrent.wire.handshake import Handshake
from tests.simulation.content_sessions import PORT, add, session_on, until
from tests.simulation.odd_peers import Manner, OddPeer
from tests.simulation.shared_content import SharedContent
from transfer.address import Address
from transfer.simulation import Simulation


class Idleness(Enum):
    """What a peer makes of its slot. All say that they are interested."""

    SILENT = auto()  # it requests nothing
    RARE = auto()  # a block every nine seconds
    UNREAD = auto()  # it requests all it can, and reads nothing
    CANCELS = auto()  # it takes each request back at once
    TOGGLES = auto()  # it is interested, and not, and interested again
    RETURNS = auto()  # it connects anew as soon as it was choked
    UNINTERESTED = auto()  # after all: it says nothing


class IdlePeer:
    """Dials a session and squats.

    Args:
        number: tells its peer id from others'.
    """

    def __init__(self, content: SharedContent, idleness: Idleness, number: int) -> None:
        self._content = content
        self._idleness = idleness
        self._number = number

    async def squat(self, host: str, port: int, local: tuple[str, int] | None = None) -> None:
        """Until it is cancelled; who is put out comes back."""
        while True:
            with suppress(OSError, asyncio.IncompleteReadError):
                limit = 1 << 12 if self._idleness is Idleness.UNREAD else 1 << 16
                reader, writer = await asyncio.open_connection(host, port, local_addr=local, limit=limit)
                try:
                    await self._hold(reader, writer)
                finally:
                    writer.transport.abort()
            await asyncio.sleep(1.0)

    async def _hold(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        info_hash = self._content.metainfo.info_hash
        peer_id = b"-XX0000-" + b"%012d" % self._number
        writer.write(Handshake(info_hash=info_hash, peer_id=peer_id, supports_fast=True).to_bytes())
        said: list[wire.Message] = [wire.HaveNone()]
        if self._idleness is not Idleness.UNINTERESTED:
            said.append(wire.Interested())
        writer.write(b"".join(map(wire.encode_message, said)))
        await reader.readexactly(68)
        async with asyncio.TaskGroup() as group:
            acting = group.create_task(self._act(writer))
            if self._idleness is Idleness.UNREAD:
                await acting
            await self._read(reader)
            acting.cancel()

    async def _read(self, reader: asyncio.StreamReader) -> None:
        while True:
            size = int.from_bytes(await reader.readexactly(4), "big")
            message = await reader.readexactly(size)
            if message[:1] == b"\x00" and self._idleness is Idleness.RETURNS:
                return

    async def _act(self, writer: asyncio.StreamWriter) -> None:
        def say(*messages: wire.Message) -> None:
            writer.write(b"".join(map(wire.encode_message, messages)))

        block = Block(0, 0, BLOCK_SIZE)
        per_piece = self._content.metainfo.piece_length // BLOCK_SIZE
        while True:
            match self._idleness:
                case Idleness.RARE:
                    say(wire.Request(block))
                    await asyncio.sleep(9.0)
                case Idleness.UNREAD:
                    say(
                        *(
                            wire.Request(Block(at // per_piece, at % per_piece * BLOCK_SIZE, BLOCK_SIZE))
                            for at in range(100)
                        )
                    )
                    await asyncio.sleep(3600.0)
                case Idleness.CANCELS:
                    say(wire.Request(block), wire.Cancel(block))
                    await asyncio.sleep(0.3)
                case Idleness.TOGGLES:
                    say(wire.NotInterested(), wire.Interested())
                    await asyncio.sleep(1.0)
                case _:
                    await asyncio.sleep(3600.0)


SEED, NEWCOMER, SLOW = "10.0.0.1", "10.0.0.2", "10.0.0.3"


async def newcomer(
    simulation: Simulation,
    idleness: Idleness,
    *,
    count: int,
    head_start_s: float = 30.0,
    size: int = 24 << 20,
    seeding: bool = True,
    **config: Any,
) -> float:
    """How long a newcomer needs for everything, when so many idle peers were there first.

    Args:
        seeding: the one that is squatted on is a seed; otherwise it lacks a piece that nobody has.
        config: of its session.
    """
    content = SharedContent.make(size, 1 << 18, simulation.rng, private=True)
    async with AsyncExitStack() as stack:
        seeder = await stack.enter_async_context(session_on(simulation, SEED, content, complete=seeding, **config))
        if not seeding:
            simulation.disk(SEED).write("content", 0, content.data[: -content.metainfo.piece_length])
        seed = await add(simulation, SEED, seeder, content.metainfo, seed_only=seeding)
        await until(lambda: seed.statistics().done_pieces >= content.metainfo.piece_count - 1)
        squatters = []
        for number in range(count):
            with simulation.host(f"10.1.{number // 50}.{number % 50 + 1}"):
                peer = IdlePeer(content, idleness, number)
                squatters.append(asyncio.create_task(peer.squat(SEED, PORT)))
        await asyncio.sleep(head_start_s)
        session = await stack.enter_async_context(session_on(simulation, NEWCOMER, content))
        torrent = await add(simulation, NEWCOMER, session, content.metainfo, peers=[(SEED, PORT)])
        began_at = simulation.now
        wanted = content.metainfo.piece_count - (not seeding)
        await until(lambda: torrent.statistics().done_pieces >= wanted, within_s=1000.0)
        took_s = simulation.now - began_at
        for task in squatters:
            task.cancel()
        await asyncio.gather(*squatters, return_exceptions=True)
        return took_s


async def slow_one(simulation: Simulation, idleness: Idleness, *, count: int, seconds: float) -> tuple[float, int]:
    """An honest peer on a slow line among idle ones that come one after the other: its share of time with a slot, and
    how many bytes it got."""
    content = SharedContent.make(4 << 20, 1 << 18, simulation.rng, private=True)
    async with AsyncExitStack() as stack:
        seeder = await stack.enter_async_context(session_on(simulation, SEED, content, complete=True))
        seed = await add(simulation, SEED, seeder, content.metainfo, seed_only=True)
        await seed.wait_complete()
        simulation.set_access(SLOW, down_bytes_per_s=5e3)
        session = await stack.enter_async_context(session_on(simulation, SLOW, content))
        torrent = await add(simulation, SLOW, session, content.metainfo, peers=[(SEED, PORT)])
        await until(lambda: torrent.statistics().downloaded_bytes > 0)
        squatters = []
        looks = unchoked = 0
        for number in range(int(seconds)):
            if number < count:
                with simulation.host(f"10.1.{number // 50}.{number % 50 + 1}"):
                    squatters.append(asyncio.create_task(IdlePeer(content, idleness, number).squat(SEED, PORT)))
            await asyncio.sleep(1.0)
            looks += 1
            unchoked += any(peer.address.host == SLOW and not peer.am_choking for peer in seed.peers())
        for task in squatters:
            task.cancel()
        await asyncio.gather(*squatters, return_exceptions=True)
        return unchoked / looks, torrent.statistics().downloaded_bytes


async def half_open(
    simulation: Simulation, hosts: list[str], *, sockets: int, drips: bool = False, comes_back: bool = False
) -> float:
    """How long a newcomer needs for a small torrent from a seed on which hosts hold sockets without a handshake.

    Args:
        sockets: of all hosts together.
        drips: they send a byte of the handshake each second.
        comes_back: whoever is put out dials again soon.
    """
    content = SharedContent.make(1 << 18, 1 << 16, simulation.rng, private=True)

    async def hold() -> None:
        while True:
            with suppress(OSError):
                reader, writer = await asyncio.open_connection(SEED, PORT)
                dripping = asyncio.create_task(_drip(writer)) if drips else None
                try:
                    await reader.read()
                finally:
                    writer.transport.abort()
                    if dripping is not None:
                        dripping.cancel()
            await asyncio.sleep(0.05 if comes_back else 1000.0)

    async with AsyncExitStack() as stack:
        seeder = await stack.enter_async_context(session_on(simulation, SEED, content, complete=True))
        seed = await add(simulation, SEED, seeder, content.metainfo, seed_only=True)
        await seed.wait_complete()
        holding = []
        for number in range(sockets):
            with simulation.host(hosts[number % len(hosts)]):
                holding.append(asyncio.create_task(hold()))
        await asyncio.sleep(2.0)
        session = await stack.enter_async_context(session_on(simulation, NEWCOMER, content))
        torrent = await add(simulation, NEWCOMER, session, content.metainfo, peers=[(SEED, PORT)])
        began_at = simulation.now
        await until(lambda: not torrent.left_bytes, within_s=300.0)
        took_s = simulation.now - began_at
        for task in holding:
            task.cancel()
        await asyncio.gather(*holding, return_exceptions=True)
        return took_s


async def tarpits(simulation: Simulation, *, count: int) -> float:
    """How long a download takes that is told of a seed when it is calling peers that accept and say nothing."""
    content = SharedContent.make(1 << 18, 1 << 16, simulation.rng, private=True)
    async with AsyncExitStack() as stack:
        seeder = await stack.enter_async_context(session_on(simulation, SEED, content, complete=True))
        await (await add(simulation, SEED, seeder, content.metainfo, seed_only=True)).wait_complete()
        mute = [OddPeer(simulation, f"10.1.0.{number + 1}", content, Manner.MUTE) for number in range(count)]
        for peer in mute:
            await stack.enter_async_context(peer)
        session = await stack.enter_async_context(session_on(simulation, NEWCOMER, content))
        torrent = await add(simulation, NEWCOMER, session, content.metainfo)
        await asyncio.sleep(0.5)
        with simulation.host(NEWCOMER):
            torrent.swarm.add_addresses([Address(peer.host, PORT) for peer in mute], PeerSource.TRACKER)
            await asyncio.sleep(1.0)
            torrent.swarm.add_addresses([Address(SEED, PORT)], PeerSource.TRACKER)
        began_at = simulation.now
        await until(lambda: not torrent.left_bytes, within_s=300.0)
        return simulation.now - began_at


async def _drip(writer: asyncio.StreamWriter) -> None:
    for byte in Handshake(info_hash=bytes(20), peer_id=bytes(20), supports_fast=True).to_bytes():
        writer.write(bytes((byte,)))
        await asyncio.sleep(1.0)

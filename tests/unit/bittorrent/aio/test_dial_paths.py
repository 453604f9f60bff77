"""Toy paths through a whole session: one line for the transport, one for the order, and nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from bittorrent import Session, SessionConfig
from bittorrent.dialling.encryption import Encryption
from bittorrent.dialling.paths import TCP, DialPath, PathConfig
from tests.conformance.layers import Xor
from tests.simulation.content_sessions import PORT, add, until
from tests.simulation.shared_content import SharedContent
from transfer.address import Address
from transfer.aio.door import Door
from transfer.aio.layered import LayeredTransport
from transfer.aio.tcp import TcpTransport
from transfer.aio.transports import Listener
from transfer.simulation import Link, Simulation, run

UTP, TCP_XOR = DialPath(transport="utp"), DialPath(transport="tcp", cover="xor")
SEED, LEECH = "10.0.0.1", "10.0.0.2"


class Nobody:
    """A transport over which nobody answers."""

    async def connect(self, protocol_factory: Callable[[], Any], address: Address) -> Any:
        raise ConnectionRefusedError("nobody speaks it")

    async def listen(
        self, protocol_factory: Callable[[], asyncio.BaseProtocol], address: Address, *, door: Door | None = None
    ) -> Listener:
        raise NotImplementedError


class Slow:
    """A transport that is in no hurry. `ended` says how each call over it went."""

    def __init__(self, carrier: Any, delay_s: float, ended: list[str]) -> None:
        self._carrier = carrier
        self._delay_s = delay_s
        self._ended = ended
        self.listen = carrier.listen

    async def connect(self, protocol_factory: Callable[[], Any], address: Address) -> Any:
        try:
            await asyncio.sleep(self._delay_s)
            connected = await self._carrier.connect(protocol_factory, address)
        except asyncio.CancelledError:
            self._ended.append("given up")
            raise
        self._ended.append("connected")
        return connected


class Counted:
    """A transport that keeps account of who was called over it."""

    def __init__(self, path: DialPath, carrier: Any, calls: list[DialPath]) -> None:
        self._path = path
        self._carrier = carrier
        self._calls = calls
        self.listen = carrier.listen

    async def connect(self, protocol_factory: Callable[[], Any], address: Address) -> Any:
        self._calls.append(self._path)
        return await self._carrier.connect(protocol_factory, address)


def xor() -> LayeredTransport:
    return LayeredTransport(TcpTransport(), dial=lambda _: Xor(b"key."), accept=lambda: Xor(b"gate"))


def download(
    order: tuple[DialPath, ...], *, seed_speaks: Any = None, utp: Any = None, race_delay_s: float = 2.0
) -> list[DialPath]:
    """The paths of the calls of a download that is paused and resumed in the middle."""

    async def scenario(simulation: Simulation) -> list[DialPath]:
        content = SharedContent.make(1 << 20, 1 << 16, simulation.rng, private=True)
        calls: list[DialPath] = []
        with simulation.host(SEED):
            storage = content.on(simulation.disk(SEED), complete=True)
            simulation.set_access(SEED, up_bytes_per_s=200e3)
            plain = SessionConfig(encryption=Encryption.OFF)
            seeder = Session(host=SEED, port=PORT, open_storage=storage, transport=seed_speaks, config=plain)
            await seeder.__aenter__()
        with simulation.host(LEECH):
            storage = content.on(simulation.disk(LEECH), complete=False)
            paths = PathConfig(paths=order, race_delay_s=race_delay_s)
            config = SessionConfig(paths=paths, encryption=Encryption.OFF)
            leech = Session(host=LEECH, port=PORT, open_storage=storage, config=config)
            for path, carrier in {UTP: utp or Nobody(), TCP_XOR: xor(), TCP: TcpTransport()}.items():
                leech._transports[path] = Counted(path, carrier, calls)
            await leech.__aenter__()
        try:
            await (await add(simulation, SEED, seeder, content.metainfo, seed_only=True)).wait_complete()
            torrent = await add(simulation, LEECH, leech, content.metainfo, peers=[(SEED, PORT)])
            began_at = simulation.now
            await until(lambda: torrent.statistics().downloaded_bytes > 0, every_s=0.01)
            assert simulation.now - began_at < 0.9, "another path does not wait for the clock"
            await torrent.pause()
            with simulation.host(LEECH):
                torrent.resume()
            async with asyncio.timeout(60):
                await torrent.wait_complete()
        finally:
            await leech.aclose()
            await seeder.aclose()
        return calls

    return run(scenario, seed=1, link=Link(delay_s=0.01)).result


def test_tcp_follows_a_transport_that_nobody_answers_on_and_is_remembered() -> None:
    assert download((UTP, TCP)) == [UTP, TCP, TCP]


def test_plain_follows_a_cover_that_the_peer_does_not_understand_and_is_remembered() -> None:
    assert download((TCP_XOR, TCP)) == [TCP_XOR, TCP, TCP]


def test_who_understands_nothing_else_is_met_under_cover() -> None:
    assert download((UTP, TCP, TCP_XOR), seed_speaks=xor()) == [UTP, TCP, TCP_XOR, TCP_XOR]


def test_who_is_slow_to_accept_is_called_by_another_path_and_the_first_call_ends() -> None:
    ended: list[str] = []
    slow = Slow(TcpTransport(), 1000.0, ended)
    calls = download((UTP, TCP), utp=slow, race_delay_s=0.25)
    assert calls[:3] == [UTP, TCP, TCP], "what worked comes first the next time"
    assert set(ended) == {"given up"}


def test_two_calls_that_are_accepted_at_the_same_time_leave_one_connection() -> None:
    """The connection that is too late is hung up on: whoever was called sees one peer."""
    ended: list[str] = []
    slow = Slow(TcpTransport(), 0.25, ended)
    calls = download((UTP, TCP), utp=slow, race_delay_s=0.25)
    assert calls[:2] == [UTP, TCP]
    assert len(ended) >= 1


async def test_a_path_without_a_transport_is_an_error_of_one_line() -> None:
    session = Session(config=SessionConfig(paths=PathConfig(paths=(TCP, TCP_XOR, UTP))))
    with pytest.raises(ValueError, match=r"^no transport for the path tcp/xor of SessionConfig\.paths$"):
        await session.__aenter__()

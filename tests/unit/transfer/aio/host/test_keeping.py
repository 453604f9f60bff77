"""Whoever gives no sign of life, streams on which nothing moves, and peers that are too many: in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from tests.unit.transfer.aio.host.test_host import ECHO, echo, said_by
from transfer import simulation
from transfer.aio.host.host import Host
from transfer.aio.host.plugs import Yamux
from transfer.aio.limits import Limits
from transfer.aio.muxing.connection import YamuxConnection
from transfer.aio.muxing.stream import MuxedStream
from transfer.host.config import HostConfig
from transfer.host.errors import StreamIdleError
from transfer.host.events import ConnectionDropped, DropCause, PeerDisconnected
from transfer.limits.idle import IdleConfig
from transfer.limits.keeper import KeeperConfig
from transfer.limits.resources import Resource
from transfer.limits.streams import StreamLimits
from transfer.muxing.errors import StreamResetError
from transfer.muxing.yamux.config import YamuxConfig
from transfer.simulation import Simulation

NO_KEEP_ALIVE = YamuxConfig(keep_alive_s=None)
LINK = simulation.Link(delay_s=0.02)
SERVER = "10.0.0.1"


class Silent(YamuxConnection):
    """Hears nothing and says nothing any more, from a certain time on."""

    silent_after_s = 5.0

    def data_received(self, data: bytes) -> None:
        if self._loop.time() < self.silent_after_s:
            super().data_received(data)


class SilentYamux(Yamux):
    def make(
        self, accept: Callable[[], asyncio.BaseProtocol | None], *, is_initiator: bool, limits: StreamLimits
    ) -> YamuxConnection:
        return Silent(accept, is_initiator=is_initiator, config=NO_KEEP_ALIVE, limits=limits)


QUIET = HostConfig(idle=IdleConfig(connection_s=None, stream_s=None), keeper=None)  # leaves all to the other side


@asynccontextmanager
async def host_at(simulated: Simulation, address: str, **options: Any) -> AsyncIterator[Host]:
    with simulated.host(address):
        host = await Host(**options).__aenter__()
    try:
        yield host
    finally:
        with simulated.host(address):
            await host.aclose()


def in_use(limits: Limits) -> tuple[int, ...]:
    used = limits.core.budget.used
    return tuple(used(each) for each in (Resource.CONNECTIONS_IN, Resource.STREAMS_IN, Resource.DESCRIPTORS))


async def silent_and_answering(simulated: Simulation, keep_alive_s: float | None, has_stream: bool) -> None:
    muxers = [Yamux(YamuxConfig(keep_alive_s=keep_alive_s))]
    listen = [f"/ip4/{SERVER}/tcp/4001"]
    async with (
        host_at(simulated, SERVER, listen=listen, muxers=muxers) as server,
        host_at(simulated, "10.0.0.2", muxers=[Yamux(NO_KEEP_ALIVE)], config=QUIET) as answering,
        host_at(simulated, "10.0.0.3", muxers=[SilentYamux()], config=QUIET) as silent,
    ):
        server.set_stream_handler(ECHO, echo, is_long_lived=True)
        events = server.events()
        for where, host in (("10.0.0.2", answering), ("10.0.0.3", silent)):
            with simulated.host(where):
                await host.identify(server.address)
        if has_stream:
            reader, writer = await silent.open_stream(server.peer_id, ECHO)
            writer.write(b"x")
            await reader.readexactly(1)
        await asyncio.sleep(1)
        both = in_use(server.limits)
        assert both[0] == both[2] == 2
        assert both[1] == has_stream
        await asyncio.sleep(60)
        assert [each.peer_id for each in server.connections] == [answering.peer_id], str(server.explain())
        assert in_use(server.limits) == (1, 0, 1), "the place, the stream and the descriptor are back"
        await asyncio.sleep(2_000)
        assert [each.peer_id for each in server.connections] == [answering.peer_id]
        assert await said_by(answering, server.peer_id, b"still here") == b"still here"
        seen = [event async for event in until_disconnected(events)]
        (dropped,) = [event for event in seen if isinstance(event, ConnectionDropped)]
        assert (dropped.peer_id, dropped.cause) == (silent.peer_id, DropCause.IDLE)
        assert 30 < dropped.at < 50
        assert seen[-1] == PeerDisconnected(silent.peer_id, dropped.reason)
        assert server.explain(silent.peer_id).dropped == (dropped,)
        assert server.explain(answering.peer_id).dropped == ()
        assert f"connection with {dropped.address} idle: {dropped.reason}" in str(server.explain())
        if keep_alive_s is None:
            assert "no sign of life for 30 s (idle.connection_s)" in dropped.reason
        assert len(server._keeping._idle) == 1


async def until_disconnected(events: AsyncIterator[Any]) -> AsyncIterator[Any]:
    async for event in events:
        yield event
        if isinstance(event, PeerDisconnected):
            return


@pytest.mark.parametrize("keep_alive_s", [None, 30.0], ids=["asked by the host", "asked by the muxer"])
@pytest.mark.parametrize("has_stream", [False, True], ids=["no stream", "a stream"])
def test_a_silent_peer_is_closed_and_all_it_held_is_back_and_one_that_answers_lives(
    keep_alive_s: float | None, has_stream: bool
) -> None:
    async def scenario(simulated: Simulation) -> None:
        await silent_and_answering(simulated, keep_alive_s, has_stream)

    simulation.run(scenario, link=LINK)


async def vanished_machine(simulated: Simulation) -> None:
    muxers = [Yamux(NO_KEEP_ALIVE)]
    async with (
        host_at(simulated, SERVER, listen=[f"/ip4/{SERVER}/tcp/4001"], muxers=muxers) as server,
        host_at(simulated, "10.0.0.2", muxers=muxers, config=QUIET) as client,
    ):
        with simulated.host("10.0.0.2"):
            await client.identify(server.address)
        with simulated.partition([SERVER], ["10.0.0.2"]):
            await asyncio.sleep(1_000)
            assert server.connections == (), str(server.explain())
            assert in_use(server.limits) == (0, 0, 0)
            assert [each.peer_id for each in server.explain().dropped] == [client.peer_id]


def test_a_machine_that_has_vanished_costs_nothing_after_a_while() -> None:
    simulation.run(vanished_machine, link=LINK)


@asynccontextmanager
async def serving(simulated: Simulation, **options: Any) -> AsyncIterator[tuple[Host, Host]]:
    listen = [f"/ip4/{SERVER}/tcp/4001"]
    async with (
        host_at(simulated, SERVER, listen=listen, **options) as server,
        host_at(simulated, "10.0.0.2", config=QUIET) as client,
    ):
        with simulated.host("10.0.0.2"):
            await client.identify(server.address)
        yield server, client


async def streams(simulated: Simulation) -> None:
    ended: dict[str, BaseException | None] = {}

    async def note(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        name = writer.get_extra_info("protocol")
        ended[name] = None
        try:
            await echo(reader, writer)
        except BaseException as error:
            ended[name] = error
            raise

    loop = asyncio.get_running_loop()
    async with serving(simulated) as (server, client):
        server.set_stream_handler(["/silent", "/slow", "/unread"], note)
        server.set_stream_handler("/long", note, is_long_lived=True)
        opened = {
            name: await client.open_stream(server.peer_id, name) for name in ("/silent", "/slow", "/unread", "/long")
        }
        started_at, ends = loop.time(), list[float]()
        for _, writer in opened.values():
            writer.write(b"x")
        opened["/unread"][1].write(bytes(4 << 20))  # which comes back, and is not read
        opened["/unread"][1].transport.pause_reading()  # type: ignore[attr-defined]
        await opened["/silent"][0].readexactly(1)
        pending = asyncio.create_task(opened["/silent"][0].readexactly(1))
        pending.add_done_callback(lambda _: ends.append(loop.time() - started_at))
        for _ in range(20):
            await asyncio.sleep(50)
            opened["/slow"][1].write(b"y")
        with pytest.raises(StreamResetError):
            await pending
        assert ends == [pytest.approx(60, abs=0.5)]
        assert isinstance(ended["/silent"], StreamIdleError)
        assert str(ended["/silent"]) == (
            "nothing moved on the stream for 60 s (idle.stream_s; is_long_lived exempts a stream)"
        )
        assert isinstance(ended["/unread"], StreamIdleError)
        assert ended["/slow"] is ended["/long"] is None
        for name in ("/slow", "/long"):
            reader, writer = opened[name]
            writer.write(b"z")
            writer.write_eof()
            assert (await reader.read(-1))[-1:] == b"z"
        for _, writer in opened.values():
            writer.close()
        await asyncio.sleep(70)
        assert in_use(server.limits) == (1, 0, 1)
        assert len(server._keeping._idle) == 1, "streams that are over are forgotten"
        pings = client.pings(server.peer_id, interval_s=100)
        for _ in range(3):
            await anext(pings)
        await pings.aclose()


def test_a_stream_on_which_nothing_moves_is_reset_by_name_and_others_live() -> None:
    simulation.run(streams, link=LINK)


class Echoes(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: Any = transport
        self.received = b""
        self.error: BaseException | None = None

    def data_received(self, data: bytes) -> None:
        self.received += data
        if not data.isupper():
            self.transport.write(data.upper())

    def connection_lost(self, exc: Exception | None) -> None:
        self.error = exc


async def protocols_of_asyncio(simulated: Simulation) -> None:
    async with serving(simulated) as (server, client):
        server.set_stream_protocol("/short", Echoes)
        server.set_stream_protocol("/long", Echoes, is_long_lived=True)
        client.set_stream_protocol("/back", Echoes)
        long, heard = await client.create_stream(Echoes, server.peer_id, "/long")
        short, ended = await client.create_stream(Echoes, server.peer_id, "/short")
        _, ours = await server.create_stream(Echoes, client.peer_id, "/back")
        back, kept = await server.create_stream(Echoes, client.peer_id, "/back", is_long_lived=True)
        await asyncio.sleep(1_000)
        long.write(b"still here")
        back.write(b"still here")
        await asyncio.sleep(1)
        assert heard.received == kept.received == b"STILL HERE"
        assert isinstance(ended.error, StreamResetError)
        assert isinstance(ours.error, StreamIdleError)
        assert short.is_closing()
        long.close()
        back.close()


def test_streams_with_protocols_of_asyncio_are_under_the_same_rule() -> None:
    simulation.run(protocols_of_asyncio, link=LINK)


async def untold(simulated: Simulation) -> None:
    async with serving(simulated) as (server, client):
        server.set_stream_handler(ECHO, echo)
        reader, writer = await client.open_stream(server.peer_id, ECHO)
        await asyncio.sleep(1_000)
        writer.write(b"x")
        assert await reader.readexactly(1) == b"x"
        writer.close()


def test_a_stream_of_a_muxer_that_does_not_tell_what_moves_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    told = MuxedStream.get_extra_info
    monkeypatch.setattr(
        MuxedStream, "get_extra_info", lambda self, name, default=None: None if name == "moved_at" else told(self, name)
    )
    simulation.run(untold, link=LINK)


async def patient(simulated: Simulation) -> None:
    config = HostConfig(idle=IdleConfig(stream_s=None))
    async with serving(simulated, config=config) as (server, client):
        server.set_stream_handler(ECHO, echo)
        reader, writer = await client.open_stream(server.peer_id, ECHO)
        await asyncio.sleep(1_000)
        writer.write(b"x")
        assert await reader.readexactly(1) == b"x"
        writer.close()


def test_the_rule_of_streams_can_be_off() -> None:
    simulation.run(patient, link=LINK)


async def too_many(simulated: Simulation) -> None:
    config = HostConfig(keeper=KeeperConfig(low=4, high=8, grace_s=20.0, pause_s=11.0))
    clients: list[Host] = []
    loop = asyncio.get_running_loop()
    async with host_at(simulated, SERVER, listen=[f"/ip4/{SERVER}/tcp/4001"], config=config) as server:
        server.set_stream_handler(ECHO, echo)
        events = server.events()
        for number in range(12):
            with simulated.host(f"10.0.1.{number}"):
                clients.append(await Host(config=QUIET).__aenter__())
            if number == 2:
                server.protect(clients[2].peer_id, "friend")  # before it comes
            with simulated.host(f"10.0.1.{number}"):
                await clients[-1].identify(server.address)
        server.tag(clients[5].peer_id, "useful", 10)
        server.tag(clients[6].peer_id, "useful", 9)
        server.untag(clients[6].peer_id, "useful")
        server.bump(clients[7].peer_id, "answered", 8)
        server.tag(clients[8].peer_id, "a nuisance", -1)
        reader, writer = await clients[0].open_stream(server.peer_id, ECHO)  # a stream is no reason to stay
        assert len(server.connections) == 12, "all are in their grace"
        await asyncio.sleep(15)
        assert len(server.connections) == 12
        await asyncio.sleep(20)
        left = {each.peer_id for each in server.connections}
        assert len(left) == 4
        assert {clients[number].peer_id for number in (2, 5, 7)} < left
        assert clients[8].peer_id not in left
        assert in_use(server.limits) == (4, 0, 4)
        with pytest.raises(StreamResetError):
            await reader.read(-1)
        writer.close()
        dropped = server.explain().dropped
        assert len(dropped) == 8
        assert {each.cause for each in dropped} == {DropCause.TRIMMED}
        assert "12 peers were connected, more than keeper.high (8)" in str(server.explain(clients[8].peer_id))
        assert max(each.at for each in dropped) - min(each.at for each in dropped) == 0
        told = [event async for event in until_disconnected(events) if isinstance(event, ConnectionDropped)]
        assert tuple(told) == dropped
        with simulated.host("10.0.1.8"):
            await clients[8].identify(server.address)  # it may come back
        assert len(server.connections) == 5
        await asyncio.sleep(1_000)
        assert len(server.connections) == 5, "below the high mark nobody goes"
        assert loop.time() > 1_000
        assert not server.unprotect(clients[2].peer_id, "friend")
        for number, client in enumerate(clients):
            with simulated.host(f"10.0.1.{number}"):
                await client.aclose()


def test_above_the_high_mark_those_worth_least_go_when_their_grace_is_over() -> None:
    simulation.run(too_many, link=LINK)

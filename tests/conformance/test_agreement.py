"""Random programs on TCP, in memory and through layers: what protocols are told must be the same, step for step."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.conformance.layers import xored
from tests.conformance.plugs import PLUGS, Plug
from tests.conformance.protocols import BufferedRecorder, Record, Recorder
from tests.conformance.suite import run_check
from transfer import simulation
from transfer.aio.tcp import TcpTransport

ACTIONS = ["write", "write_much", "pause", "resume", "eof", "close"]
NO = (False, False)
Step = tuple[str, str]

programs = st.lists(st.tuples(st.sampled_from(["client", "server"]), st.sampled_from(ACTIONS)), max_size=10)


@dataclass(frozen=True)
class Told:
    """What one side has seen so far."""

    calls: tuple[str, ...]
    data_bytes: int
    is_lost: bool
    is_broken: bool


async def observe(plug: Plug, program: list[Step], keep_open: tuple[bool, bool]) -> list[tuple[Told, Told]]:
    """Runs the program one step after the other and notes what both sides know after each."""
    history: list[tuple[Told, Told]] = []
    server_keeps_open, client_keeps_open = keep_open
    async with (
        plug.pair(Recorder, Recorder) as clock,
        plug.pair(
            lambda: BufferedRecorder(keep_open=server_keeps_open), lambda: Recorder(keep_open=client_keeps_open)
        ) as pair,
    ):
        for side, action in [*program, ("client", "resume"), ("server", "resume")]:
            act(pair.client if side == "client" else pair.server, action)
            await clock.round_trips()
            history.append((told(pair.client), told(pair.server)))
    return history


def act(record: Record, action: str) -> None:
    """Calls the transport, unless asyncio's TCP would show one of its own faults."""
    transport = record.transport
    if record.is_lost:
        return
    if action.startswith("write"):
        if "wrote eof" not in record.notes:
            transport.write(bytes(10 if action == "write" else 5_000))
    elif action == "pause":
        if "eof" not in record.calls:  # or else the end is told again by resume_reading()
            transport.pause_reading()
    elif action == "resume":
        transport.resume_reading()
    elif action == "eof":
        record.notes.add("wrote eof")
        with suppress(OSError):  # of a connection that was reset, and nobody has noticed yet
            transport.write_eof()
    else:
        transport.close()


def told(record: Record) -> Told:
    return Told(tuple(record.calls), len(record.data), record.is_lost, record.lost_with is not None)


@asynccontextmanager
async def xored_tcp() -> AsyncIterator[Plug]:
    yield Plug(xored(TcpTransport()), "127.0.0.1")


@settings(max_examples=40)
@given(program=programs, keep_open=st.tuples(st.booleans(), st.booleans()))
@example(program=[("server", "close"), ("client", "write"), ("client", "write")], keep_open=(False, True))
@example(program=[("server", "pause"), ("client", "close"), ("server", "write")], keep_open=NO)
@example(program=[("server", "pause"), ("client", "write"), ("client", "pause"), ("server", "close")], keep_open=NO)
def test_memory_our_sockets_and_layers_tell_what_tcp_tells(program: list[Step], keep_open: tuple[bool, bool]) -> None:
    histories: list[list[tuple[Told, Told]]] = []

    async def check(plug: Plug) -> None:
        histories.append(await observe(plug, program, keep_open))

    names = ("loop-tcp", "tcp-ipv4", "memory", "layered-tcp", "layered-memory")
    for make_plug in [*(PLUGS[name] for name in names), xored_tcp]:
        asyncio.run(run_check(check, make_plug))
    for history in histories[1:]:
        assert history == histories[0]


@settings(max_examples=40)
@given(program=programs, keep_open=st.tuples(st.booleans(), st.booleans()))
def test_the_simulation_tells_what_tcp_tells(program: list[Step], keep_open: tuple[bool, bool]) -> None:
    """Up to the first reset: the simulation tells it at once, TCP only to who reads on or writes again."""
    histories: list[list[tuple[Told, Told]]] = []

    async def check(plug: Plug) -> None:
        histories.append(await observe(plug, program, keep_open))

    asyncio.run(run_check(check, PLUGS["loop-tcp"]))
    simulation.run(lambda _: run_check(check, PLUGS["tcp-ipv4"]))
    real, simulated = histories
    is_reset = [client.is_broken or server.is_broken for client, server in simulated]
    end = is_reset.index(True) if True in is_reset else len(simulated)
    assert simulated[:end] == real[:end]

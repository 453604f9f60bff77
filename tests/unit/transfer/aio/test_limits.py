"""The door of every listener: who is let in holds a place until it is lost, who is not costs nothing."""

from __future__ import annotations

import asyncio
import errno
from contextlib import AsyncExitStack
from typing import Any

import pytest

from tests.conformance.plugs import LoopTcp
from tests.conformance.protocols import Recorder
from transfer.address import Address
from transfer.aio.layer import Layer
from transfer.aio.layered import LayeredTransport
from transfer.aio.limits import Limits, machine_here, read_machine
from transfer.aio.memory import MemoryNetwork, MemoryTransport
from transfer.aio.socket_listener import SocketListener, bind_listening_sockets
from transfer.aio.tcp import TcpTransport
from transfer.aio.utp.transport import UtpTransport
from transfer.limits.admission_config import AdmissionConfig
from transfer.limits.machine import Machine
from transfer.limits.resources import Resource
from transfer.simulation import LeakError, Simulation, SimulationLoop, run

HERE = Address("127.0.0.1", 0)
TRANSPORTS: dict[str, Any] = {
    "tcp": TcpTransport,
    "loop": LoopTcp,
    "memory": lambda: MemoryTransport(MemoryNetwork()),
    "layered": lambda: LayeredTransport(TcpTransport(), dial=lambda _: Layer(), accept=Layer),
    "utp": UtpTransport,
}


async def turn() -> None:
    """Lets others go on; in a simulation time must pass for that."""
    await asyncio.sleep(0.001 if isinstance(asyncio.get_running_loop(), SimulationLoop) else 0)


def limits_of(**config: Any) -> Limits:
    settles = config.pop("settles", True)
    return Limits(AdmissionConfig(**{"exempt": (), **config}), machine=Machine(), settles=settles)


async def check_door(transport: Any) -> None:
    """Two of three are let in; when one of them is lost, there is room again, and at the end nothing is held."""
    limits, served = limits_of(max_per_address=2), list[Recorder]()

    def accept() -> Recorder:
        served.append(Recorder())
        return served[-1]

    async with await transport.listen(accept, HERE, door=limits) as listener:
        target = listener.addresses[0]
        clients = [await transport.connect(Recorder, target) for _ in range(2)]
        for stream, _ in clients:
            stream.write(b"?")
        async with asyncio.timeout(10):
            while len(served) < 2:
                await turn()
            for recorder in served:
                await recorder.has(1)
            try:
                _, third = await transport.connect(Recorder, target)
                await third.lost()
            except OSError:
                pass  # some find out while they connect
            assert len(served) == 2, "nothing is made for who is refused"
            assert limits.open_entries == limits.core.inbound == 2
            assert "max_per_address: 127.0.0.1" in str(limits.explain())
            clients[0][0].close()
            await served[0].lost()
            while limits.open_entries > 1:
                await turn()
            again, recorder = await transport.connect(Recorder, target)
            again.write(b"?")
            while len(served) < 3:
                await turn()
            for stream in (clients[1][0], again):
                stream.abort()
            for recorder in served:
                await recorder.lost()
            while limits.open_entries:
                await turn()
    assert limits.core.budget.is_empty


@pytest.mark.every_event_loop
@pytest.mark.parametrize("kind", TRANSPORTS)
async def test_who_is_let_in_holds_a_place_until_it_is_lost(kind: str) -> None:
    async with AsyncExitStack() as stack:
        transport: Any = TRANSPORTS[kind]()
        if kind == "utp":
            await stack.enter_async_context(transport)
        await check_door(transport)


@pytest.mark.parametrize("kind", ["tcp", "layered"])
def test_the_same_on_a_simulated_host(kind: str) -> None:
    run(lambda _: check_door(TRANSPORTS[kind]()))


async def test_a_factory_that_fails_gives_the_place_back() -> None:
    limits = limits_of()
    asyncio.get_running_loop().set_exception_handler(lambda *_: None)

    def fail() -> Recorder:
        raise ArithmeticError("on purpose")

    for transport in (TcpTransport(), MemoryTransport(MemoryNetwork()), LoopTcp()):
        async with await transport.listen(fail, HERE, door=limits) as listener:
            _, client = await transport.connect(Recorder, listener.addresses[0])
            await client.lost()
        assert limits.core.budget.is_empty
        assert limits.open_entries == 0


async def test_who_is_slow_with_its_handshake_is_ended_and_who_settles_stays() -> None:
    limits = limits_of(handshake_timeout_s=0.05, settles=False)
    transport = MemoryTransport(MemoryNetwork())
    served: list[Recorder] = []

    def accept() -> Recorder:
        served.append(Recorder())
        return served[-1]

    async with await transport.listen(accept, HERE, door=limits) as listener:
        streams = [await transport.connect(Recorder, listener.addresses[0]) for _ in range(2)]
        while len(served) < 2 or not all(recorder.transport for recorder in served):
            await turn()
        entry = served[0].transport.get_extra_info("entry")
        assert limits.settle(entry) is None
        await streams[1][1].lost()
        assert (limits.core.waiting, limits.core.inbound) == (0, 1)
        streams[0][0].close()
        await served[0].lost()
        assert served[0].transport.get_extra_info("entry") is None
    assert limits.core.budget.is_empty
    limits.close()


async def test_a_listener_that_runs_out_of_descriptors_says_so() -> None:
    limits = limits_of()
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda *_: None)
    listener = SocketListener(
        loop, await bind_listening_sockets(HERE, backlog=5, reuse_port=False), Recorder, door=limits
    )
    listener._pause(listener._sockets[0], OSError(errno.EMFILE, "Too many open files"))
    assert "RLIMIT_NOFILE: the process or the system had 0 of 0 descriptors: Too many open files" in str(
        limits.explain()
    )
    listener.close()
    await listener.wait_closed()


def test_a_simulation_fails_that_ends_with_something_reserved() -> None:
    async def leak(simulation: Simulation) -> None:
        limits = Limits()
        assert limits.core.budget.room(Resource.DESCRIPTORS) == 32_768, "every simulated host is the same machine"
        limits.open()
        with simulation.host("10.0.0.1"):
            limits.admit(Address("10.0.0.2", 1))

    with pytest.raises(
        LeakError, match=r"reserved and not given back: <system system: 1 inbound connections, .*in use>"
    ):
        run(leak)


def test_the_machine_is_known() -> None:
    machine = read_machine()
    assert machine == machine_here()
    assert machine.ram_bytes is None or machine.ram_bytes > 1 << 20
    assert machine.descriptors is None or machine.descriptors > 16

"""Every check in the simulation: on one host as on loopback, and between two hosts far apart."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

import pytest

from tests.conformance.plugs import PLUGS, Plug, through_layer
from tests.conformance.suite import CHECKS, LARGE_CHECKS, is_run, run_check
from transfer.address import Address
from transfer.aio.door import Door
from transfer.aio.tcp import TcpTransport
from transfer.aio.transports import Listener, StreamTransport
from transfer.simulation import Link, SimulatedStreamConfig, Simulation, run

P = TypeVar("P", bound=asyncio.BaseProtocol)

SLOW = Link(delay_s=0.02, rate_bytes_per_s=50e6)
NARROW = Link(
    delay_s=0.02, rate_bytes_per_s=5e6, queue_bytes=50_000, loss=0.01, reorder=0.02, duplicate=0.02, mtu_bytes=9000
)
BAD = Link(delay_s=0.02, jitter_s=0.02, loss=0.01)


class BetweenHosts:
    """TCP that listens on one simulated host and dials from another."""

    def __init__(self, simulation: Simulation) -> None:
        self._simulation = simulation
        self._tcp = TcpTransport()

    async def connect(self, protocol_factory: Callable[[], P], address: Address) -> tuple[asyncio.Transport, P]:
        with self._simulation.host("10.0.0.1"):
            return await self._tcp.connect(protocol_factory, address)

    async def listen(
        self, protocol_factory: Callable[[], asyncio.BaseProtocol], address: Address, *, door: Door | None = None
    ) -> Listener:
        with self._simulation.host("10.0.0.2"):
            return await self._tcp.listen(protocol_factory, address, door=door)


# Over uTP without the large checks: each takes seconds when every datagram is an event. They run on sockets.
ON_ONE_HOST = [
    (check, plug)
    for plug in PLUGS
    for check in CHECKS
    if is_run(check, plug, simulated=True)
    and plug != "layered-memory"
    and not (plug == "utp" and check in LARGE_CHECKS)
]


@pytest.mark.parametrize(("check", "plug"), ON_ONE_HOST)
def test_contract_on_one_host(check: str, plug: str) -> None:
    run(lambda _: run_check(CHECKS[check], PLUGS[plug]))


@pytest.mark.parametrize(
    ("link", "over", "congestion"),
    [(SLOW, None, None), (BAD, None, None), (SLOW, through_layer, None), (NARROW, None, "cubic")],
    ids=["slow", "bad", "slow-layered", "in-packets"],
)
@pytest.mark.parametrize("check", CHECKS)
def test_contract_between_hosts(
    check: str, link: Link, over: Callable[[StreamTransport], StreamTransport] | None, congestion: str | None
) -> None:
    async def scenario(simulation: Simulation) -> None:
        simulation.set_congestion(congestion)

        @asynccontextmanager
        async def far_apart() -> AsyncIterator[Plug]:
            transport: StreamTransport = BetweenHosts(simulation)
            transport = transport if over is None else over(transport)
            yield Plug(transport, "10.0.0.2", wait_quiet=lambda: asyncio.sleep(QUIET_S))

        await run_check(CHECKS[check], far_apart, time_limit_s=VIRTUAL_LIMIT_S)

    stream = SimulatedStreamConfig(controlled_window_bytes=262_144)  # as without a controller: less work for nothing
    run(scenario, link=link, stream=stream)


QUIET_S = 5.0
VIRTUAL_LIMIT_S = 3600.0

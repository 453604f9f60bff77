"""uTP with its shell in virtual time: bad links, faults, and dead hosts, between two hosts and unmodified protocols."""

from __future__ import annotations

import asyncio
import random
from contextlib import AsyncExitStack
from functools import partial

import pytest

from tests.conformance.protocols import Recorder
from transfer.address import Address
from transfer.aio.utp import UtpTransport
from transfer.simulation import Link, Simulation, run
from transfer.utp.config import UtpConfig
from transfer.utp.values import UtpStats

HERE, THERE = "10.0.0.1", "10.0.0.2"
CONTENT = random.Random(11).randbytes(3 << 20)
FAST = Link(delay_s=0.01, rate_bytes_per_s=12.5e6)


async def pair(simulation: Simulation, stack: AsyncExitStack, config: UtpConfig) -> tuple[Recorder, Recorder]:
    """Both ends of a connection between two hosts."""
    made: asyncio.Queue[Recorder] = asyncio.Queue()

    def accept() -> Recorder:
        made.put_nowait(record := Recorder(keep_open=True))
        return record

    with simulation.host(THERE):
        there = await stack.enter_async_context(UtpTransport(config=config, rng=random.Random(1)))
        listener = await there.listen(accept, Address(THERE, 7000))
    with simulation.host(HERE):
        here = await stack.enter_async_context(UtpTransport(config=config, rng=random.Random(2)))
        _, client = await here.connect(lambda: Recorder(keep_open=True), listener.addresses[0])
    return client, await made.get()


async def exchange(
    simulation: Simulation, *, controller: str = "ledbat", there: bytes = CONTENT, back: bytes = CONTENT[:50_000]
) -> tuple[UtpStats, float]:
    """Both ways at once, then both ends close; what the sender's end has come to, and how long it took."""
    async with AsyncExitStack() as stack:
        client, server = await pair(simulation, stack, UtpConfig(congestion=controller))
        began = asyncio.get_running_loop().time()
        client.transport.write(there)
        server.transport.write(back)
        await server.has(len(there))
        took_s = asyncio.get_running_loop().time() - began
        await client.has(len(back))
        assert server.data == there
        assert client.data == back
        transport = client.transport
        transport.close()
        await server.has_called("eof")
        server.transport.close()
        assert await client.lost() is None
        assert await server.lost() is None
        stats = transport.get_extra_info("utp_stats")
        assert isinstance(stats, UtpStats)
        return stats, took_s


def test_hundreds_of_losses_duplicates_and_overtakings_change_no_byte() -> None:
    link = Link(delay_s=0.02, loss=0.15, duplicate=0.02, reorder=0.05, reorder_delay_s=0.03, rate_bytes_per_s=12.5e6)
    stats, _ = run(partial(exchange, back=CONTENT), link=link, seed=3).result
    assert stats.resent_packets > 300
    assert stats.delivered_bytes >= len(CONTENT)


@pytest.mark.parametrize("controller", ["ledbat", "ledbat++", "cubic", "bbr1", "bbr"])
def test_every_controller_fills_a_clean_line(controller: str) -> None:
    stats, took_s = run(partial(exchange, controller=controller), link=FAST, seed=1).result
    assert stats.congestion == controller
    assert stats.datagram_bytes == 1472
    assert stats.timeouts == 0
    assert took_s < len(CONTENT) / 12.5e6 * (4 if controller == "ledbat++" else 2.5)


def test_packets_that_overtake_one_another_are_soon_no_losses_any_more() -> None:
    link = Link(delay_s=0.02, reorder=0.1, reorder_delay_s=0.004, rate_bytes_per_s=12.5e6)
    stats, _ = run(exchange, link=link, seed=2).result
    assert stats.resent_packets < 0.05 * len(CONTENT) / 1452


def test_a_path_that_takes_less_than_ethernet_is_found_out() -> None:
    """The simulated link fragments what is larger, and loses it with any fragment: half of the probes do not arrive."""
    stats, _ = run(exchange, link=Link(delay_s=0.01, mtu_bytes=1400, loss=0.02), seed=5).result
    assert 548 <= stats.datagram_bytes <= 1472
    assert stats.delivered_bytes == len(CONTENT)


def test_a_partition_of_half_a_minute_is_lived_through() -> None:
    async def scenario(simulation: Simulation) -> None:
        async with AsyncExitStack() as stack:
            client, server = await pair(simulation, stack, UtpConfig())
            client.transport.write(CONTENT)
            await server.has(100_000)
            with simulation.partition([HERE], [THERE]):
                await asyncio.sleep(30)
                assert len(server.data) < len(CONTENT)
            await server.has(len(CONTENT))
            assert server.data == CONTENT
            assert not client.is_lost

    run(scenario, link=Link(delay_s=0.02, rate_bytes_per_s=1e6), seed=1)


def test_a_dead_host_is_a_time_out_for_the_side_that_sends_and_for_the_side_that_waits() -> None:
    async def scenario(simulation: Simulation) -> tuple[float, BaseException | None, BaseException | None]:
        loop = asyncio.get_running_loop()
        async with AsyncExitStack() as stack:
            client, _ = await pair(simulation, stack, UtpConfig(idle_timeout_s=300))
            _, waiting = await pair_on_other_port(simulation, stack)
            began = loop.time()
            with simulation.partition([HERE], [THERE]):
                client.transport.write(b"is anybody there?")
                error = await client.lost()
                took_s = loop.time() - began
                return took_s, error, await waiting.lost()

    async def pair_on_other_port(simulation: Simulation, stack: AsyncExitStack) -> tuple[Recorder, Recorder]:
        with simulation.host(HERE):
            transport = await stack.enter_async_context(
                UtpTransport(config=UtpConfig(idle_timeout_s=300), rng=random.Random(5))
            )
            _, waiting = await transport.connect(lambda: Recorder(keep_open=True), Address(THERE, 7000))
        return waiting, waiting

    took_s, error, other = run(scenario, link=FAST, seed=1).result
    assert 55 < took_s < 90
    assert isinstance(error, TimeoutError)
    assert isinstance(other, TimeoutError)


def test_one_seed_is_one_run() -> None:
    link = Link(delay_s=0.02, loss=0.05, reorder=0.05)
    first, second = (run(partial(exchange, there=CONTENT[:300_000]), link=link, seed=9) for _ in range(2))
    assert first.digest == second.digest

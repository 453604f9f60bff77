"""Partitions, black holes, clogs, crashes."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from transfer.simulation import Link, SimulatedStreamConfig, Simulation, run

A, B, C = "10.0.0.1", "10.0.0.2", "10.0.0.3"


class Peer(asyncio.DatagramProtocol):
    def __init__(self) -> None:
        self.heard: list[bytes] = []
        self.lost: list[Exception | None] = []

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self.heard.append(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost.append(exc)


async def peer(simulation: Simulation, address: str) -> tuple[asyncio.DatagramTransport, Peer]:
    with simulation.host(address):
        return await asyncio.get_running_loop().create_datagram_endpoint(Peer, ("0.0.0.0", 1))


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
    except ConnectionError:
        pass
    finally:
        writer.close()


def test_a_partition_cuts_groups_apart_and_heals() -> None:
    async def scenario(simulation: Simulation) -> list[list[bytes]]:
        peers = [await peer(simulation, address) for address in (A, B, C)]

        async def everybody_sends(text: bytes) -> None:
            for endpoint, _ in peers:
                for target in (A, B, C):
                    endpoint.sendto(text, (target, 1))
            await asyncio.sleep(1)

        with simulation.partition([A], [B]) as fault:
            await everybody_sends(b"apart")
            with simulation.partition([C], [A]):
                await everybody_sends(b"all apart")
        fault.heal()
        await everybody_sends(b"together")
        for endpoint, _ in peers:
            endpoint.close()
        return [sorted(protocol.heard) for _, protocol in peers]

    a, b, c = run(scenario).result
    assert a == [b"all apart"] + [b"apart"] * 2 + [b"together"] * 3
    assert b == [b"all apart"] * 2 + [b"apart"] * 2 + [b"together"] * 3
    assert c == [b"all apart"] * 2 + [b"apart"] * 3 + [b"together"] * 3


def test_a_stream_waits_for_a_partition_to_heal() -> None:
    async def scenario(simulation: Simulation) -> float:
        with simulation.host(B):
            server = await asyncio.start_server(echo, "0.0.0.0", 80)
        with simulation.host(A):
            reader, writer = await asyncio.open_connection(B, 80)
        with simulation.partition([A], [B]):
            writer.write(b"x" * 500_000)
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(60):
                    await reader.readexactly(1)
        assert len(await reader.readexactly(500_000)) == 500_000
        writer.close()
        await writer.wait_closed()
        server.close()
        return simulation.now

    assert 60 < run(scenario).result < 200


def test_a_stream_dies_of_a_partition_that_lasts() -> None:
    async def scenario(simulation: Simulation) -> float:
        with simulation.host(B):
            server = await asyncio.start_server(echo, "0.0.0.0", 80)
        with simulation.host(A):
            reader, writer = await asyncio.open_connection(B, 80)
        with simulation.partition([A], [B]):
            writer.write(b"anybody?")
            with pytest.raises(TimeoutError):
                await reader.read()
            died_at = simulation.now
            with pytest.raises(TimeoutError):
                await writer.wait_closed()
            with simulation.host(A), pytest.raises(TimeoutError):
                await asyncio.open_connection(B, 80)
        server.close()
        for transport in list(simulation.network.host([B]).connections):
            transport.abort()
        return died_at

    assert 30 <= run(scenario, stream=SimulatedStreamConfig(give_up_s=30, connect_timeout_s=5)).result < 60


def test_a_black_hole_swallows_one_direction() -> None:
    async def scenario(simulation: Simulation) -> tuple[list[bytes], list[bytes]]:
        (a, heard_a), (b, heard_b) = await peer(simulation, A), await peer(simulation, B)
        with simulation.black_hole(A, B):
            a.sendto(b"lost", (B, 1))
            b.sendto(b"arrives", (A, 1))
            await asyncio.sleep(1)
        with simulation.black_hole(target=A):
            b.sendto(b"lost", (A, 1))
            a.sendto(b"arrives", (B, 1))
            await asyncio.sleep(1)
        a.close()
        b.close()
        return heard_a.heard, heard_b.heard

    assert run(scenario).result == ([b"arrives"], [b"arrives"])


def test_a_clog_delays_everything_and_keeps_the_order() -> None:
    async def scenario(simulation: Simulation) -> None:
        (a, _), (b, heard) = await peer(simulation, A), await peer(simulation, B)
        with simulation.host(B):
            server = await asyncio.start_server(echo, "0.0.0.0", 80)
        with simulation.host(A):
            reader, writer = await asyncio.open_connection(B, 80)
        with simulation.clog(A, B):
            for number in range(5):
                a.sendto(bytes([number]), (B, 1))
            writer.write(b"stuck")
            await asyncio.sleep(500)
            assert heard.heard == []
        assert await reader.readexactly(5) == b"stuck"
        assert heard.heard == [bytes([number]) for number in range(5)]
        assert simulation.now < 501
        writer.close()
        await writer.wait_closed()
        server.close()
        a.close()
        b.close()

    run(scenario)


def test_a_crash_takes_tasks_timers_and_sockets() -> None:
    async def scenario(simulation: Simulation) -> None:
        ticks: list[float] = []
        ended: list[str] = []

        async def program() -> None:
            loop = asyncio.get_running_loop()

            def tick() -> None:
                ticks.append(loop.time())
                loop.call_later(1, tick)

            tick()
            server = await asyncio.start_server(echo, "0.0.0.0", 80)
            endpoint, protocol = await loop.create_datagram_endpoint(Peer, ("0.0.0.0", 1))
            try:
                await asyncio.Event().wait()
            finally:
                endpoint.sendto(b"last words", (A, 1))
                await asyncio.sleep(0)
                assert isinstance(protocol.lost[0], ConnectionAbortedError)
                with pytest.raises(OSError, match="until it crashed"):
                    await asyncio.open_connection(A, 80)
                ended.append("program")
                server.close()

        a, heard = await peer(simulation, A)
        with simulation.host(B):
            task = asyncio.create_task(program())
        await asyncio.sleep(5.5)
        assert len(ticks) == 6
        with simulation.host(A):
            reader, writer = await asyncio.open_connection(B, 80)
        with simulation.crash(B):
            with pytest.raises(ValueError, match="down already"):
                simulation.crash(B)
            await asyncio.sleep(100)
            assert task.cancelled()
            assert ended == ["program"]
            assert len(ticks) == 6
            a.sendto(b"to the dead", (B, 1))
            writer.write(b"to the dead")
            with simulation.host(A), pytest.raises(TimeoutError):
                await asyncio.open_connection(B, 80)
        with pytest.raises(ConnectionResetError):
            await reader.read()
        with pytest.raises(ConnectionResetError):
            await writer.wait_closed()
        assert heard.heard == []
        with simulation.host(A), pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection(B, 80)
        b, heard_again = await peer(simulation, B)
        a.sendto(b"to the living", (B, 1))
        await asyncio.sleep(1)
        assert heard_again.heard == [b"to the living"]
        a.close()
        b.close()

    run(scenario)


def test_a_task_that_outlives_the_crash_of_its_host_is_no_leak() -> None:
    async def stubborn() -> None:
        try:
            await asyncio.sleep(1000)
        finally:
            await asyncio.Event().wait()

    kept: list[asyncio.Task[None]] = []

    async def scenario(simulation: Simulation) -> None:
        with simulation.host(B):
            kept.append(asyncio.create_task(stubborn()))
        await asyncio.sleep(1)
        simulation.crash(B)

    run(scenario)


def test_what_a_dead_program_starts_ends_at_once() -> None:
    async def scenario(simulation: Simulation) -> None:
        ran: list[str] = []

        async def reconnect() -> None:
            while True:
                try:
                    await asyncio.open_connection(A, 80)
                except OSError:
                    await asyncio.sleep(1)
                    ran.append("tried")

        class Stubborn(Peer):
            def connection_lost(self, exc: Exception | None) -> None:
                super().connection_lost(exc)
                loop.call_later(1, ran.append, "timer")
                tasks.append(loop.create_task(reconnect()))

        tasks: list[asyncio.Task[None]] = []
        loop = asyncio.get_running_loop()
        with simulation.host(B):
            _, protocol = await loop.create_datagram_endpoint(Stubborn, ("0.0.0.0", 1))
        with simulation.crash(B):
            await asyncio.sleep(0.5)
        await asyncio.sleep(100)
        assert len(protocol.lost) == 1
        assert tasks[0].cancelled()
        assert ran == []

    run(scenario)


def test_code_from_before_a_crash_has_to_enter_its_host_again() -> None:
    async def scenario(simulation: Simulation) -> None:
        with simulation.host(B):
            with simulation.crash(B), pytest.raises(OSError, match="until it crashed"), simulation.host(B):
                await asyncio.open_connection(A, 80)
            with pytest.raises(OSError, match="until it crashed"):
                await asyncio.open_connection(A, 80)
            with simulation.host(B):
                server = await asyncio.start_server(echo, "0.0.0.0", 80)
                server.close()

    run(scenario)


def test_a_call_in_an_executor_of_a_crashed_host_still_ends() -> None:
    async def scenario(simulation: Simulation) -> float:
        async def program() -> None:
            future = asyncio.get_running_loop().run_in_executor(None, time.sleep, 10)
            try:
                await asyncio.shield(future)
            finally:
                await asyncio.wait([future])

        with simulation.host(B):
            task = asyncio.create_task(program())
        await asyncio.sleep(1)
        simulation.crash(B)
        await asyncio.wait([task])
        return simulation.now

    assert run(scenario, executor_cost_s=0).result == 10.0


def test_loss_makes_streams_late_but_loses_nothing() -> None:
    async def scenario(simulation: Simulation) -> float:
        with simulation.host(B):
            server = await asyncio.start_server(echo, "0.0.0.0", 80)
        with simulation.host(A):
            reader, writer = await asyncio.open_connection(B, 80)
        data = simulation.rng.randbytes(2_000_000)
        async with asyncio.TaskGroup() as group:
            group.create_task(asyncio.sleep(0))
            writer.write(data)
            writer.write_eof()
            answer = group.create_task(reader.read())
        assert answer.result() == data
        writer.close()
        await writer.wait_closed()
        server.close()
        return simulation.now

    clean = run(scenario).result
    lossy = run(scenario, link=Link(loss=0.05)).result
    assert clean < 0.5
    assert lossy > clean * 1.5


def test_an_access_line_is_shared_and_bounds_the_rate() -> None:
    async def scenario(simulation: Simulation) -> list[float]:
        size = 1_000_000

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(bytes(size))
            await writer.drain()
            writer.close()
            await writer.wait_closed()

        with simulation.host(A):
            server = await asyncio.start_server(serve, "0.0.0.0", 80)
        simulation.set_access(A, up_bytes_per_s=100_000)
        simulation.set_access(C, down_bytes_per_s=20_000)

        async def fetch(address: str) -> float:
            with simulation.host(address):
                reader, writer = await asyncio.open_connection(A, 80)
                assert len(await reader.read()) == size
                writer.close()
                await writer.wait_closed()
            return simulation.now

        alone = await fetch(B)
        together = await asyncio.gather(fetch(B), fetch("10.0.0.4"))
        slow = await fetch(C)
        server.close()
        return [alone, together[0] - alone, together[1] - alone, slow - max(together)]

    alone, first, second, slow = run(scenario).result
    assert 10 < alone < 11
    assert 19 < first < 21.5
    assert 19 < second < 21.5
    assert 50 < slow < 53


def test_datagrams_over_an_access_line_are_dropped_when_it_is_full() -> None:
    async def scenario(simulation: Simulation) -> tuple[int, float]:
        a, _ = await peer(simulation, A)
        b, heard = await peer(simulation, B)
        simulation.set_access(A, up_bytes_per_s=100_000, queue_bytes=50_000)
        for _ in range(100):
            a.sendto(bytes(972), (B, 1))
        await asyncio.sleep(0.495)
        before = len(heard.heard)
        await asyncio.sleep(10)
        a.close()
        b.close()
        return before, len(heard.heard)

    assert run(scenario, link=Link(delay_s=0)).result == (49, 50)

"""Running scenarios: reports, digests, leaks, failures and what they say, the world put back in order."""

from __future__ import annotations

import asyncio
import gc
import os
import random
import time

import pytest

from transfer.simulation import LeakError, Link, RunConfig, Simulation, UnhandledError, run, scenario


async def chatter(simulation: Simulation) -> int:
    """Two hosts that send each other random datagrams."""
    received = 0

    class Peer(asyncio.DatagramProtocol):
        def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
            nonlocal received
            received += 1

    loop = asyncio.get_running_loop()
    endpoints = []
    for address in ("10.0.0.1", "10.0.0.2"):
        with simulation.host(address):
            endpoint, _ = await loop.create_datagram_endpoint(Peer, ("0.0.0.0", 6881))
            endpoints.append(endpoint)
    for _ in range(500):
        endpoints[0].sendto(os.urandom(random.randint(1, 1000)), ("10.0.0.2", 6881))
        endpoints[1].sendto(random.Random().randbytes(50), ("10.0.0.1", 6881))
        await asyncio.sleep(random.random())
    for endpoint in endpoints:
        endpoint.close()
    return received


def test_one_seed_is_one_run() -> None:
    link = Link(delay_s=0.02, jitter_s=0.05, loss=0.1, duplicate=0.05, reorder=0.1)
    first, second, other = (run(chatter, seed=seed, link=link) for seed in (1, 1, 2))
    assert first == second
    assert first.datagrams == 1000
    assert 800 < first.result < 1000
    assert first.digest != other.digest
    assert len(first.digest) == 64


def test_the_digest_sees_a_single_byte() -> None:
    async def send(simulation: Simulation) -> None:
        endpoint, _ = await asyncio.get_running_loop().create_datagram_endpoint(
            asyncio.DatagramProtocol, remote_addr=("10.0.0.9", 9)
        )
        endpoint.sendto(data)
        endpoint.close()

    data = b"one"
    first = run(send).digest
    data = b"onf"
    assert run(send).digest != first


def test_clocks_and_randomness_are_virtual_and_put_back() -> None:
    functions = (time.time, time.monotonic, time.sleep, os.urandom, random.Random.seed, asyncio.as_completed)
    random.seed(5)
    state = random.getstate()

    async def ask(simulation: Simulation) -> list[object]:
        before = time.time(), time.monotonic(), time.perf_counter(), time.monotonic_ns()
        await asyncio.sleep(10)
        after = time.time(), time.monotonic(), time.perf_counter(), time.monotonic_ns()
        spans = [round(end - start, 6) for start, end in zip(before, after, strict=True)]
        assert spans == [10, 10, 10, 10_000_000_000]
        return [
            os.urandom(8),
            random.random(),
            random.SystemRandom().random(),
            random.Random().random(),
            simulation.rng.random(),
        ]

    first, second, other = (run(ask, seed=seed).result for seed in (7, 7, 8))
    assert first == second
    assert all(one != two for one, two in zip(first, other, strict=True))
    assert functions == (time.time, time.monotonic, time.sleep, os.urandom, random.Random.seed, asyncio.as_completed)
    assert random.getstate() == state
    assert gc.isenabled()


def test_failures_pass_through_with_the_story() -> None:
    async def fails(simulation: Simulation) -> None:
        with simulation.host("10.0.0.1"):
            waiting = asyncio.create_task(asyncio.sleep(1000), name="somebody waiting")
            simulation.network.host(["10.0.0.2"])
            with pytest.raises(ConnectionRefusedError):
                await asyncio.open_connection("10.0.0.2", 80)
        assert waiting.done(), "what the scenario found"

    with pytest.raises(AssertionError, match="what the scenario found") as caught:
        run(fails, seed=3)
    notes = "\n".join(caught.value.__notes__)
    assert "failed at virtual 0.020000 s" in notes
    assert "run(fails, seed=3)" in notes
    assert "somebody waiting" in notes
    assert "syn" in notes
    assert "refuse" in notes


@pytest.mark.parametrize(
    ("kind", "thing"),
    [
        ("task", "sleep"),
        ("server", "ListeningAddress"),
        ("datagrams", "DatagramEndpoint"),
        ("connection", "SimulatedStream"),
    ],
)
def test_leaks_are_found(kind: str, thing: str) -> None:
    async def leaks(simulation: Simulation) -> None:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(asyncio.Protocol, "127.0.0.1", 80)
        if kind == "task":
            kept.append(asyncio.create_task(asyncio.sleep(1000)))
        elif kind == "datagrams":
            await loop.create_datagram_endpoint(asyncio.DatagramProtocol, ("127.0.0.1", 5))
        elif kind == "connection":
            await loop.create_connection(asyncio.Protocol, "127.0.0.1", 80)
        await asyncio.sleep(1)
        if kind != "server":
            server.close()

    kept: list[asyncio.Task[None]] = []
    with pytest.raises(LeakError, match=thing):
        run(leaks)
    run(leaks, check_leaks=False)


def test_what_ends_by_itself_is_no_leak() -> None:
    async def leaves_a_task(simulation: Simulation) -> None:
        kept.append(asyncio.create_task(asyncio.sleep(4)))

    kept: list[asyncio.Task[None]] = []
    assert run(leaves_a_task).virtual_s == 0.0
    with pytest.raises(LeakError):
        run(leaves_a_task, settle_s=3)


def test_unhandled_failures_make_the_run_fail() -> None:
    async def fails_in_a_callback(simulation: Simulation) -> None:
        asyncio.get_running_loop().call_later(1, lambda: 1 // 0)
        await asyncio.sleep(2)

    with pytest.raises(UnhandledError, match="ZeroDivisionError") as caught:
        run(fails_in_a_callback)
    assert isinstance(caught.value.__cause__, ZeroDivisionError)
    run(fails_in_a_callback, check_unhandled=False)


def test_a_handler_of_the_program_gets_its_failures() -> None:
    seen: list[str] = []

    async def handles(simulation: Simulation) -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda loop, context: seen.append(str(context["exception"])))
        loop.call_soon(lambda: int("x"))
        await asyncio.sleep(1)

    run(handles)
    assert seen == ["invalid literal for int() with base 10: 'x'"]


def test_a_program_that_swallows_cancellation_cannot_hold_up_the_end() -> None:
    async def stubborn() -> None:
        while True:
            try:
                await asyncio.sleep(1000)
            except asyncio.CancelledError:
                continue

    async def starts_it(simulation: Simulation) -> None:
        kept.append(asyncio.create_task(stubborn()))
        await asyncio.sleep(1)
        raise KeyError("the real failure")

    kept: list[asyncio.Task[None]] = []
    with pytest.raises(KeyError, match="the real failure"):
        run(starts_it)
    kept.clear()


def test_one_simulation_at_a_time() -> None:
    async def nested(simulation: Simulation) -> None:
        with pytest.raises(RuntimeError, match="only one"):
            run(chatter)

    run(nested)


def test_the_decorator_says_how_to_run() -> None:
    @scenario(link=Link(delay_s=0.5), max_virtual_s=10)
    async def slow(simulation: Simulation) -> float:
        simulation.network.host(["10.0.0.2"])
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("10.0.0.2", 80)
        return simulation.now

    assert run(slow).result == 1.0
    assert run(slow, link=Link(delay_s=0.25)).result == 0.5
    assert run(slow, config=RunConfig()).result == 0.02
    with pytest.raises(TypeError):
        run(slow, no_such_option=1)


def test_bad_configs_are_refused() -> None:
    with pytest.raises(ValueError, match="settle_s"):
        RunConfig(settle_s=-1)
    with pytest.raises(ValueError, match="executor_cost_s"):
        run(chatter, executor_cost_s=-1)

"""Streams under a congestion controller: their packets are lost, dropped and sent again, and the bytes stay right."""

from __future__ import annotations

import asyncio
import errno
import random
import socket
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from transfer import Address, CongestionControlError, PathStats, TcpConfig, TcpTransport
from transfer.congestion.registry import UnknownControllerError
from transfer.simulation import LabConfig, LabFlow, Link, SimulatedStreamConfig, Simulation, run, run_lab
from transfer.simulation.streams import SimulatedStream

SENDER, RECEIVER = "10.0.0.1", "10.0.0.2"
PAYLOAD = 1448
LINE = Link(delay_s=0.025, rate_bytes_per_s=1.25e6, queue_bytes=62_500)
LOSSY = replace(LINE, loss=0.01)
WIDE = SimulatedStreamConfig(congestion="cubic")


class Sink(asyncio.Protocol):
    """Keeps what arrives, and when."""

    def __init__(self, simulation: Simulation) -> None:
        self.data = bytearray()
        self.at: list[tuple[float, int]] = []
        self.transport: Any = None
        self.error: Exception | None = None
        self.ended = asyncio.Event()
        self.lost = asyncio.Event()
        self._simulation = simulation

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.data += data
        self.at.append((self._simulation.now, len(self.data)))

    def eof_received(self) -> bool:
        self.ended.set()
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        self.error = exc
        self.lost.set()


async def pair(simulation: Simulation, *, receiver: str = RECEIVER) -> tuple[SimulatedStream, Sink, Sink]:
    """The sender's transport, its protocol, and that of the receiver."""
    loop = asyncio.get_running_loop()
    sinks: list[Sink] = []

    def accept() -> Sink:
        sinks.append(Sink(simulation))
        return sinks[-1]

    with simulation.host(receiver):
        server = await loop.create_server(accept, receiver, 7000)
    with simulation.host(SENDER, "2001:db8::a"):
        transport, here = await loop.create_connection(lambda: Sink(simulation), receiver, 7000)
    while not sinks:  # noqa: ASYNC110  # virtual time
        await asyncio.sleep(0.001)
    server.close()
    assert isinstance(transport, SimulatedStream)
    return transport, here, sinks[0]


async def close(*sinks: Sink) -> None:
    for sink in sinks:
        sink.transport.close()
    for sink in sinks:
        await sink.lost.wait()


def time_of(controller: str | None, link: Link, *, size: int, seed: int = 1) -> float:
    """Virtual seconds from the first byte to the last. The connection is there before the link is as bad as that."""

    async def scenario(simulation: Simulation) -> float:
        simulation.set_congestion(controller)
        transport, here, there = await pair(simulation)
        await asyncio.sleep(1)
        simulation.set_default_link(link)
        began = simulation.now
        transport.write(bytes(size))
        transport.write_eof()
        await there.ended.wait()
        assert len(there.data) == size
        await close(here, there)
        return there.at[-1][0] - began

    return run(scenario, link=Link(delay_s=link.delay_s), seed=seed).result


@pytest.mark.parametrize("controller", ["reno", "cubic", "bbr1", "bbr"])
@pytest.mark.parametrize("link", [LINE, replace(LINE, loss_every=50)], ids=["queue", "loss"])
def test_a_stream_takes_as_long_as_the_same_flow_in_the_lab(controller: str, link: Link) -> None:
    packets = 700
    flow = LabFlow(controller=controller, transfers=(packets * PAYLOAD,))
    (report,) = run_lab(LabConfig(data=link, acknowledgements=link, flows=(flow,), duration_s=100)).flows
    assert time_of(controller, link, size=packets * PAYLOAD) == pytest.approx(report.completed_s[0], rel=0.04)


def test_on_a_lossy_link_reno_stays_far_below_bbr() -> None:
    times = {name: time_of(name, LOSSY, size=2_000_000) for name in ("reno", "cubic", "bbr")}
    at_line_rate = 2_000_000 / 1.25e6
    assert times["bbr"] < 1.5 * at_line_rate
    assert times["reno"] > 2 * times["bbr"]
    assert times["cubic"] > 1.3 * times["bbr"]


def test_without_a_controller_everything_is_as_it_was() -> None:
    assert time_of(None, LOSSY, size=2_000_000) == pytest.approx(1.72, abs=0.15)


@pytest.mark.parametrize("controller", ["reno", "bbr"])
def test_bytes_are_right_whatever_the_link_does_to_packets_and_acknowledgements(controller: str) -> None:
    link = Link(
        delay_s=0.02,
        jitter_s=0.03,
        rate_bytes_per_s=2e6,
        queue_bytes=20_000,
        loss=0.05,
        duplicate=0.05,
        reorder=0.05,
        mtu_bytes=600,
    )

    async def scenario(simulation: Simulation) -> None:
        simulation.set_congestion(controller)
        transport, here, there = await pair(simulation)
        rng = random.Random(simulation.seed)
        both = [(here, there), (there, here)]
        sent = [b"", b""]
        for _ in range(60):
            way = rng.randrange(2)
            data = rng.randbytes(rng.choice((1, 10, 700, 9_000)))
            both[way][0].transport.write(data)
            sent[way] += data
            if rng.random() < 0.3:
                await asyncio.sleep(rng.choice((0.0, 0.001, 0.2)))
            for end in (transport, there.transport):
                assert end.channel.flow is not None
                end.channel.flow.check_invariants()
        for sender, _ in both:
            sender.transport.write_eof()
        for way, (_, receiver) in enumerate(both):
            await receiver.ended.wait()
            assert receiver.data == sent[way]
        await close(here, there)

    for seed in range(3):
        run(scenario, link=link, seed=seed)


def test_one_direction_may_end_before_the_other() -> None:
    async def scenario(simulation: Simulation) -> None:
        transport, here, there = await pair(simulation)
        transport.write(b"q" * 5000)
        transport.write_eof()
        await there.ended.wait()
        assert there.data == b"q" * 5000
        there.transport.write(b"a" * 50_000)
        there.transport.write_eof()
        await here.ended.wait()
        assert here.data == b"a" * 50_000
        await close(here, there)

    run(scenario, link=LOSSY, stream=WIDE)


@pytest.mark.parametrize("hangs_up", ["sender", "receiver"])
def test_an_abort_in_the_middle_of_a_transfer_is_heard_at_the_other_side(hangs_up: str) -> None:
    async def scenario(simulation: Simulation) -> None:
        transport, here, there = await pair(simulation)
        transport.write(bytes(3_000_000))
        await asyncio.sleep(0.5)
        assert 0 < len(there.data) < 3_000_000
        if hangs_up == "sender":
            transport.abort()
        else:
            there.transport.abort()
        async with asyncio.timeout(60):
            await here.lost.wait()
            if hangs_up == "sender":  # what had been handed over still arrives, and then the end
                await there.ended.wait()
                there.transport.close()
            await there.lost.wait()
        assert hangs_up == "sender" or isinstance(here.error, ConnectionResetError)

    run(scenario, link=LOSSY, stream=WIDE)


def test_a_program_feels_the_path_and_not_the_receivers_window() -> None:
    """What it has written and what has not left its host is about two windows, as with a send buffer of Linux."""

    async def scenario(simulation: Simulation) -> int:
        transport, here, there = await pair(simulation)
        transport.write(bytes(5_000_000))
        await asyncio.sleep(1)
        stuck = transport.get_write_buffer_size()
        assert 5_000_000 - stuck - len(there.data) < 600_000
        transport.abort()
        await here.lost.wait()
        await there.ended.wait()
        await close(there)
        return stuck

    assert run(scenario, link=LINE, stream=WIDE).result > 3_000_000


def test_several_streams_share_a_bottleneck_and_none_of_them_starves() -> None:
    async def scenario(simulation: Simulation) -> list[float]:
        simulation.set_access(SENDER, up_bytes_per_s=1.25e6, queue_bytes=60_000)
        found = [await pair(simulation, receiver=f"10.0.1.{number}") for number in range(3)]
        for transport, _, _ in found:
            transport.write(bytes(8_000_000))
        await asyncio.sleep(12)
        counts = [float(len(there.data)) for _, _, there in found]
        for transport, here, there in found:
            transport.abort()
            await here.lost.wait()
            await there.ended.wait()
            await close(there)
        return counts

    counts = run(scenario, link=Link(delay_s=0.02), stream=SimulatedStreamConfig(congestion="reno")).result
    assert sum(counts) > 0.9 * 12 * 1.25e6 * PAYLOAD / 1500
    assert min(counts) > 0.15 * sum(counts)


def test_a_receiver_that_comes_back_from_a_partition_gets_the_rest() -> None:
    async def scenario(simulation: Simulation) -> None:
        transport, here, there = await pair(simulation)
        data = random.Random(1).randbytes(400_000)
        transport.write(data)
        transport.write_eof()
        await asyncio.sleep(0.1)
        with simulation.partition([SENDER], [RECEIVER]):
            await asyncio.sleep(20)
        with simulation.clog(SENDER, RECEIVER):
            await asyncio.sleep(5)
        await there.ended.wait()
        assert there.data == data
        await close(here, there)

    run(scenario, link=LOSSY, stream=WIDE)


def test_a_connection_that_nothing_gets_through_is_given_up() -> None:
    async def scenario(simulation: Simulation) -> float:
        transport, here, there = await pair(simulation)
        with simulation.black_hole(SENDER):
            began = simulation.now
            transport.write(bytes(100_000))
            await here.lost.wait()
            assert isinstance(here.error, TimeoutError)
            took_s = simulation.now - began
        there.transport.abort()
        await there.lost.wait()
        return took_s

    stream = SimulatedStreamConfig(congestion="cubic", give_up_s=30.0)
    assert 30 <= run(scenario, link=LINE, stream=stream).result < 100


def test_a_host_that_crashed_and_came_back_answers_with_a_reset() -> None:
    async def scenario(simulation: Simulation) -> None:
        transport, here, _ = await pair(simulation)
        transport.write(bytes(1_000_000))
        await asyncio.sleep(0.2)
        with simulation.crash(RECEIVER):
            await asyncio.sleep(1)
        async with asyncio.timeout(100):
            await here.lost.wait()
        assert isinstance(here.error, ConnectionResetError)

    run(scenario, link=LINE, stream=WIDE)


def test_one_seed_gives_one_run() -> None:
    async def scenario(simulation: Simulation) -> float:
        transport, here, there = await pair(simulation)
        transport.write(bytes(300_000))
        transport.write_eof()
        await there.ended.wait()
        await close(here, there)
        return simulation.now

    runs = [run(scenario, link=LOSSY, seed=seed, stream=WIDE) for seed in (1, 1, 2)]
    assert runs[0].digest == runs[1].digest != runs[2].digest
    assert runs[0].result == runs[1].result != runs[2].result


def test_each_host_may_have_a_controller_of_its_own_and_says_what_it_knows_of_the_path() -> None:
    async def scenario(simulation: Simulation) -> None:
        simulation.set_congestion("bbr", RECEIVER)
        transport, here, there = await pair(simulation)
        assert transport.get_extra_info("path_stats") is None
        there.transport.write(bytes(60_000))
        while len(here.data) < 60_000:  # noqa: ASYNC110  # virtual time
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.2)
        path = there.transport.get_extra_info("path_stats")
        assert isinstance(path, PathStats)
        assert (path.transport, path.controller, path.in_flight_bytes) == ("simulated", "bbr", 0)
        assert path.rtt_s is not None
        assert path.min_rtt_s is not None
        assert path.min_rtt_s == pytest.approx(0.05, rel=0.1)
        assert path.min_rtt_s <= path.rtt_s < 0.2
        assert path.window_bytes is not None
        assert path.window_bytes >= 10 * PAYLOAD
        assert path.delivery_rate_bytes_per_s is not None
        assert 0 < path.delivery_rate_bytes_per_s <= 1.3e6
        assert path.retransmitted_bytes == 0
        await close(here, there)

    run(scenario, link=LINE)


def test_what_a_link_has_for_ipv6_is_used_up_by_its_longer_headers() -> None:
    async def scenario(simulation: Simulation) -> None:
        transport, here, there = await pair(simulation, receiver="2001:db8::b")
        transport.write(bytes(200_000))
        transport.write_eof()
        await there.ended.wait()
        assert len(there.data) == 200_000
        await close(here, there)

    assert run(scenario, link=replace(LINE, mtu_bytes=1280, queue_bytes=30_000), stream=WIDE).virtual_s > 0.16


async def over_tcp(simulation: Simulation, dialler: TcpConfig, listener: TcpConfig) -> tuple[Any, Any]:
    """What both ends of a connection know of their paths."""
    sinks: list[Sink] = []

    def accept() -> Sink:
        sinks.append(Sink(simulation))
        return sinks[-1]

    with simulation.host(RECEIVER):
        server = await TcpTransport(listener).listen(accept, Address(RECEIVER, 7000))
    try:
        with simulation.host(SENDER):
            stream, here = await TcpTransport(dialler).connect(lambda: Sink(simulation), Address(RECEIVER, 7000))
    except CongestionControlError:
        server.close()
        await asyncio.sleep(1)
        await close(*sinks)
        raise
    stream.write(b"question" * 1000)
    while not sinks or len(sinks[0].data) < 8000:  # noqa: ASYNC110  # virtual time
        await asyncio.sleep(0.01)
    sinks[0].transport.write(b"answer")
    while len(here.data) < 6:  # noqa: ASYNC110  # virtual time
        await asyncio.sleep(0.01)
    paths = stream.get_extra_info("path_stats"), sinks[0].transport.get_extra_info("path_stats")
    server.close()
    await close(here, sinks[0])
    return paths


@pytest.mark.skipif(not hasattr(socket, "TCP_CONGESTION"), reason="only Linux lets a program choose")
@pytest.mark.parametrize("of_all", [None, "reno"])
def test_the_option_of_the_kernel_chooses_one_of_ours(of_all: str | None) -> None:
    """Even where another one was at work when the connection came into being."""

    async def scenario(simulation: Simulation) -> None:
        simulation.set_congestion(of_all)
        ours, theirs = await over_tcp(simulation, TcpConfig(congestion="bbr"), TcpConfig())
        assert (ours.controller, theirs and theirs.controller) == ("bbr", of_all)
        ours, theirs = await over_tcp(simulation, TcpConfig(), TcpConfig(congestion="CUBIC"))
        assert (ours and ours.controller, theirs.controller) == (of_all, "cubic")

    run(scenario, link=LOSSY)


@pytest.mark.skipif(not hasattr(socket, "TCP_CONGESTION"), reason="only Linux lets a program choose")
def test_a_name_that_is_none_of_ours_lists_ours() -> None:
    async def scenario(simulation: Simulation) -> None:
        with pytest.raises(CongestionControlError, match=r"'vegas': choose one of reno, cubic") as caught:
            await over_tcp(simulation, TcpConfig(congestion="vegas"), TcpConfig())
        assert "bbr" in caught.value.available
        transport, here, there = await pair(simulation, receiver="10.0.0.7")
        with pytest.raises(OSError, match="vegas") as refused:
            transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, b"vegas")
        assert refused.value.errno == errno.ENOENT
        await close(here, there)

    run(scenario)


def _everywhere(simulation: Simulation) -> None:
    simulation.set_congestion("vegas")


def _on_a_host(simulation: Simulation) -> None:
    simulation.set_congestion("vegas", SENDER)


@pytest.mark.parametrize("choose", [_everywhere, _on_a_host])
def test_controllers_that_there_are_not_are_refused(choose: Callable[[Simulation], None]) -> None:
    async def scenario(simulation: Simulation) -> None:
        with pytest.raises(UnknownControllerError, match="vegas"):
            choose(simulation)

    run(scenario)
    with pytest.raises(UnknownControllerError):
        SimulatedStreamConfig(congestion="vegas")
    with pytest.raises(ValueError, match="controlled_window_bytes"):
        SimulatedStreamConfig(controlled_window_bytes=1000)
